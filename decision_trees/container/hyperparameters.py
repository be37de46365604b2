"""Hyperparameters: the strings of hyperparameters.json become typed values, or one clear error.

An algorithm declares a frozen dataclass whose fields are made by `hyperparameter`; `load` fills
it. Every mistake in the file is reported at once.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

from container.errors import HyperparameterError

H = TypeVar("H")

_FOREIGN_PREFIX = "sagemaker_"
_FOREIGN_NAMES = frozenset({"_tuning_objective_metric"})
_KIND = "kind"


class Kind(Protocol):
    """One way to write a value."""

    def describe(self) -> str:
        """Say what is expected, to follow the words "it must be"."""

    def parse(self, text: str) -> object:
        """Return the value of `text`; raises ValueError when it is not of this kind."""


@dataclass(frozen=True)
class Integer:
    """A whole number of at least `minimum`."""

    minimum: int

    def describe(self) -> str:
        """Say what is expected."""
        return f"a whole number of at least {self.minimum}"

    def parse(self, text: str) -> int:
        """Return the number; raises ValueError."""
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or int(text) < self.minimum:
            raise ValueError(text)
        return int(text)


@dataclass(frozen=True)
class Number:
    """A number from `minimum` to `maximum`, or above `minimum` when that is `excluded`."""

    minimum: float
    maximum: float
    excluded: bool = False

    def describe(self) -> str:
        """Say what is expected."""
        lowest = f"above {self.minimum:g}" if self.excluded else f"from {self.minimum:g}"
        highest = "" if self.maximum == float("inf") else f" up to {self.maximum:g}"
        return f"a number {lowest}{highest}"

    def parse(self, text: str) -> float:
        """Return the number; raises ValueError."""
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
            raise ValueError(text)
        value = float(text)
        too_low = value <= self.minimum if self.excluded else value < self.minimum
        if too_low or value > self.maximum or value == float("inf"):
            raise ValueError(text)
        return value


class Fraction(Number):
    """A number with a decimal point or an exponent: beside an Integer, `1` is one, `1.0` is all."""

    def describe(self) -> str:
        """Say what is expected."""
        return f"{super().describe()}, written with a decimal point"

    def parse(self, text: str) -> float:
        """Return the number; raises ValueError."""
        if re.fullmatch(r"[+-]?[0-9]+", text):
            raise ValueError(text)
        return super().parse(text)


class Choice:
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def describe(self) -> str:
        """Say what is expected."""
        return " or ".join(self.words)

    def parse(self, text: str) -> str:
        """Return the word; raises ValueError."""
        if text not in self.words:
            raise ValueError(text)
        return text


class Null:
    """Nothing, in any spelling that an SDK sends."""

    def describe(self) -> str:
        """Say what is expected."""
        return "None"

    def parse(self, text: str) -> None:
        """Return None; raises ValueError."""
        if text.lower() not in ("", "none", "null"):
            raise ValueError(text)


@dataclass(frozen=True)
class Json:
    """A JSON value that `accepts` says yes to, for what the other kinds cannot express."""

    expected: str
    accepts: Callable[[Any], bool]

    def describe(self) -> str:
        """Say what is expected."""
        return self.expected

    def parse(self, text: str) -> object:
        """Return the value; raises ValueError."""
        try:
            value = json.loads(text)
        except RecursionError as error:
            raise ValueError(text) from error
        if not self.accepts(value):
            raise ValueError(text)
        return value


def hyperparameter(*kinds: Kind, default: object, doc: str) -> Any:
    """Declare a field: the kinds of value that it takes, tried in order, and its default."""
    return field(default=default, metadata={_KIND: kinds, "doc": doc})


def load(file: Path, declared: type[H]) -> H:
    """Read hyperparameters.json into the dataclass `declared`; no file means the defaults.

    The platform writes a flat object whose values are strings; SDKs that encode each value as
    JSON send strings with quotes inside. Names that the platform adds for itself are skipped.

    Raises:
        HyperparameterError: the file is no JSON object, or values cannot be used.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return declared()
    return parse(_json_object(content, file), declared)


def parse(values: Mapping[str, object], declared: type[H]) -> H:
    """Turn `values` into the dataclass `declared`; raises HyperparameterError with all mistakes."""
    kinds = {f.name: f.metadata[_KIND] for f in fields(declared)}  # type: ignore[arg-type]
    known: dict[str, object] = {}
    mistakes = []
    for name, value in values.items():
        if name.startswith(_FOREIGN_PREFIX) or name in _FOREIGN_NAMES:
            continue
        try:
            known[name] = _typed(name, value, kinds)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise HyperparameterError(" ".join(mistakes))
    return declared(**known)


def _typed(name: str, value: object, kinds: Mapping[str, tuple[Kind, ...]]) -> object:
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(kinds))}."
        raise ValueError(f"The hyperparameter {name!r} is unknown; {advice}")
    text = _text(value)
    for kind in kinds[name]:
        try:
            return kind.parse(text)
        except ValueError:
            continue
    expected = ", or ".join(kind.describe() for kind in kinds[name])
    raise ValueError(f"The hyperparameter {name!r} is {text[:80]!r}; it must be {expected}.")


def _text(value: object) -> str:
    """Return the text of a value, without the JSON quotes that some SDKs leave inside."""
    text = value if isinstance(value, str) else json.dumps(value)
    if text.startswith('"'):
        with suppress(ValueError):  # a lone quote is part of the text; its kind refuses it
            text = str(json.loads(text))
    return text.strip()


def _json_object(content: bytes, file: Path) -> dict[str, object]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HyperparameterError(
            f"{file} is not JSON ({error}); write a flat JSON object of strings."
        ) from error
    if not isinstance(values, dict):
        raise HyperparameterError(
            f"{file} holds a JSON {_json_type(values)}; write a flat JSON object of strings, "
            'for example {"max_leaf_nodes": "5"}.'
        )
    return values


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names[type(value)]
