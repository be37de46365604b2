"""One row of JSON: a list, a number, or an object in one of the shapes that are in use."""

from typing import Any

from container.formats.cells import CellError, shown
from container.formats.media_types import OUTPUTS
from container.payloads.decoders import naming
from container.payloads.types import Expected

_ANSWERS = {*OUTPUTS, "score"}
"""What a container calls its answer; another takes that as a feature, whatever its name."""

_TENSOR = {"values", "keys", "shape"}


class Constant(str):
    """NaN or Infinity, which Python reads and JSON does not know."""


class Repeated(str):
    """An object that has a key twice: that key."""


def kind(value: Any) -> str:
    """Return what a value is, as a message calls what is no number."""
    if isinstance(value, Repeated):
        return f"an object with the key {shown(value)} twice"
    if isinstance(value, Constant):
        return f"{value}, which is no JSON; null is a missing value"
    if isinstance(value, str):
        return f"{shown(value)}, a text, not a number"
    if isinstance(value, bool):
        return f"{str(value).lower()}, not a number"
    names = {list: "a list", dict: "an object", float: "a number"}
    return names.get(type(value), "null")


def values_of(item: Any, expected: Expected, where: str) -> tuple[list[Any], bool]:
    """Return the values of one row, and whether they came by name, in the order of training.

    They may be of any type yet, and of any number.

    Raises:
        CellError: the row has no shape that is known, or other names.
    """
    if type(item) is list:
        return item, False
    if type(item) is dict:
        return _record(item, expected, where)
    if item is None or isinstance(item, Repeated) or expected.n_features > 1:
        says_why = isinstance(item, str | bool)
        raise CellError(f"{where} is {kind(item)}" + ", not a row" * (not says_why))
    return [item], False


def _record(item: dict[str, Any], expected: Expected, where: str) -> tuple[list[Any], bool]:
    by_name = _by_name(item, expected)
    if by_name is not None:
        return by_name, True
    features = _features(item)
    if isinstance(features, list):
        return features, False
    if isinstance(features, dict):
        return _tensor(features, expected.n_features, where), False
    answer = _answer(item, expected)
    if answer is not None:
        return answer, False
    if expected.names is None:
        raise CellError(f"{where} has names, but {naming.NO_NAMES}", "send lists of numbers")
    naming.refuse_others(item.keys(), expected.names, where)
    return list(item.values()), True


def _by_name(item: dict[str, Any], expected: Expected) -> list[Any] | None:
    """Return values by the names of the training; None when the object has others."""
    if expected.names is None or len(item) != len(expected.names):
        return None
    try:
        values = [item[name] for name in expected.names]
    except KeyError:
        return None
    return None if any(isinstance(value, list | dict) for value in values) else values


def _features(item: dict[str, Any]) -> Any:
    """Return what stands where the built-in algorithms have features; None without that."""
    data = item.get("data") if len(item) == 1 else None
    found = data if isinstance(data, dict) else item
    return found.get("features") if len(found) == 1 else None


def _answer(item: dict[str, Any], expected: Expected) -> list[Any] | None:
    """Return an answer of a container, which is the row of the next one; None if it is none."""
    if len(item) != 1:
        return None
    ((key, value),) = item.items()
    if isinstance(value, list) and key in _ANSWERS:
        return value
    if type(value) is float and (expected.names is None or key in _ANSWERS):
        return [value]
    return None


def _tensor(tensor: dict[str, Any], n_features: int, where: str) -> list[Any]:
    """Return the values of a tensor; what a sparse one does not have is 0."""
    values, keys, shape = tensor.get("values"), tensor.get("keys"), tensor.get("shape")
    if not tensor.keys() <= _TENSOR or not isinstance(values, list):
        raise CellError(f'{where} has no list of "values" in "features"')
    if shape not in (None, [], [n_features]):
        raise CellError(f'{where} has a "shape" other than [{n_features}]')
    if not keys and (values or not shape):
        return values
    if not isinstance(keys, list) or len(keys) != len(values):
        raise CellError(f'{where} has not as many "keys" as "values"')
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
