"""Reading: errors about all rows of a channel, which name its files."""

from pathlib import Path

import pytest

from container.data.columns import HEADER_REMEDY
from container.errors import TrainingDataError
from support.training_files import Content, table_of

REMEDY = "correct the data."


@pytest.mark.parametrize(
    ("contents", "options", "message"),
    [
        (
            ["y,w,x\na,0,1\n", "y,w,x\nb,0,2\n"],
            {"weight": "w"},
            "In {0}, {1}, every row has the weight 0; give some rows a weight above 0.",
        ),
        (
            ["Iris,,\na,1,2\nb,3,4\n", "b,1,2\nFisher,,\n"],
            {"header": "absent"},
            (
                "In {0}, {1}, all rows with the label 'Iris' are empty, as a title or footer "
                "is; remove them."
            ),
        ),
        (
            ["y,x,z\na,NA,2\nb,,nan\n"],
            {},
            (
                "In {0}, all rows with the label 'b' are empty, as a title or footer is; "
                "remove them."
            ),
        ),
        (
            ["0,1.5\n1,2.5\n", "2,2.5\n3,1.5\n"],
            {},
            (
                "In {0}, {1}, every row has its own label, from 0 to 3, as in an index; "
                "remove that column, or set the hyperparameter label to another one."
            ),
        ),
    ],
)
def test_message_about_all_rows_names_all_files(
    tmp_path: Path, contents: list[Content], options: dict[str, str], message: str
) -> None:
    """Each problem of all rows together has its own remedy."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, *contents, **options)

    files = [tmp_path / f"{number}.csv" for number in range(len(contents))]
    assert str(caught.value) == message.format(*files)


def test_message_names_five_files_at_most(tmp_path: Path) -> None:
    """A failure reason has room for few paths."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, *["y,x\n"] * 6)

    files = ", ".join(f"{tmp_path}/{number}.csv" for number in range(5))
    assert str(caught.value) == f"In {files}, there are no rows; {REMEDY}"


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (["a,b\nx,1\n", "a,b\na,2\n"], "the first row was read as a header, but 'a'{other}"),
        (["species,2019,2020\n0,1,2\n1,3,5\n"], "{alone} 'species'"),
        (["y,5,7\na,1,2\na,3,5\n"] * 2, "{alone} 'y'"),
    ],
)
def test_first_row_that_may_be_a_header_is_refused(
    tmp_path: Path, contents: list[str], problem: str
) -> None:
    """The labels of all files show that a first row was misread."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, *contents)

    names = ", ".join(f"{tmp_path}/{number}.csv" for number in range(len(contents)))
    message = problem.format(
        other=" in it is also the label of other rows",
        alone="the first row may be a header: no other row has its label",
    )
    assert str(caught.value) == f"In {names}, {message}; {HEADER_REMEDY}."


def test_libsvm_files_without_a_cell_are_refused(tmp_path: Path) -> None:
    """Labels without any feature are refused."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, "a\n", "b\n", suffix=".svm")

    assert str(caught.value) == (
        f"In {tmp_path}/0.svm, {tmp_path}/1.svm, rows have a label, but no features; {REMEDY}"
    )
