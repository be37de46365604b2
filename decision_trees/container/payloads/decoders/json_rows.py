"""JSON: the rows of a document, in each of the shapes in which clients send them.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

import json
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.formats import numeric
from container.formats.cells import FLOAT32_OVERFLOW, CellError, shown
from container.payloads.decoders import naming
from container.payloads.decoders.collector import (
    RowCollector,
    RowError,
    column,
    out_of_range,
    text_of,
)
from container.payloads.decoders.json_records import Constant, Repeated, kind, values_of
from container.payloads.types import Expected, Rows

WRAPPERS = ("instances", "inputs", "predictions", "data", "dataframe_records")
"""Keys whose value is a list of rows."""

SPLIT = "dataframe_split"
_PARTS = {"columns", "data", "index"}
"""What a table has that is written with names and rows apart."""

_BLANKS = b" \t\r\n"
_OPENING = re.compile(
    rb"[ \t\r\n]*(\{[ \t\r\n]*\"(?:%b)\"[ \t\r\n]*:[ \t\r\n]*)?\[[ \t\r\n]*(?=\[)"
    % "|".join(WRAPPERS).encode()
)
"""What is before the first row of a list of lists."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    """Return an object of JSON; a key that is there twice would else be lost without a word."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    last = {key: index for index, (key, _) in enumerate(pairs)}
    return next(Repeated(key) for index, (key, _) in enumerate(pairs) if last[key] != index)


# Integers are floats: Python takes long for those of many digits, and the model has no others.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=float, parse_constant=Constant)


def remedy(expected: Expected) -> str:
    """Return what to do about a body that cannot be read."""
    count = f"{expected.n_features} number{'s' * (expected.n_features != 1)}"
    return f'send [[...], ...] or {{"instances": [[...], ...]}} with {count} a row'


def lines_remedy(expected: Expected) -> str:
    """Return what to do about a body of JSON Lines that cannot be read."""
    count = f"{expected.n_features} number{'s' * (expected.n_features != 1)}"
    return f'send one row a line: [...] or {{"features": [...]}} with {count}'


def decode(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a document of JSON; null is missing.

    Raises:
        CellError: the body is no JSON, or not of this model's features.
    """
    features = _lists(body, expected.n_features)
    if features is not None:
        return Rows(features)
    items, columns = _items(parse(_text(body)), expected)
    order = None
    names = None
    if columns is not None:
        order, names = naming.order(columns, expected, f'"columns" of "{SPLIT}"'), columns
    return _collected(items, expected, mark_bad, names).rows(order)


def decode_lines(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of JSON Lines: each a list or an object; null is missing.

    Raises:
        CellError: a line is no JSON, or not of this model's features.
    """
    lines = body.rstrip(b"\n")
    features = _plain_lists(lines.replace(b"]\n[", b"],["), expected.n_features)
    if features is not None and len(features) == lines.count(b"\n") + 1:
        return Rows(features)
    items = [_line(line) for line in text_of(body).rstrip("\r\n").split("\n")] if body else []
    if len(items) == 1 and isinstance(items[0], _Blank):
        items = []
    return _collected(items, expected, mark_bad, None).rows()


def _lists(body: bytes, n_features: int) -> NDArray[np.float32] | None:
    """Return the rows of a list of lists, alone or in a wrapper; None for anything else."""
    opening = _OPENING.match(body)
    if opening is None:
        return None
    text = body.rstrip(_BLANKS)
    if opening[1]:
        text = text[:-1].rstrip(_BLANKS) if text.endswith(b"}") else b""
    return _plain_lists(text[opening.end() : -1], n_features) if text.endswith(b"]") else None


def _plain_lists(text: bytes, n_features: int) -> NDArray[np.float32] | None:
    """Return rows that are lists of numbers and nulls alone; None when there is anything else."""
    pieces = []
    for piece in numeric.lists_in_pieces(text):
        features = numeric.of_lists(piece, n_features)
        if features is None:
            return None
        pieces.append(features)
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    return np.concatenate(pieces)


def _text(body: bytes) -> str:
    """Return a document as text; its lines are no rows."""
    try:
        return text_of(body)
    except RowError as error:
        raise CellError(str(error).replace("row", "line", 1)) from error


def parse(text: str) -> Any:
    """Return a document of JSON, all its numbers as float; raises CellError."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, character {error.colno}"
        raise CellError(f"{where} is not valid JSON ({error.msg})") from error
    except RecursionError as error:
        raise CellError("the JSON is nested too deeply") from error


class _Blank:
    """A line without a character."""


class _Invalid(str):
    """What is wrong with a line that is no JSON."""


def _line(line: str) -> Any:
    if not line.strip(" \t\r"):
        return _Blank()
    try:
        return parse(line)
    except CellError as error:
        return _Invalid(str(error).removeprefix("line 1, "))


def _items(document: Any, expected: Expected) -> tuple[list[Any], list[str] | None]:
    """Return the rows of a document, and their columns if they are written apart."""
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
    """Say whether an object is one row with the names of the training."""
    return (
        expected.names is not None
        and document.keys() == set(expected.names)
        and not any(isinstance(value, list | dict) for value in document.values())
    )


def _wrapped(
    document: dict[str, Any], key: str, expected: Expected
) -> tuple[list[Any], list[str] | None]:
    if len(document) > 1:
        other = next(found for found in document if found != key)
        raise CellError(f"there is {shown(other)} beside {key!r}", f"send {key!r} alone")
    value = document[key]
    if key == SPLIT and isinstance(value, dict):
        return _split(value)
    if key == "data" and isinstance(value, dict):
        return [document], None
    if key == SPLIT or not isinstance(value, list):
        raise CellError(f"{key!r} is {kind(value)}")
    return _listed(value, expected), None


def _split(table: dict[str, Any]) -> tuple[list[Any], list[str] | None]:
    """Return rows and names of a table; names that count from 0 are none, as pandas gives them."""
    columns, data = table.get("columns"), table.get("data")
    if not table.keys() <= _PARTS or not isinstance(columns, list) or not isinstance(data, list):
        raise CellError(f"{SPLIT!r} has not lists of columns and data, and nothing else")
    if columns == list(range(len(columns))) and bool not in map(type, columns):
        return data, None
    if not all(isinstance(name, str) for name in columns):
        raise CellError('"columns" has names that are no texts')
    return data, columns


def _listed(values: list[Any], expected: Expected) -> list[Any]:
    """Return the rows of a list; numbers alone are one row, or one each for a single feature."""
    if not values or expected.n_features == 1 or isinstance(values[0], list | dict):
        return values
    nested = {list, dict, Repeated}
    return [values] if nested.isdisjoint(map(type, values)) else values


def _collected(
    items: list[Any], expected: Expected, mark_bad: bool, names: Sequence[str] | None
) -> RowCollector:
    collected = RowCollector(expected, mark_bad)
    features = _plain(items, expected.n_features)
    if features is not None:
        collected.extend(features)
        return collected
    for row, item in enumerate(items, start=1):
        try:
            collected.append(_row(item, row, expected, names))
        except RowError as error:
            collected.refuse(error)
    return collected


def _plain(items: list[Any], n_features: int) -> NDArray[np.float32] | None:
    """Return rows of numbers and nulls alone, all at once; None when there is anything else."""
    kinds = set(map(type, items))
    if kinds == {list} and set(map(len, items)) == {n_features}:
        kinds = set(map(type, chain.from_iterable(items)))
    elif n_features > 1:
        return None
    if not items or not kinds <= {float, type(None)} or None in items:
        return None
    values = np.array(items, dtype=np.float64).reshape(-1, n_features)
    return None if (np.abs(values) >= FLOAT32_OVERFLOW).any() else values.astype(np.float32)


def _row(item: Any, row: int, expected: Expected, names: Sequence[str] | None) -> list[float]:
    """Return the numbers of one row, NaN where one is missing; raises RowError."""
    if isinstance(item, _Blank):
        raise RowError(f"row {row} is blank", row)
    if isinstance(item, _Invalid):
        raise RowError(f"row {row}, {item}", row)
    if names is not None and type(item) is not list:
        raise RowError(f"row {row} is {kind(item)}, not a list in the order of the columns", row)
    try:
        values, is_named = values_of(item, expected, f"row {row}")
    except CellError as error:
        raise RowError(str(error), row, remedy=error.remedy) from error
    if len(values) != expected.n_features:
        raise RowError(f"row {row} has {len(values)} values", row)
    found = expected.names if is_named else names
    for index, value in enumerate(values):
        problem = _problem(value)
        if problem:
            where, name = column(index, found)
            raise RowError(f"row {row}, {where} is {problem}", row, name)
    return [float("nan") if value is None else value for value in values]


def _problem(value: Any) -> str:
    """Return why a value is no number and not missing; empty when it is."""
    if type(value) is float:
        return out_of_range(value) if abs(value) >= FLOAT32_OVERFLOW else ""
    return "" if value is None else kind(value)
