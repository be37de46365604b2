"""Decode npy, the format of numpy.save: one array of numbers, never a pickle.

The header is Python source; it is matched with patterns, not evaluated.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from container.formats.cells import FLOAT32_OVERFLOW, CellError
from container.payloads.decoders.collector import RowCollector, RowError, out_of_range, refuse_rows
from container.payloads.types import Expected, Rows

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
"""Number of bytes of the length of the header, by the version of the format."""

_MAX_HEADER_BYTES = 4096
_PIECE_CELLS = 64 * 1024
_TYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
_TYPE = re.compile(r"""['"]descr['"]\s*:\s*['"]([<>=|]?)([a-zA-Z][0-9]*)['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([0-9L,\s]*)\)""")
_LENGTH = re.compile(r"[0-9]{1,18}")


def remedy(expected: Expected) -> str:
    """Return what to send in place of a body that cannot be read."""
    return f"send what numpy.save writes of numbers of shape (n_rows, {expected.n_features})"


def decode(body: bytes, expected: Expected, _mark_bad: bool) -> Rows:
    """Return the rows of an array; NaN is missing.

    An array of one dimension is one row, or one row a number if the model has a single feature.

    Raises:
        CellError: the body is not an array, or has another shape or type.
    """
    header, start = _header(body)
    n_rows, n_columns = _as_table(header.shape, expected.n_features)
    used = expected.used(n_columns)
    if n_columns != expected.n_features and used is None:
        raise CellError(f"the array has the shape {header.shape}")
    if n_rows == 0:
        raise CellError("there is no row")
    size = n_rows * n_columns * header.dtype.itemsize
    if len(body) - start != size:
        raise CellError(f"the array has {len(body) - start} bytes, but its header says {size}")
    refuse_rows(n_rows, len(body), expected)
    flat = np.frombuffer(body, header.dtype, n_rows * n_columns, start)
    if header.is_fortran:
        table = flat.reshape(n_columns, n_rows).T
    else:
        table = flat.reshape(n_rows, n_columns)
    collected = RowCollector(expected, len(body))
    n_together = max(1, _PIECE_CELLS // n_columns)
    for first in range(0, n_rows, n_together):
        piece = table[first : first + n_together]
        collected.extend(_numbers(piece if used is None else piece[:, used], first + 1))
    return collected.rows()


@dataclass(frozen=True)
class _Header:
    """Header of an array."""

    dtype: "np.dtype[np.generic]"
    is_fortran: bool
    shape: tuple[int, ...]


def _header(body: bytes) -> tuple[_Header, int]:
    """Return the header of an array, and the position of its first number."""
    n_bytes = _LENGTH_BYTES.get(body[6]) if body[:6] == _MAGIC and len(body) >= 12 else None
    if n_bytes is None:
        raise CellError("there is no array in the format of numpy.save")
    start = 8 + n_bytes
    length = int.from_bytes(body[8:start], "little")
    if length > min(_MAX_HEADER_BYTES, len(body) - start):
        raise CellError("the header of the array is cut off, or too long")
    text = body[start : start + length].decode("latin-1")
    found = [pattern.findall(text) for pattern in (_TYPE, _ORDER, _SHAPE)]
    if any(len(matches) != 1 for matches in found[1:]):
        raise CellError("the header of the array cannot be read")
    lengths = [number.strip(" L\n\t") for number in found[2][0].split(",")]
    if not all(_LENGTH.fullmatch(number) for number in lengths if number):
        raise CellError("the header of the array cannot be read")
    shape = tuple(int(number) for number in lengths if number)
    return _Header(_dtype(found[0]), found[1][0] == "True", shape), start + length


def _dtype(found: list[tuple[str, str]]) -> "np.dtype[np.generic]":
    """Return the numeric type that the header names."""
    if len(found) != 1 or found[0][1] not in _TYPES:
        what = f"the type {found[0][1]!r}" if len(found) == 1 else "a structured type"
        raise CellError(f"the array has {what}", "convert it to float32, which needs no pickle")
    byte_order, name = found[0]
    return np.dtype(byte_order.replace("|", "") + name)


def _as_table(shape: tuple[int, ...], n_features: int) -> tuple[int, int]:
    if len(shape) == 1:
        return (shape[0], 1) if n_features == 1 else (1, shape[0])
    if len(shape) == 2:
        return shape[0], shape[1]
    raise CellError(f"the array has the shape {shape}")


def _numbers(found: NDArray[np.generic], first_row: int) -> NDArray[np.float32]:
    """Return rows as float32, NaN where they are NaN; raise RowError for a value out of range."""
    if found.dtype.kind == "b":
        found = found.view(np.uint8) != 0  # a byte may have any value
    with np.errstate(invalid="ignore"):  # a signaling NaN is missing like any other
        values = found.astype(np.float64)
        wrong = np.abs(values) >= FLOAT32_OVERFLOW
        if not wrong.any():
            return values.astype(np.float32)
    at, index = (int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))
    row, problem = first_row + at, out_of_range(float(values[at, index]))
    raise RowError(f"row {row}, column {index + 1} is {problem}", row, index + 1)
