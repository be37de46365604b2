"""Columns of a Parquet file: types that can be numbers, and values of Arrow arrays."""

import json
from collections.abc import Iterator
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
