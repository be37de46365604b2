"""Reading: what is said of files that are no table, with the names of the files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from container.data.channels import Channel
from container.data.streams import Source
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.progress import Counter
from support.written import Content, both_of, read, table_of

REMEDY = (
    "correct the data, or the hyperparameters that say how it is read (task, label, weight, "
    "header, delimiter)."
)


def parquet(**columns: list[Any]) -> bytes:
    """Return a Parquet file of some columns."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("training", "validation", "suffix", "problem"),
    [
        (
            "y,a,b\nx,1,2\n",
            "y,a,c\nx,1,2\n",
            ".csv",
            "In {v}, column 2 is called 'c', in the training data 'b'; ",
        ),
        (
            "x,1,2\n",
            "x,1\n",
            ".csv",
            "In {v}, rows have 1 features, those of the training data 2; ",
        ),
        (
            "x 1:1 2:2\n",
            "x 3:1\n",
            ".svm",
            "In {v}, there are 3 features, in the training data 2; ",
        ),
        (
            "x,1.5\n",
            "z,1.5\n",
            ".csv",
            (
                "In {v}, there is the label 'z' (1 rows), which no row of the training data has; "
                "correct it, or leave those rows out."
            ),
        ),
        (
            "x 1:1 2:2\n",
            "x 0:1\n",
            ".svm",
            "In {v}, there is the index 0, but the training data count features from 1; ",
        ),
        ("x,1.5\n", "\n", ".csv", "In {v}, there are no rows; "),
    ],
)
def test_validation_data_must_fit_the_training_data(
    tmp_path: Path, training: str, validation: str, suffix: str, problem: str
) -> None:
    """Metrics on other columns or other classes would mean nothing."""
    with pytest.raises(TrainingDataError) as caught:
        both_of(tmp_path, training, validation, suffix)

    assert str(caught.value).startswith(problem.format(v=tmp_path / f"0v{suffix}"))


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (["a,1,2\nb,1\n"], "In {0}, row 2 has 2 columns, the rows before 3"),
        (["a,1\n", "b,2\n\nc,x\n"], "In {1}, row 3, column 2 is 'x', not a number"),
        (["y,x\na,1\n", "y,x\n,2\n"], "In {1}, row 2, column 1 ('y') is '': no label"),
        (["a,1,2\n", "b,1,2,3\n"], "In {1}, rows have 4 columns, those of {0} 3"),
        (["y,x\na,1\n", "b,2\n"], "In {1}, there is no header, in {0} a header"),
        (["b,2\n", "y,x\na,1\n"], "In {1}, there is a header, in {0} no header"),
        (["y,x\na,1\n", "y,z\na,1\n"], "In {1}, column 2 is called 'z', in {0} 'x'"),
        (
            ["y,x,z\na,1,2\n", "y,z,x\na,1,2\n"],
            "In {1}, column 2 is called 'z', in {0} 'x'",
        ),
        (["\n", "a,1\n", "b,2,3\n"], "In {2}, rows have 3 columns, those of {1} 2"),
        (["\n", b"\xef\xbb\xbf\r\n"], "In {0}, {1}, there are no rows"),
        (["y,x\n"], "In {0}, there are no rows"),
        (["café,1\n".encode("latin-1")], "In {0}, row 1 has the byte 0xe9, which is not UTF-8"),
    ],
)
def test_message_names_the_file(tmp_path: Path, contents: list[Content], problem: str) -> None:
    """A mistake is told with the file, the row, the column, and what to do."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, *contents)

    files = [tmp_path / f"{number}.csv" for number in range(len(contents))]
    assert str(caught.value) == f"{problem.format(*files)}; {REMEDY}"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"label": "species"},
            "'label' is 'species', which is no column; the columns are 'y', 'z'.",
        ),
        ({"weight": "x"}, "'weight' is 'x', which is no column; the columns are 'y', 'z'."),
    ],
)
def test_message_on_a_column_that_is_not_there_names_the_file(
    tmp_path: Path, options: dict[str, str], problem: str
) -> None:
    """Of many files the one without the column must be found."""
    with pytest.raises(HyperparameterError) as caught:
        table_of(tmp_path, "species,x,y\na,1,2\n", "y,z\na,1\n", **options)

    assert problem in str(caught.value)
    assert str(tmp_path / "1.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("contents", "kinds"),
    [
        ([b"a;1\n", b"a,1\n"], ("semicolon-separated text", "comma-separated text")),
        ([b"1 1:1\n", b"a,1\n"], ("libsvm", "comma-separated text")),
        ([b"a,1\n", parquet(y=["a"], x=[1.0])], ("comma-separated text", "Parquet")),
    ],
)
def test_files_of_two_formats_are_refused(
    tmp_path: Path, contents: list[bytes], kinds: tuple[str, str]
) -> None:
    """Both files are named, each with its format."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, *contents, suffix="")

    assert str(caught.value) == (
        f"The files of a channel must be in one format, but {tmp_path}/0 is {kinds[0]} and "
        f"{tmp_path}/1 is {kinds[1]}; leave one of them out, or convert it."
    )


def test_pipe_that_joins_objects_is_told(tmp_path: Path) -> None:
    """A mistake in a pipe may be where one object ends and the next begins."""
    pipe = tmp_path / "train_0"
    pipe.write_text("a,1\nb,2c,3\n")
    channel = Channel("train", (Source(pipe, is_pipe=True),), "text/csv")

    with pytest.raises(TrainingDataError) as caught:
        read(channel, InputOptions(), Counter())

    assert str(caught.value) == (
        f"In the pipe {pipe}, row 2 has 3 columns, the rows before 2; {REMEDY} A pipe joins the "
        "objects of a channel as they are, so each must end with a line break."
    )
