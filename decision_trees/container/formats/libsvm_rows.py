"""Grammar of libsvm rows: `label index:value index:value ...`, and a comment after `#`.

Source: https://github.com/cjlin1/libsvm/blob/master/README
"""

import re
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from container.formats.cells import FLOAT32_OVERFLOW, CellError, is_missing, number, shown

_MAX_INDEX = 2**31 - 1


_NUMERIC = b"0123456789.+-eEnaN"


_SIGNED_NAN = (b"+n", b"+N", b"-n", b"-N")
"""Signed NaN, which `float` accepts and the grammar of cells does not."""


_BLANKS = re.compile(r"[ \t]+")


_INDEX = re.compile(r"[0-9]+")


@dataclass
class SparseRows:
    """Sparse rows, one after the other."""

    labels: list[str | float]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    """Number of cells of each row, shape (n_rows,)."""


def plain_rows(lines: list[bytes], labels_are_numbers: bool) -> SparseRows | None:
    """Return rows in the usual notation, parsed at once; None for any other, see `careful_rows`."""
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
    return SparseRows(labels, columns, values, counts) if plain else None


def _plain_labels(labels: list[bytes], labels_are_numbers: bool) -> list[str | float]:
    """Return labels, equal ones as one object; raise ValueError if one needs `careful_rows`."""
    if any(b"#" in label for label in set(labels)):
        raise ValueError(labels)
    known = {label: _label(label.decode(), 0, labels_are_numbers) for label in set(labels)}
    return [known[label] for label in labels]


def _are_plain(
    columns: NDArray[np.int64], values: NDArray[np.float64], counts: NDArray[np.int64]
) -> bool:
    """Return whether the indices of each row ascend, and all values are in range."""
    steps = np.diff(columns, prepend=-1)
    steps[(counts.cumsum() - counts)[counts > 0]] = 1
    too_large = bool((np.abs(values) >= FLOAT32_OVERFLOW).any())
    return not too_large and bool((steps > 0).all()) and int(columns.max()) <= _MAX_INDEX


def careful_rows(lines: list[bytes], first_row: int, labels_are_numbers: bool) -> SparseRows:
    """Return rows parsed one by one; raise CellError for the first bad one."""
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
    return SparseRows(
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
    """Return a label: a number, or a class exactly as it is written; raise CellError."""
    if ":" in text:
        raise CellError(f"row {row} begins with {shown(text)}, not with a label")
    if "," in text:
        raise CellError(f"row {row} has the labels {shown(text)}", "give each row one label")
    if is_missing(text):
        raise CellError(f"row {row} begins with {shown(text)}: no label")
    return number(text, lambda: f"row {row}, the label") if is_number else text


def read_cell(token: str, row: int, last: int) -> tuple[int, float]:
    """Return index and value of a cell whose index is above `last`; raise CellError."""
    index = _index(token, row, last)
    return index, number(token.partition(":")[2], lambda: f"row {row}, index {index}")


def _index(token: str, row: int, last: int) -> int:
    """Return the index of a cell; raise CellError if it is invalid, or not above the last one."""
    index, _, value = token.partition(":")
    if index == "qid":
        raise CellError(f"row {row} has {shown(token)}", "leave it out: ranking is not supported")
    if not value:
        raise CellError(f"row {row} has {shown(token)}, which is not index:value")
    if not _INDEX.fullmatch(index):
        raise CellError(f"row {row} has {shown(token)}, whose index is not a whole number from 0")
    if len(index) > 10 or int(index) > _MAX_INDEX:
        raise CellError(f"row {row} has {shown(token)}, whose index is above {_MAX_INDEX}")
    if int(index) <= last:
        raise CellError(
            f"row {row} has the index {index} after {last}", "sort the indices of each row"
        )
    return int(index)
