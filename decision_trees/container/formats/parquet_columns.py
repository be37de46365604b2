"""Columns of a Parquet file: types that can be numbers, and values of Arrow arrays."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from container.formats.cells import CellError

REMEDY = "write it again: it is damaged or cut off"


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Raise CellError with the reason if pyarrow cannot read `what`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0][:160].rstrip(". ")
        raise CellError(f"{what} cannot be read as Parquet ({reason})", REMEDY) from error


def page_sizes(content: bytes, chunks: Iterable[Any]) -> Iterator[int]:
    """Yield the size of each page of some column chunks when it is decompressed.

    It is in the header of the page; pyarrow allocates it, whatever the metadata of the file says.

    Raises:
        CellError: a header cannot be read.

    Source: https://parquet.apache.org/docs/file-format/data-pages/
    """
    for chunk in chunks:
        starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
        at, n_left = min(start for start in starts if start), chunk.num_values
        try:
            while n_left > 0:
                header, at = _thrift_struct(content, at)
                yield max(0, header[_PAGE_SIZE])
                at += max(0, header[_COMPRESSED_SIZE])
                n_left -= sum(header[data][1] for data in _DATA_PAGES if data in header)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            problem = f"column {chunk.path_in_schema!r} has a page that cannot be read"
            raise CellError(problem, REMEDY) from error


_PAGE_SIZE, _COMPRESSED_SIZE = 2, 3
_DATA_PAGES = (5, 8)  # of versions 1 and 2; their first field is the number of values
_MAX_DEPTH = 8


def _thrift_struct(content: bytes, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Return the fields of a struct in Thrift's compact protocol, and where it ends.

    Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
    """
    fields: dict[int, Any] = {}
    field = 0
    while kind := content[at]:
        step, at = kind >> 4, at + 1
        if step:
            field += step
        else:
            field, at = _thrift_integer(content, at)
        fields[field], at = _thrift_value(content, at, kind & 15, depth)
    return fields, at + 1


def _thrift_value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """Return a value of a page's header, which has neither lists nor maps; and where it ends."""
    match kind:
        case 1 | 2:
            return None, at  # a boolean is its kind
        case 3:
            return None, at + 1
        case 4 | 5 | 6:
            return _thrift_integer(content, at)
        case 7:
            return None, at + 8
        case 8:
            length, at = _varint(content, at)
            return None, at + length
        case 12 if depth < _MAX_DEPTH:
            return _thrift_struct(content, at, depth + 1)
        case _:
            raise ValueError(kind)


def _thrift_integer(content: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        value |= (content[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 128:
            return value, at
    raise ValueError(shift)


def pandas_index(schema: pa.Schema) -> frozenset[str]:
    """Return the names of the index columns that pandas wrote; a range index is no column.

    Source: https://pandas.pydata.org/docs/development/developer.html
    """
    try:
        written = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except (ValueError, RecursionError) as error:
        raise CellError("the metadata of pandas is not valid JSON", REMEDY) from error
    index = written.get("index_columns") if isinstance(written, dict) else None
    return (
        frozenset(n for n in index if isinstance(n, str))
        if isinstance(index, list)
        else frozenset()
    )


def value_type(found: pa.DataType) -> pa.DataType:
    """Return the type of the values of a column, dictionary-encoded or not."""
    return found.value_type if pa.types.is_dictionary(found) else found


def is_number(found: pa.DataType) -> bool:
    """Return whether values of a type can be converted to numbers."""
    is_of = pa.types
    kinds = (is_of.is_integer, is_of.is_floating, is_of.is_decimal, is_of.is_boolean, is_of.is_null)
    return any(is_kind(found) for is_kind in kinds)


def is_boolean(found: pa.DataType) -> bool:
    """Return whether values of a type are booleans."""
    return bool(pa.types.is_boolean(found))


def is_text(found: pa.DataType) -> bool:
    """Return whether values of a type are text."""
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(found) for is_kind in kinds)


def plain(cells: Any) -> Any:
    """Return cells without dictionary encoding, and in one of few types."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    # pyarrow converts text to a float more exactly than a decimal.
    if is_text(cells.type) or pa.types.is_decimal(cells.type):
        return cells.cast(pa.large_string())
    return cells.cast(pa.float32()) if pa.types.is_float16(cells.type) else cells


def numbers(cells: Any) -> NDArray[np.float64]:
    """Return cells as float64, NaN where one is missing."""
    numbers = plain(cells).cast(pa.float64(), safe=False)
    return cast("NDArray[np.float64]", numbers.to_numpy(zero_copy_only=False))


def missing(cells: Any) -> NDArray[np.bool_]:
    """Return which cells are null, NaN or empty text, shape (n_cells,)."""
    if is_text(cells.type):
        missing = pc.fill_null(pc.equal(cells, ""), fill_value=True)
    else:
        missing = pc.is_null(cells, nan_is_null=True)
    return cast("NDArray[np.bool_]", missing.to_numpy(zero_copy_only=False))


def infinite(cells: Any) -> NDArray[np.bool_]:
    """Return which cells are infinite, shape (n_cells,)."""
    if not pa.types.is_floating(cells.type):
        return np.zeros(len(cells), dtype=np.bool_)
    return cast("NDArray[np.bool_]", np.isinf(cells.to_numpy()))


def written(cells: Any) -> list[str]:
    """Return cells as text, none of them missing; equal ones are one object."""
    encoded = cells.dictionary_encode()
    # NumPy writes a float32 with its shortest digits, Python with those of a float64.
    floating = pa.types.is_floating(cells.type)
    distinct = encoded.dictionary.to_numpy() if floating else encoded.dictionary.to_pylist()
    texts = np.array([str(value) for value in distinct], dtype=object)
    return cast("list[str]", texts[encoded.indices.to_numpy()].tolist())
