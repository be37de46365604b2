"""Files and request bodies of any number of files, columns and rows, for phases.py."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from support.recordio import encode

Rows = NDArray[np.float32]


def write_channel(directory: Path, contents: Iterable[bytes | str], suffix: str = ".csv") -> Path:
    """Write the files of the training channel, and return the /opt/ml directory."""
    channel = directory / "input/data/training"
    channel.mkdir(parents=True)
    for number, content in enumerate(contents):
        file = channel / f"{number:06}{suffix}"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return directory


def matrix(n_rows: int, n_columns: int) -> Rows:
    """Return random numbers with few digits."""
    return np.random.default_rng(0).random((n_rows, n_columns), np.float32).round(3)


def names_of(size: int) -> list[str]:
    """Return names of columns."""
    return [f"feature_{index}" for index in range(size)]


def as_csv(rows: Rows, *, names: bool = False, labels: str = "", quote: str = "") -> str:
    """Return rows as CSV, with names in descending order.

    `labels` is a template of the label of each row, by its number.
    """
    lines = [[str(cell) for cell in row] for row in rows.tolist()]
    if labels:
        lines = [[labels.format(number), *line] for number, line in enumerate(lines)]
    if names:
        lines.insert(0, ["label"] * bool(labels) + names_of(rows.shape[1])[::-1])
    return "".join(quote + f"{quote},{quote}".join(line) + quote + "\n" for line in lines)


def as_parquet(rows: Rows, *, labels: bool = False, groups: int | None = None) -> bytes:
    """Return rows as Parquet with names, in row groups of `groups` rows."""
    columns = dict(zip(names_of(rows.shape[1]), rows.T.copy(), strict=True))
    if labels:
        columns = {"label": np.arange(len(rows)) % 2} | columns
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, row_group_size=groups)
    return file.getvalue()


def as_libsvm(rows: Rows) -> str:
    """Return rows as libsvm, with two labels."""
    return "".join(
        f"{number % 2} {' '.join(f'{index}:{v}' for index, v in enumerate(row, 1))}\n"
        for number, row in enumerate(rows.tolist())
    )


def as_recordio(rows: Rows) -> bytes:
    """Return rows as RecordIO-protobuf, with two labels."""
    return encode(rows.tolist(), np.arange(len(rows)) % 2)


def as_json(rows: Rows, *, by: str) -> str:
    """Return rows as objects, or as a table that is split into names and rows."""
    names = names_of(rows.shape[1])[::-1]
    if by == "split":
        return json.dumps({"dataframe_split": {"columns": names, "data": rows.tolist()}})
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows.tolist()])
