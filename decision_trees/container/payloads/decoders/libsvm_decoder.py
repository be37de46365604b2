"""Decode libsvm: rows of `index:value`, with or without a label; absent cells are 0."""

import re
from codecs import BOM_UTF8

import numpy as np

from container.formats.cells import CellError, is_missing, is_number, shown
from container.formats.libsvm_rows import plain_rows, read_cell
from container.payloads.decoders.collector import (
    RowCollector,
    RowError,
    lines_in_pieces,
    text_of,
    with_line_feeds,
)
from container.payloads.types import Expected, Rows

_PIECE_CELLS = 2**20
"""Maximum number of cells that are parsed at once."""

_BLANKS = re.compile(r"[ \t]+")
_DELIMITER = re.compile(r"[,;|]")
_INDEX = re.compile(r"([0-9]{1,10}):")


def remedy(expected: Expected) -> str:
    """Return what to send in place of a body that cannot be read."""
    return f"send one row a line: index:value for each cell that is not 0, with {_range(expected)}"


def decode(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a body; labels, and comments after `#`, are ignored.

    Raises:
        CellError: the body is not libsvm, or does not have this model's features.
    """
    text = with_line_feeds(body).removeprefix(BOM_UTF8).rstrip(b"\n")
    collected = RowCollector(expected, len(body), mark_bad=mark_bad)
    collected.expect_lines(text, len(text))
    n_together = max(1, _PIECE_CELLS // expected.n_features)
    for piece in lines_in_pieces(text, len(text), expected) if text else ():
        if not piece.isascii():
            text_of(piece, collected.n_rows + 1)  # an error of the body, also if rows are marked
        lines = piece.split(b"\n")
        for start in range(0, len(lines), n_together):
            _add(collected, lines[start : start + n_together], expected)
    return collected.rows()


def _add(collected: RowCollector, lines: list[bytes], expected: Expected) -> None:
    """Add the rows of some lines, all at once if they are in the usual notation."""
    if _extend(collected, lines, expected):
        return
    for row, line in enumerate(lines, start=collected.n_rows + 1):
        try:
            collected.append(_row(line, row, expected))
        except RowError as error:
            collected.refuse(error)


def _extend(collected: RowCollector, lines: list[bytes], expected: Expected) -> bool:
    """Add rows in the usual notation, all at once; return whether they were added."""
    labelled = [_with_label(line) for line in lines]
    rows = plain_rows(labelled, labels_are_numbers=False) if all(labelled) else None
    if rows is None or len(rows.counts) != len(lines):
        return False
    indices = rows.columns - expected.libsvm_base
    if indices.min() < 0 or indices.max() >= expected.n_features:
        return False
    features = np.zeros((len(lines), expected.n_features), dtype=np.float32)
    features[np.repeat(np.arange(len(lines)), rows.counts), indices] = rows.values
    collected.extend(features)
    return True


def _with_label(line: bytes) -> bytes:
    """Return a row with the label 0 in place of its own; empty if it must be read carefully."""
    text = line.replace(b"\t", b" ").partition(b"#")[0].strip(b" ")
    first, _, rest = text.partition(b" ")
    if b":" in first:
        return b"0 " + text
    return b"0 " + rest if _is_label(first.decode("latin-1"), alone=not rest) else b""


def _is_label(token: str, *, alone: bool) -> bool:
    """Return whether a token may be a label; otherwise other text would become rows of zeros."""
    return is_number(token) or not (alone or is_missing(token) or _DELIMITER.search(token))


def _row(line: bytes, row: int, expected: Expected) -> list[float]:
    """Return the numbers of one row; raise RowError."""
    tokens = _BLANKS.split(line.decode().partition("#")[0].strip(" \t"))
    if tokens == [""]:
        raise RowError(f"row {row} is blank", row, remedy="write a row of zeros as only a label")
    if ":" not in tokens[0] and not _is_label(tokens[0], alone=len(tokens) == 1):
        problem = f"row {row} begins with {shown(tokens[0])}, which is neither a label nor a cell"
        raise RowError(problem, row)
    values = [0.0] * expected.n_features
    last = -1
    for token in tokens if ":" in tokens[0] else tokens[1:]:
        last, value = _cell(token, row, last)
        if not 0 <= last - expected.libsvm_base < expected.n_features:
            problem = f"row {row} has the index {last}, but there are {_range(expected)}"
            raise RowError(problem, row, last)
        values[last - expected.libsvm_base] = value
    return values


def _cell(token: str, row: int, last: int) -> tuple[int, float]:
    try:
        return read_cell(token, row, last)
    except CellError as error:
        index = _INDEX.match(token)
        column = int(index[1]) if index else None
        raise RowError(str(error), row, column, error.remedy) from error


def _range(expected: Expected) -> str:
    first = expected.libsvm_base
    return f"indices {first} to {first + expected.n_features - 1}"
