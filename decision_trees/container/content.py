"""Media types: the bytes of a request become a table, predictions become the bytes of a reply."""

import csv
import io
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from werkzeug.http import parse_options_header

from container import delimited
from container.cells import CellError
from container.errors import ContainerError, MalformedPayload, UnsupportedMediaType

CSV = "text/csv"

Features = NDArray[np.float32]
"""Shape (n_rows, n_features), NaN for a missing cell."""

_UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def decode(body: bytes, content_type: str | None, n_features: int) -> Features:
    """Return the rows of a request as float32 of shape (n_rows, n_features), NaN where missing.

    A request without a media type is taken as CSV: without a header, without a label.

    Raises:
        UnsupportedMediaType: the body is in a format that is not read here.
        MalformedPayload: the body is empty, or not rows of `n_features` numbers.
    """
    media_type, parameters = parse_options_header(content_type or CSV)
    if media_type.lower() != CSV:
        raise UnsupportedMediaType(f"The content type is {content_type!r}; send {CSV}.")
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in _UTF8:
        raise UnsupportedMediaType(f"The charset is {charset!r}; send {CSV} in UTF-8.")
    try:
        return _decode_csv(body, n_features)
    except CellError as error:
        raise MalformedPayload(
            f"In the body, {error}; send one row a line: {n_features} numbers with commas between, "
            "no header, no label."
        ) from error


def first_missing(features: Features) -> tuple[int, int]:
    """Return row and column, counted from 1, of the first missing cell; (0, 0) without one."""
    missing = np.isnan(features)
    if not missing.any():
        return 0, 0
    row, column = np.unravel_index(missing.argmax(), missing.shape)
    return int(row) + 1, int(column) + 1


def encode_labels(labels: Sequence[object]) -> list[bytes]:
    """Return each label as one line of CSV, quoted where it must be, with its line ending."""
    return [_csv_line(label) for label in labels]


def encode(indices: NDArray[np.intp], lines: Sequence[bytes]) -> bytes:
    """Return the reply to a request: for each row the line that its index names."""
    return b"".join([lines[index] for index in indices.tolist()])


def encode_scores(scores: NDArray[np.float32]) -> bytes:
    """Return the reply to a request: for each row its score, shape (n_rows,), as one line.

    A score is written as the shortest decimal number that reads back to the same float32.

    Raises:
        ContainerError: a score is NaN or infinite.
    """
    wrong = ~np.isfinite(scores)
    if wrong.any():
        row = int(wrong.argmax())
        raise ContainerError(
            f"The model gives row {row + 1} the score {scores[row]}, which is no finite number; "
            "look for values in the row that are far from those of the training data."
        )
    # A tree has few distinct scores, and numpy is slow at writing one; bits tell -0.0 from 0.0.
    bits, indices = np.unique(scores.view(np.uint32), return_inverse=True)
    return encode(indices, [b"%s\n" % str(score).encode() for score in bits.view(np.float32)])


def _decode_csv(body: bytes, n_features: int) -> Features:
    numbers = array("d")
    previous = 0
    for row, cells in delimited.read_rows(io.BytesIO(body)):
        if row != previous + 1:
            raise CellError(f"row {previous + 1} is blank")
        if len(cells) != n_features:
            raise CellError(f"row {row} has {len(cells)} cells")
        delimited.append_numbers(numbers, row, cells)
        previous = row
    if not previous:
        raise CellError("there is no row")
    return delimited.as_matrix(numbers, n_features)


def _csv_line(label: object) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([label])  # both are quoted inside a cell
    return line.getvalue().removesuffix("\r\n").encode() + b"\n"
