"""Decode JSON and JSON Lines: plain lists with simdjson, anything else with Python's parser."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.formats import numeric
from container.formats.cells import FLOAT32_OVERFLOW, CellError, Notation, is_missing
from container.formats.json_values import JsonReader
from container.payloads.decoders import naming
from container.payloads.decoders.collector import (
    RowCollector,
    RowError,
    column,
    lines_in_pieces,
    out_of_range,
    text_of,
)
from container.payloads.decoders.json_shapes import (
    SPLIT,
    WRAPPERS,
    Constant,
    LargeDocument,
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

_CLOSING = (re.compile(rb"\][ \t\r\n]*\Z"), re.compile(rb"\][ \t\r\n]*\}[ \t\r\n]*\Z"))
"""Everything after the last row, without and with a wrapper."""

_TAIL_BYTES = 4096
_LINES_TOGETHER = 1024


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
    collected = _lists(body, expected)
    if collected is not None:
        return collected.rows()
    collected = RowCollector(expected, len(body), mark_bad=mark_bad)
    if len(body) > expected.max_row_bytes:
        reader = JsonReader(body, _DECODER, expected.max_row_bytes)
        document = LargeDocument(reader, expected)
        for batch in document.batches():
            items, names = _used(batch, document.columns, expected)
            _add(collected, items, expected, names)
        return collected.rows(_order(document.columns, expected))
    items, columns = rows_of(parse(_text(body)), expected)
    items, names = _used(items, columns, expected)
    order = _order(columns, expected)
    _add(collected, items, expected, names)
    return collected.rows(order)


def _used(
    items: list[Any], columns: list[str] | None, expected: Expected
) -> tuple[list[Any], list[str] | None]:
    """Return rows and names of columns without those that the model does not use."""
    if columns is None:
        return items, None
    used = expected.used_names(columns)
    items = [naming.part(row, used) if _is_whole(row, columns) else row for row in items]
    return items, naming.part(columns, used)


def _is_whole(row: Any, columns: list[str]) -> bool:
    return isinstance(row, list) and len(row) == len(columns)


def decode_lines(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of JSON Lines, each a list or an object; null is missing.

    Raises:
        CellError: a line is not JSON, or a row does not have this model's features.
    """
    collected = RowCollector(expected, len(body), mark_bad=mark_bad)
    text = body.removeprefix(BOM_UTF8).rstrip(b"\r\n")
    collected.expect_lines(text, len(text))
    for piece in lines_in_pieces(text, len(text), expected) if text.strip(b" \t") else ():
        features = numeric.of_lists(piece.replace(b"]\n[", b"],["), expected.n_features)
        if features is not None and len(features) == piece.count(b"\n") + 1:
            collected.extend(features)
            continue
        lines = text_of(piece, collected.n_rows + 1).split("\n")
        for start in range(0, len(lines), _LINES_TOGETHER):
            some = lines[start : start + _LINES_TOGETHER]
            _add(collected, [_line(line) for line in some], expected, None)
    return collected.rows()


def _order(columns: list[str] | None, expected: Expected) -> list[int] | None:
    if columns is None:
        return None
    columns = naming.part(columns, expected.used_names(columns))
    return naming.order(columns, expected.names, f'"columns" of "{SPLIT}"')


def _lists(body: bytes, expected: Expected) -> RowCollector | None:
    """Return the rows of a list of lists of numbers and nulls; None for anything else."""
    opening = _OPENING.match(body)
    if opening is None:
        return None
    closing = _CLOSING[bool(opening[1])].search(body, max(opening.end(), len(body) - _TAIL_BYTES))
    if closing is None:
        return None
    collected = RowCollector(expected, len(body))
    for piece in numeric.lists_in_pieces(body, opening.end(), closing.start()):
        features = numeric.of_lists(piece, expected.n_features)
        if features is None:
            return None
        collected.extend(features)
    return collected if collected.n_rows else None


def _text(body: bytes) -> str:
    """Return a document as text; an error names a line, because lines are not rows here."""
    try:
        return text_of(body).removeprefix("\ufeff")
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


def _add(
    collected: RowCollector, items: list[Any], expected: Expected, names: Sequence[str] | None
) -> None:
    features = _plain(items, expected.n_features)
    if features is not None:
        collected.extend(features)
        return
    for item in items:
        _add_row(collected, item, expected, names)


def _add_row(
    collected: RowCollector, item: Any, expected: Expected, names: Sequence[str] | None
) -> None:
    try:
        collected.append(_row(item, collected.n_rows + 1, expected, names))
    except RowError as error:
        collected.refuse(error)


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
