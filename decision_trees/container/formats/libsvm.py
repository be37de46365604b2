"""libsvm: text rows of a label and the cells that are not 0, each with its index.

A row is `label index:value index:value ...`, and a comment after `#`. Whether indices count from 0
or from 1 shows only when all files are read: one index 0 anywhere means from 0. So blocks have the
indices as they are written; if none of them is 0, column 0 is to be left out of the table.

Source: https://github.com/cjlin1/libsvm/blob/master/README
"""

import re
from array import array
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from container.blocks import BLOCK_VALUES, Block, Part, Sparse
from container.cells import FLOAT32_OVERFLOW, CellError, is_missing, number, shown
from container.options import InputOptions

_CHUNK_BYTES = 64 * 1024
_MAX_INDEX = 2**31 - 1
_NUMERIC = b"0123456789.+-eEnaN"
_SIGNED_NAN = (b"+n", b"+N", b"-n", b"-N")
"""What `float` reads and the rules of cells do not."""

_BLANKS = re.compile(r"[ \t]+")
_INDEX = re.compile(r"[0-9]+")


def read(stream: BinaryIO, options: InputOptions) -> Part:
    """Open a libsvm file; it is read once, from its beginning.

    Cells that are not written are 0, `nan` is missing. Blocks are sparse, with raw indices: what is
    column 0 exists only if an index 0 is written, in this file or another.

    Args:
        stream: the file; a pipe will do.
        options: whether labels are numbers.

    Raises:
        HyperparameterError: a hyperparameter names the column of the label or the weight.
    """
    options.refuse_columns("libsvm")
    return Part("libsvm", None, _blocks(stream, options.labels_are_numbers))


@dataclass
class _Rows:
    """Some rows, as they are read."""

    labels: list[str | float]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    """Shape (n_rows,), how many cells each row has."""


def _blocks(stream: BinaryIO, labels_are_numbers: bool) -> Iterator[Block]:
    """Yield the rows, about BLOCK_VALUES cells and labels at a time."""
    waiting: list[_Rows] = []
    size, first_row = 0, 1
    while lines := stream.readlines(_CHUNK_BYTES):
        if first_row == 1:
            lines[0] = lines[0].removeprefix(BOM_UTF8)
        rows = plain_rows(lines, labels_are_numbers)
        waiting.append(rows or _any_rows(lines, first_row, labels_are_numbers))
        first_row += len(lines)
        size += len(waiting[-1].values) + len(waiting[-1].labels)
        if size >= BLOCK_VALUES:
            yield _block(waiting, labels_are_numbers)
            waiting, size = [], 0
    if size:
        yield _block(waiting, labels_are_numbers)


def _block(parts: list[_Rows], labels_are_numbers: bool) -> Block:
    columns = np.concatenate([part.columns for part in parts])
    values = np.concatenate([part.values.astype(np.float32) for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    labels = [label for part in parts for label in part.labels]
    return Block(
        Sparse(values, columns, counts.cumsum(), int(columns.max(initial=-1)) + 1),
        np.array(labels, dtype=np.float64) if labels_are_numbers else cast("list[str]", labels),
    )


def plain_rows(lines: list[bytes], labels_are_numbers: bool) -> _Rows | None:
    """Return rows written as most are, all at once; None if they are to be read one by one."""
    texts = [line.replace(b"\t", b" ").strip(b" \r\n") for line in lines]
    rows = [text.partition(b" ") for text in texts if text]
    counts = np.array([cells.count(b":") for _, _, cells in rows], dtype=np.int64)
    cells = b" ".join([cells for _, _, cells in rows if cells])
    if not counts.any() or cells.translate(None, _NUMERIC) != b" ".join([b":"] * counts.sum()):
        return None
    if any(found in cells for found in _SIGNED_NAN):
        return None
    parts = cells.decode("ascii").replace(":", " ").split(" ")
    try:
        labels = _plain_labels([label for label, _, _ in rows], labels_are_numbers)
        columns = np.fromiter(map(int, parts[::2]), dtype=np.int64)
        values = np.fromiter(map(float, parts[1::2]), dtype=np.float64)
    except (ValueError, OverflowError):
        return None
    plain = "".join(parts[::2]).isdigit() and _are_plain(columns, values, counts)
    return _Rows(labels, columns, values, counts) if plain else None


def _plain_labels(labels: list[bytes], labels_are_numbers: bool) -> list[str | float]:
    """Return labels, equal ones sharing a text; raises ValueError when one is to be looked at."""
    if any(b"#" in label for label in set(labels)):
        raise ValueError(labels)
    known = {label: _label(label.decode(), 0, labels_are_numbers) for label in set(labels)}
    return [known[label] for label in labels]


def _are_plain(
    columns: NDArray[np.int64], values: NDArray[np.float64], counts: NDArray[np.int64]
) -> bool:
    """Say whether the indices of each row ascend, and all values are in range."""
    steps = np.diff(columns, prepend=-1)
    steps[(counts.cumsum() - counts)[counts > 0]] = 1
    too_large = bool((np.abs(values) >= FLOAT32_OVERFLOW).any())
    return not too_large and bool((steps > 0).all()) and int(columns.max()) <= _MAX_INDEX


def _any_rows(lines: list[bytes], first_row: int, labels_are_numbers: bool) -> _Rows:
    """Return rows that are read one by one; raises CellError for the first that is no good."""
    labels, counts = [], []
    columns, values = array("q"), array("d")
    for row, line in enumerate(lines, start=first_row):
        found, *tokens = _BLANKS.split(_text(line, row).partition("#")[0].strip(" \t\r\n"))
        if found:
            labels.append(_label(found, row, labels_are_numbers))
            counts.append(len(tokens))
        last = -1
        for token in tokens:
            last, value = read_cell(token, row, last)
            columns.append(last)
            values.append(value)
    return _Rows(
        labels,
        np.array(columns, dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.array(counts, dtype=np.int64),
    )


def _text(line: bytes, row: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise CellError(f"row {row} has the byte 0x{found:02x}, which is not UTF-8") from error


def _label(text: str, row: int, is_number: bool) -> str | float:
    """Return a label: a number, or a class as it is written; raises CellError."""
    if ":" in text:
        raise CellError(f"row {row} begins with {shown(text)}, not with a label alone")
    if "," in text:
        raise CellError(f"row {row} has the labels {shown(text)}", "give each row one label")
    if is_missing(text):
        raise CellError(f"row {row} begins with {shown(text)}: no label")
    return number(text, lambda: f"row {row}, the label") if is_number else text


def read_cell(token: str, row: int, last: int) -> tuple[int, float]:
    """Return index and value of a cell, whose index is above `last`; raises CellError."""
    index = _index(token, row, last)
    return index, number(token.partition(":")[2], lambda: f"row {row}, index {index}")


def _index(token: str, row: int, last: int) -> int:
    """Return the index of a cell; raises CellError when it is none, or not above the last one."""
    index, _, value = token.partition(":")
    if index == "qid":
        raise CellError(f"row {row} has {shown(token)}", "leave it out: rankings are not learnt")
    if not value:
        raise CellError(f"row {row} has {shown(token)}, which is not index:value")
    if not _INDEX.fullmatch(index):
        raise CellError(f"row {row} has {shown(token)}, whose index is no whole number from 0")
    if len(index) > 10 or int(index) > _MAX_INDEX:
        raise CellError(f"row {row} has {shown(token)}, whose index is above {_MAX_INDEX}")
    if int(index) <= last:
        raise CellError(f"row {row} has the index {index} after {last}", "let indices ascend")
    return int(index)
