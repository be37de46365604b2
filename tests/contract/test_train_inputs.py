"""`train` with every format and input mode: the same table results in the same model."""

import os
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from artifact import export
from support.fifos import fed, pipe_of
from support.formats import FORMATS, NAMES, Table, as_parquet, with_header
from support.material import LabelledRows, OptMl, as_csv, soak_only
from support.processes import Ended, read_until, start, train, wait_for


@pytest.fixture(scope="module")
def table(iris: LabelledRows) -> Table:
    """The Iris table with numeric labels, the label first."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(iris.labels))}
    return [
        [codes[label], *row.tolist()] for label, row in zip(iris.labels, iris.features, strict=True)
    ]


@pytest.fixture(scope="module")
def expected(table: Table) -> bytes:
    """The model.onnx of scikit-learn's tree for the table."""
    values = np.array(table)
    features, labels = values[:, 1:].astype(np.float32), values[:, 0].astype(np.int64)
    return export.to_onnx(DecisionTreeClassifier(random_state=0).fit(features, labels), 4)


def model_of(opt_ml: OptMl, ended: Ended) -> bytes:
    """Return the model that a job wrote."""
    assert ended.code == 0, ended.log
    return (opt_ml.model / "model.onnx").read_bytes()


OFTEN = {"table.csv", "table.csv.gz", "libsvm", "table.parquet", "table.recordio"}
"""Formats that are tested in each run; payloads/ contains all of them as well."""


@pytest.mark.parametrize("name", [name if name in OFTEN else soak_only(name) for name in FORMATS])
def test_format_results_in_the_model_of_scikit_learn(
    opt_ml: OptMl, table: Table, expected: bytes, name: str
) -> None:
    """model.onnx has the same bytes for every format of the table."""
    opt_ml.write(name, FORMATS[name](table))

    ended = train(opt_ml)

    assert model_of(opt_ml, ended) == expected


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("text/csv", "table.csv"),
        ("text/csv; header=present", "with_header.csv"),
        soak_only("text/csv;label_size=1", "table.csv"),
        soak_only("text/tab-separated-values", "table.tsv"),
        soak_only("application/x-parquet", "table.parquet"),
        soak_only("text/libsvm", "libsvm"),
        ("application/x-recordio-protobuf", "records"),
    ],
)
def test_content_type_of_the_channel_determines_the_format(
    opt_ml: OptMl, table: Table, expected: bytes, content_type: str, name: str
) -> None:
    """The content type of the channel takes precedence over the name of the file."""
    opt_ml.write("part-00000.txt", FORMATS[name](table))
    opt_ml.configure(training={"ContentType": content_type, "TrainingInputMode": "FastFile"})

    ended = train(opt_ml)

    assert model_of(opt_ml, ended) == expected


@pytest.mark.parametrize(
    ("hyperparameters", "order"),
    [
        ({"label": "species"}, [1, 0, 2, 3, 4]),
        ({"label": "-1"}, [1, 2, 3, 4, 0]),
        ({"label": "2"}, [1, 2, 0, 3, 4]),
    ],
)
def test_label_may_be_in_any_column(
    opt_ml: OptMl,
    table: Table,
    expected: bytes,
    hyperparameters: dict[str, str],
    order: list[int],
) -> None:
    """The label is found by its name or its index, and the features keep their order."""
    lines: list[list[Any]] = [NAMES, *table]
    rows = [[line[index] for index in order] for line in lines]
    opt_ml.write("table.csv", as_csv(rows))
    opt_ml.write_hyperparameters(hyperparameters)

    ended = train(opt_ml)

    assert model_of(opt_ml, ended) == expected


PIPED = ["table.csv", "with_header.csv", "table.csv.gz", "records", "sparse.recordio"]


@pytest.mark.parametrize("name", PIPED)
@pytest.mark.parametrize("piece_bytes", [7, soak_only(1 << 16)])
def test_pipe_results_in_the_model_of_the_files(
    opt_ml: OptMl, table: Table, expected: bytes, name: str, piece_bytes: int
) -> None:
    """In Pipe mode a channel is read from its first FIFO, in pieces of any size."""
    content = FORMATS[name](table)
    opt_ml.configure(train={"TrainingInputMode": "Pipe"})

    with fed(
        pipe_of(opt_ml, "train"),
        content.encode() if isinstance(content, str) else content,
        piece_bytes,
    ) as taken:
        ended = train(opt_ml)

    assert model_of(opt_ml, ended) == expected
    assert taken()


def test_pipe_of_objects_with_headers_is_one_table(
    opt_ml: OptMl, table: Table, expected: bytes
) -> None:
    """A pipe concatenates objects: the header and the byte-order mark of each are skipped."""
    objects = [table[:50], table[50:100], table[100:]]
    content = "".join("\ufeff" + with_header(part) for part in objects)
    opt_ml.configure(train={"TrainingInputMode": "Pipe", "ContentType": "text/csv"})

    with fed(pipe_of(opt_ml, "train"), content.encode()):
        ended = train(opt_ml)

    assert model_of(opt_ml, ended) == expected
    assert "left out 2 rows that repeat the header" in ended.log


def test_pipes_of_two_channels_are_read_one_after_the_other(
    opt_ml: OptMl, table: Table, expected: bytes
) -> None:
    """Training data are read first, then validation data; either pipe may exist first."""
    opt_ml.configure(train={"TrainingInputMode": "Pipe"}, validation={"TrainingInputMode": "Pipe"})
    content = as_csv(table).encode()

    with (
        fed(pipe_of(opt_ml, "validation"), content),
        fed(pipe_of(opt_ml, "train"), content),
    ):
        ended = train(opt_ml)

    assert model_of(opt_ml, ended) == expected
    assert "validation:accuracy=1;" in ended.log


def test_pipe_may_appear_late(opt_ml: OptMl, table: Table, expected: bytes) -> None:
    """A job waits for a pipe that does not exist yet."""
    opt_ml.configure(train={"TrainingInputMode": "Pipe"})
    process = start("train", opt_ml)
    read_until(process, "hyperparameters")

    with fed(pipe_of(opt_ml, "train"), as_csv(table).encode()):
        ended = wait_for(process)

    assert model_of(opt_ml, ended) == expected


def test_pipe_is_closed_if_its_data_are_bad(opt_ml: OptMl) -> None:
    """The writer receives an error at once; the failure names pipe, row and remedy."""
    opt_ml.configure(train={"TrainingInputMode": "Pipe"})
    pipe = pipe_of(opt_ml, "train")

    with fed(pipe, b"a,1\nb,2\na,x\n" + b"a,1\n" * 1_000_000) as taken:
        ended = train(opt_ml)

    assert ended.code == os.EX_DATAERR
    assert not taken()
    assert opt_ml.failure.read_text().startswith(
        f"In the pipe {pipe}, row 3, column 2 is 'x', not a number;"
    )


def test_parquet_through_a_pipe_is_rejected(opt_ml: OptMl, table: Table) -> None:
    """Parquet cannot be read sequentially; the failure names FastFile."""
    opt_ml.configure(train={"TrainingInputMode": "Pipe"})

    with fed(pipe_of(opt_ml, "train"), as_parquet(table)):
        ended = train(opt_ml)

    assert ended.code == os.EX_DATAERR
    assert "use the input mode FastFile instead of Pipe" in opt_ml.failure.read_text()
