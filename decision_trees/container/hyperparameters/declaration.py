"""Declared hyperparameters: what each one takes, and how its value is read from text.

Both come from the JSON schema that pydantic generates for the class of an algorithm.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

LARGEST_INTEGER = 2**31 - 1
"""Maximum of a whole number unless another one is declared; the largest `int` of C."""

Kind = Mapping[str, Any]
"""JSON schema of one type; a hyperparameter that takes values of several types has several."""


@dataclass(frozen=True)
class Declaration:
    """One declared hyperparameter."""

    name: str
    kinds: Sequence[Kind]
    default: object
    doc: str
    tunable: bool
    is_required: bool

    def expected(self) -> str:
        """Return what the hyperparameter takes, to follow the words "it must be"."""
        has_integer = any(kind.get("type") == "integer" for kind in self.kinds)
        return ", or ".join(
            _described(kind)
            + ", written with a decimal point" * (has_integer and kind.get("type") == "number")
            for kind in self.kinds
        )

    def read(self, text: str) -> object:
        """Return the value that `text` means, or the text itself; its range is not checked."""
        for name, reader in _READERS.items():
            for kind in self.kinds:
                if kind.get("type") == name:
                    with suppress(ValueError, RecursionError):
                        return reader(text, kind)
        return text


def declarations(declared: type[BaseModel]) -> list[Declaration]:
    """Return the hyperparameters of a class, in their order."""
    schema = declared.model_json_schema()
    return [
        Declaration(
            name,
            kinds=field.get("anyOf", [field]),
            default=field.get("default"),
            doc=" ".join(field.get("description", "").split()),
            tunable=field.get("tunable", True),
            is_required=name in schema.get("required", []),
        )
        for name, field in schema["properties"].items()
    ]


def integer_range(kind: Kind) -> tuple[int, int]:
    """Return the smallest and the largest whole number of a type."""
    minimum = kind.get("minimum", kind.get("exclusiveMinimum", -LARGEST_INTEGER - 2) + 1)
    maximum = kind.get("maximum", kind.get("exclusiveMaximum", LARGEST_INTEGER + 1) - 1)
    return minimum, maximum


def number_range(kind: Kind) -> tuple[float, float]:
    """Return the bounds of a type, which may be excluded from it."""
    largest = sys.float_info.max
    minimum = kind.get("minimum", kind.get("exclusiveMinimum", -largest))
    return minimum, kind.get("maximum", kind.get("exclusiveMaximum", largest))


def words(kind: Kind) -> list[str]:
    """Return the words of a type, none if it takes other text too."""
    return list(kind.get("enum", [kind["const"]] if "const" in kind else []))


def _described(kind: Kind) -> str:
    if "expected" in kind:
        return str(kind["expected"])
    if words(kind):
        *first, last = (word if word.isidentifier() else repr(word) for word in words(kind))
        return f"{', '.join(first)} or {last}" if first else last
    describe = _DESCRIPTIONS.get(kind.get("type", ""))
    return describe(kind) if describe else "a JSON value"


def _described_integer(kind: Kind) -> str:
    minimum, maximum = integer_range(kind)
    if maximum == LARGEST_INTEGER:
        return f"a whole number of at least {minimum}"
    return f"a whole number from {minimum} to {maximum}"


def _described_number(kind: Kind) -> str:
    texts = {
        "minimum": "from {:g}",
        "exclusiveMinimum": "above {:g}",
        "maximum": "up to {:g}",
        "exclusiveMaximum": "and below {:g}",
    }
    bounds = [text.format(kind[name]) for name, text in texts.items() if name in kind]
    return " ".join(["a number", *bounds])


_DESCRIPTIONS: Mapping[str, Callable[[Kind], str]] = {
    "integer": _described_integer,
    "number": _described_number,
    "boolean": lambda _: "True or False",
    "null": lambda _: "None",
    "string": lambda _: "a text",
    "array": lambda _: "a JSON list",
    "object": lambda _: "a JSON object",
}


def _null(text: str, _: Kind) -> None:
    """Return None for any spelling that an SDK sends; raises ValueError."""
    if text.lower() not in ("", "none", "null"):
        raise ValueError(text)


def _integer(text: str, kind: Kind) -> int:
    """Return a number that is written without a decimal point; raises ValueError."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(text)
    if int(text) > integer_range(kind)[1]:
        raise ValueError(text)
    return int(text)


def _number(text: str, _: Kind) -> float:
    """Return a number; raises ValueError, also if it is too large for a float."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise ValueError(text)
    value = float(text)
    if abs(value) > sys.float_info.max:
        raise ValueError(text)
    return value


def _boolean(text: str, _: Kind) -> bool:
    """Return the truth of the words and digits that Python, JSON and the SDKs write."""
    truths = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in truths:
        raise ValueError(text)
    return truths[text.lower()]


def _json(text: str, _: Kind) -> object:
    """Return a JSON list or object; raises ValueError or RecursionError."""
    value = json.loads(text)
    if not isinstance(value, list | dict):
        raise ValueError(text)  # noqa: TRY004 - the text is of another type
    return value


_READERS: Mapping[str, Callable[[str, Kind], object]] = {
    # In this order, so that None is no name of a column and 1 is no fraction.
    "null": _null,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _json,
    "object": _json,
}
