"""Decode JSON and JSON Lines: plain lists with simdjson, anything else with Python's parser."""

import json
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.formats import numeric
from container.formats.cells import FLOAT32_OVERFLOW, CellError, Notation, is_missing
from container.payloads.decoders import naming
from container.payloads.decoders.collector import (
    RowCollector,
    RowError,
    column,
    out_of_range,
    text_of,
)
from container.payloads.decoders.json_shapes import (
    SPLIT,
    WRAPPERS,
    Constant,
    Repeated,
    kind,
    rows_of,
    values_of,
)
from container.payloads.types import Expected, Rows

_BLANKS = b" \t\r\n"
_OPENING = re.compile(
    rb"[ \t\r\n]*(\{[ \t\r\n]*\"(?:%b)\"[ \t\r\n]*:[ \t\r\n]*)?\[[ \t\r\n]*(?=\[)"
    % "|".join(WRAPPERS).encode()
)
"""Everything before the first row of a list of lists."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    """Return an object of JSON; by default Python silently drops a repeated key."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    last = {key: index for index, (key, _) in enumerate(pairs)}
    return next(Repeated(key) for index, (key, _) in enumerate(pairs) if last[key] != index)


# Integers become floats: Python is slow at large ones, and models have no others.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=float, parse_constant=Constant)


def remedy(expected: Expected) -> str:
    """Return what to send in place of a body that cannot be read."""
    count = f"{expected.n_features} number{'s' * (expected.n_features != 1)}"
    return f'send [[...], ...] or {{"instances": [[...], ...]}} with {count} a row'


def lines_remedy(expected: Expected) -> str:
    """Return what to send in place of a body of JSON Lines that cannot be read."""
    count = f"{expected.n_features} number{'s' * (expected.n_features != 1)}"
    return f'send one row a line: [...] or {{"features": [...]}} with {count}'


def decode(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a JSON document; null is missing.

    Raises:
        CellError: the body is not JSON, or its rows do not have this model's features.
    """
    features = _lists(body, expected.n_features)
    if features is not None:
        return Rows(features)
    items, columns = rows_of(parse(_text(body)), expected)
    order = None
    if columns is not None:
        used = expected.used_names(columns)
        items = [naming.part(row, used) if _is_whole(row, columns) else row for row in items]
        columns = naming.part(columns, used)
        order = naming.order(columns, expected.names, f'"columns" of "{SPLIT}"')
    return _collected(items, expected, mark_bad, columns).rows(order)


def _is_whole(row: Any, columns: list[str]) -> bool:
    return isinstance(row, list) and len(row) == len(columns)


def decode_lines(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of JSON Lines, each a list or an object; null is missing.

    Raises:
        CellError: a line is not JSON, or a row does not have this model's features.
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
    """Return the rows of a list of lists, in a wrapper or not; None for anything else."""
    opening = _OPENING.match(body)
    if opening is None:
        return None
    text = body.rstrip(_BLANKS)
    if opening[1]:
        text = text[:-1].rstrip(_BLANKS) if text.endswith(b"}") else b""
    return _plain_lists(text[opening.end() : -1], n_features) if text.endswith(b"]") else None


def _plain_lists(text: bytes, n_features: int) -> NDArray[np.float32] | None:
    """Return rows that are lists of numbers and nulls only; None for anything else."""
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
    """Return a document as text; an error names a line, because lines are not rows here."""
    try:
        return text_of(body)
    except RowError as error:
        raise CellError(str(error).replace("row", "line", 1)) from error


def parse(text: str) -> Any:
    """Return a JSON document with all numbers as float; raise CellError."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, character {error.colno}"
        raise CellError(f"{where} is not valid JSON ({error.msg})") from error
    except RecursionError as error:
        raise CellError("the JSON is nested too deeply") from error


class _Blank:
    """An empty line."""


class _Invalid(str):
    """The problem of a line that is not JSON."""


def _line(line: str) -> Any:
    if not line.strip(" \t\r"):
        return _Blank()
    try:
        return parse(line)
    except CellError as error:
        return _Invalid(str(error).removeprefix("line 1, "))


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
    """Return rows of numbers only, converted at once; None for anything else."""
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
    """Return the numbers of one row, NaN where one is missing; raise RowError."""
    values, found = _values(item, row, expected, names)
    if expected.notation.na_values:
        values = [None if _is_missing(value, expected.notation) else value for value in values]
    if len(values) != expected.n_features:
        raise RowError(f"row {row} has {len(values)} values", row)
    for index, value in enumerate(values):
        problem = _problem(value)
        if problem:
            where, name = column(index, found)
            raise RowError(f"row {row}, {where} is {problem}", row, name)
    return [float("nan") if value is None else value for value in values]


def _values(
    item: Any, row: int, expected: Expected, names: Sequence[str] | None
) -> tuple[list[Any], Sequence[str] | None]:
    """Return the values of one row and their names, if they have some; raise RowError."""
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
    return values, expected.names if is_named else names


def _is_missing(value: Any, notation: Notation) -> bool:
    return type(value) is str and is_missing(value, notation)


def _problem(value: Any) -> str:
    """Return why a value is not a number, a boolean or missing; empty if it is one of them."""
    if type(value) is float:
        return out_of_range(value) if abs(value) >= FLOAT32_OVERFLOW else ""
    return "" if value is None or type(value) is bool else kind(value)
