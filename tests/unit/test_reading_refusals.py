"""Reading: errors that name one file."""

from pathlib import Path

import pytest

from container.data.channels import Channel
from container.data.streams import Source
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.progress import Counter
from support.recordio import encode, encode_sparse
from support.training_files import Content, both_of, read, table_of

REMEDY = "correct the data."


def test_validation_data_without_rows_are_refused(tmp_path: Path) -> None:
    """Metrics of no rows would be undefined."""
    with pytest.raises(TrainingDataError) as caught:
        both_of(tmp_path, "x,1.5\n", "\n")

    assert str(caught.value).startswith(f"In {tmp_path}/0v.csv, there are no rows; ")


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (["a,1\n", "b,2\n\nc,x\n"], "In {1}, row 3, column 2 is 'x', not a number"),
        (["\n", "a,1\n", "b,2,3\n"], "In {2}, rows have 3 columns, but those of {1} 2"),
        (["\n", b"\xef\xbb\xbf\r\n"], "In {0}, {1}, there are no rows"),
    ],
)
def test_message_names_the_file(tmp_path: Path, contents: list[Content], problem: str) -> None:
    """An error has the file, the row, the column and the remedy."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, *contents)

    files = [tmp_path / f"{number}.csv" for number in range(len(contents))]
    assert str(caught.value) == f"{problem.format(*files)}; {REMEDY}"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"label": "species"},
            "'label' is 'species', which is not a column; the columns are 'y', 'z'.",
        ),
        ({"weight": "x"}, "'weight' is 'x', which is not a column; the columns are 'y', 'z'."),
    ],
)
def test_message_about_a_missing_column_names_the_file(
    tmp_path: Path, options: dict[str, str], problem: str
) -> None:
    """The message names the one file without the column."""
    with pytest.raises(HyperparameterError) as caught:
        table_of(tmp_path, "species,x,y\na,1,2\n", "y,z\na,1\n", **options)

    assert problem in str(caught.value)
    assert str(tmp_path / "1.csv") in str(caught.value)


def test_message_about_a_pipe_has_a_hint(tmp_path: Path) -> None:
    """A wrong row in a pipe may be where one object ends and the next begins."""
    pipe = tmp_path / "train_0"
    pipe.write_text("a,1\nb,2c,3\n")
    channel = Channel("train", (Source(pipe, is_pipe=True),), "text/csv")

    with pytest.raises(TrainingDataError) as caught:
        read(channel, InputOptions(), Counter())

    assert str(caught.value) == (
        f"In the pipe {pipe}, row 2 has 3 columns, but the rows before have 2; {REMEDY} A pipe "
        "joins the objects of a channel as they are, so each must end with a line break."
    )


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (encode([[1, 2, 3]], [1]), "rows have 3 features, but those before 2"),
        (encode_sparse([{0: 1.0}], [1]), "sparse and dense rows are mixed"),
    ],
)
def test_files_with_different_features_are_refused(
    tmp_path: Path, second: bytes, problem: str
) -> None:
    """Files without columns must have the same number of features, all dense or all sparse."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, encode([[1, 2]], [0]), second, suffix=".rec")

    assert str(caught.value) == f"In {tmp_path}/1.rec, {problem}; {REMEDY}"


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    """The message has the first of them, their number, and the hyperparameter that drops them."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, "y,x\na,1\n", "y,x\n,2\nb,1\nNA,2\n")

    assert str(caught.value) == (
        f"In {tmp_path}/1.csv, row 2, column 1 ('y') is '': no label, as in 2 rows; "
        "set the hyperparameter missing_labels=drop to leave such rows out; a class named NA, None "
        "or null must be written as another text."
    )
