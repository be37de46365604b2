"""Shapes of JSON: the rows of a document, and the values of a row, in each form that clients send.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

from collections.abc import Iterator
from typing import Any

from container.formats.cells import CellError, shown
from container.formats.json_values import JsonReader
from container.formats.media_types import OUTPUTS
from container.formats.numeric import PIECE_BYTES
from container.payloads.decoders import naming
from container.payloads.types import Expected

WRAPPERS = ("instances", "inputs", "predictions", "data", "dataframe_records")
"""Keys whose value is a list of rows."""

SPLIT = "dataframe_split"
_PARTS = {"columns", "data", "index"}
"""Keys of a table whose names and rows are apart."""

_OUTPUTS = {*OUTPUTS, "score"}
"""Outputs of this and other containers; their values are accepted as features of the next one."""

_TENSOR = {"values", "keys", "shape"}


class Constant(str):
    """NaN or Infinity, which Python parses although JSON has no such constant."""


class Repeated(str):
    """An object that has a key twice; the text is that key."""


def kind(value: Any) -> str:
    """Return a description of a value that is not a number, for a message."""
    if isinstance(value, Repeated):
        return f"an object with the key {shown(value)} twice"
    if isinstance(value, Constant):
        return f"{value}, which is not valid JSON (send null for a missing value)"
    if isinstance(value, str):
        return f"{shown(value)}, a string, not a number"
    if isinstance(value, bool):
        return str(value).lower()
    names = {list: "a list", dict: "an object", float: "a number"}
    return names.get(type(value), "null")


class LargeDocument:
    """Rows of a document that is too large to be parsed at once."""

    def __init__(self, reader: JsonReader, expected: Expected) -> None:
        self.columns: list[str] | None = None
        """Column names if these are given once for all rows; complete when all rows are read."""

        self._reader = reader
        self._expected = expected
        self._has_other_rows = False
        self._n_in_rows = 0

    def batches(self) -> Iterator[list[Any]]:
        """Yield the rows, some at a time.

        Raises:
            CellError: the document is not JSON, or has another shape.
        """
        batch, begun = [], 0
        for row in self._rows():
            batch.append(row)
            if self._reader.n_read > begun + PIECE_BYTES:
                yield batch
                batch, begun = [], self._reader.n_read
        yield batch

    def _rows(self) -> Iterator[Any]:
        if self._reader.peek() != "{":
            yield from self._listed({})
            self._reader.end()
            return
        document: dict[str, Any] = {}
        yield from self._members(document)
        self._reader.end()
        rows, columns = rows_of(document, self._expected)
        is_late = columns is not None and self.columns is None
        if is_late and (self._has_other_rows or self._expected.ignored):
            raise CellError('"columns" comes after "data"', 'send "columns" before "data"')
        self.columns = columns
        yield from rows

    def _members(self, members: dict[str, Any]) -> Iterator[Any]:
        """Read an object, in which an empty list stands for the list of rows; yield the rows."""
        reader = self._reader
        for key in reader.members():
            if key in members:
                raise CellError(f"row 1 is {kind(Repeated(key))}, not a row", row=1)
            mark = reader.peek()
            if mark == "[" and key in (*WRAPPERS, "index"):
                members[key] = []
                begun = reader.n_read
                yield from self._skipped() if key == "index" else self._listed(members)
                self._n_in_rows += reader.n_read - begun
            elif mark == "{" and key == SPLIT:
                yield from self._members(members.setdefault(key, {}))
            else:
                members[key] = reader.value()
            if reader.n_read - self._n_in_rows > self._expected.max_row_bytes:
                raise self._too_long()

    def _too_long(self) -> CellError:
        return CellError(f"row 1 has more than {self._expected.max_row_bytes} bytes", row=1)

    def _skipped(self) -> Iterator[Any]:
        """Read the index of the rows, which is not used."""
        for _ in self._reader.items():
            pass
        yield from ()

    def _listed(self, around: dict[str, Any]) -> Iterator[Any]:
        """Yield the rows of a list, as `_listed` returns them; `around` is the object around it."""
        if "columns" in around:
            self.columns = _split(around)[1]
        row: list[Any] = []
        for index, value in enumerate(self._reader.items()):
            self._has_other_rows |= type(value) is not list
            is_first = not index and not isinstance(value, list | dict)
            if row or (is_first and self._expected.n_features > 1):
                row.append(value)  # plain numbers are one row
            else:
                yield value
            if len(row) > self._expected.max_row_bytes // 16:
                raise self._too_long()
        yield from _listed(row, self._expected)


def rows_of(document: Any, expected: Expected) -> tuple[list[Any], list[str] | None]:
    """Return the rows of a document, and their column names if these are given once for all rows.

    Raises:
        CellError: the document has another shape.
    """
    if isinstance(document, list):
        return _listed(document, expected), None
    if not isinstance(document, dict) or _is_record(document, expected):
        return [document], None
    for key in (*WRAPPERS, SPLIT):
        if key in document and not _PARTS >= document.keys() >= {"columns", "data"}:
            return _wrapped(document, key, expected)
    if document.keys() >= {"columns", "data"}:
        return _split(document)
    return [document], None


def _is_record(document: dict[str, Any], expected: Expected) -> bool:
    """Return whether an object is a single row whose keys are the feature names."""
    if expected.names is None or any(isinstance(v, list | dict) for v in document.values()):
        return False
    names = naming.compared(_without_ignored(document, expected), expected.names)
    return sorted(names) == sorted(expected.names)


def _wrapped(
    document: dict[str, Any], key: str, expected: Expected
) -> tuple[list[Any], list[str] | None]:
    if len(document) > 1:
        other = next(found for found in document if found != key)
        raise CellError(f"there is {shown(other)} next to {key!r}", f"send {key!r} alone")
    value = document[key]
    if key == SPLIT and isinstance(value, dict):
        return _split(value)
    if key == "data" and isinstance(value, dict):
        return [document], None
    if key == SPLIT or not isinstance(value, list):
        raise CellError(f"{key!r} is {kind(value)}")
    return _listed(value, expected), None


def _split(table: dict[str, Any]) -> tuple[list[Any], list[str] | None]:
    """Return rows and names of a table; pandas writes 0, 1, ... as names if there are none."""
    columns, data = table.get("columns"), table.get("data")
    if not table.keys() <= _PARTS or not isinstance(columns, list) or not isinstance(data, list):
        raise CellError(f"{SPLIT!r} must have lists of columns and data, and nothing else")
    if columns == list(range(len(columns))) and bool not in map(type, columns):
        return data, None
    if not all(isinstance(name, str) for name in columns):
        raise CellError('"columns" has names that are not strings')
    return data, columns


def _listed(values: list[Any], expected: Expected) -> list[Any]:
    """Return the rows of a list; plain numbers are one row, or one each for a single feature."""
    if not values or expected.n_features == 1 or isinstance(values[0], list | dict):
        return values
    nested = {list, dict, Repeated}
    return [values] if nested.isdisjoint(map(type, values)) else values


def values_of(item: Any, expected: Expected, where: str) -> tuple[list[Any], bool]:
    """Return the values of one row in the order of training, and whether they had names.

    Their number and types are not checked.

    Raises:
        CellError: the row has another shape, or other names.
    """
    if type(item) is list:
        return naming.part(item, expected.used(len(item))), False
    if type(item) is dict:
        return _record(_without_ignored(item, expected), expected, where)
    if item is None or isinstance(item, Repeated) or expected.n_features > 1:
        says_why = isinstance(item, str)
        raise CellError(f"{where} is {kind(item)}" + ", not a row" * (not says_why))
    return [item], False


def _without_ignored(item: dict[str, Any], expected: Expected) -> dict[str, Any]:
    if not expected.ignored:
        return item
    return {name: value for name, value in item.items() if not expected.is_ignored(name)}


def _record(item: dict[str, Any], expected: Expected, where: str) -> tuple[list[Any], bool]:
    by_name = _by_name(item, expected)
    if by_name is not None:
        return by_name, True
    features = _features(item)
    if isinstance(features, list):
        return naming.part(features, expected.used(len(features))), False
    if isinstance(features, dict):
        return _tensor(features, expected.n_features, where), False
    output = _output(item, expected)
    if output is not None:
        return output, False
    if expected.names is None:
        raise CellError(f"{where} has names, but {naming.NO_NAMES}", "send lists of numbers")
    values, order = list(item.values()), naming.order(list(item), expected.names, where)
    return (values if order is None else [values[index] for index in order]), True


def _by_name(item: dict[str, Any], expected: Expected) -> list[Any] | None:
    """Return values in the order of training; None if the keys are not the feature names."""
    if expected.names is None or len(item) != len(expected.names):
        return None
    try:
        values = [item[name] for name in expected.names]
    except KeyError:
        return None
    return None if any(isinstance(value, list | dict) for value in values) else values


def _features(item: dict[str, Any]) -> Any:
    """Return the features in the form of AWS's built-in algorithms; None for another object."""
    data = item.get("data") if len(item) == 1 else None
    found = data if isinstance(data, dict) else item
    return found.get("features") if len(found) == 1 else None


def _output(item: dict[str, Any], expected: Expected) -> list[Any] | None:
    """Return a container's output as the row of the next one; None for another object."""
    if len(item) != 1:
        return None
    ((key, value),) = item.items()
    if isinstance(value, list) and key in _OUTPUTS:
        return value
    if type(value) is float and (expected.names is None or key in _OUTPUTS):
        return [value]
    return None


def _tensor(tensor: dict[str, Any], n_features: int, where: str) -> list[Any]:
    """Return the values of a tensor; 0 for the features that a sparse one leaves out."""
    values, keys, shape = tensor.get("values"), tensor.get("keys"), tensor.get("shape")
    if not tensor.keys() <= _TENSOR or not isinstance(values, list):
        raise CellError(f'{where} has no list of "values" in "features"')
    if shape not in (None, [], [n_features]):
        raise CellError(f'{where} has a "shape" other than [{n_features}]')
    if not keys and (values or not shape):
        return values
    if not isinstance(keys, list) or len(keys) != len(values):
        raise CellError(f'{where} does not have as many "keys" as "values"')
    row: list[Any] = [0.0] * n_features
    for key, value in zip(_indices(keys, n_features, where), values, strict=True):
        row[key] = value
    return row


def _indices(keys: list[Any], n_features: int, where: str) -> list[int]:
    seen: set[int] = set()
    for key in keys:
        if type(key) is not float or not key.is_integer() or not 0 <= key < n_features:
            shown_key = f"{key:g}" if type(key) is float else kind(key)
            raise CellError(f'{where} has {shown_key} in "keys", which are 0 to {n_features - 1}')
        if int(key) in seen:
            raise CellError(f'{where} has {key:g} twice in "keys"')
        seen.add(int(key))
    return [int(key) for key in keys]
