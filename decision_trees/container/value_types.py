"""Kinds of value that a hyperparameter may take: each reads its own notation and no other.

Environment variables: read by any of their names, or refused with one sentence.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, Protocol, TypeVar

from container.errors import SettingsError

LARGEST_INTEGER = 2**31 - 1
"""The largest whole number unless a hyperparameter declares another; what C code takes."""


class Kind(Protocol):
    """One way to write a value."""

    def describe(self) -> str:
        """Say what is expected, to follow the words "it must be"."""

    def parse(self, text: str) -> object:
        """Return the value of `text`; raises ValueError when it is not of this kind."""


@dataclass(frozen=True)
class Integer:
    """A whole number from `minimum` to `maximum`, written without a decimal point."""

    minimum: int
    maximum: int = LARGEST_INTEGER

    def describe(self) -> str:
        """Say what is expected."""
        if self.maximum == LARGEST_INTEGER:
            return f"a whole number of at least {self.minimum}"
        return f"a whole number from {self.minimum} to {self.maximum}"

    def parse(self, text: str) -> int:
        """Return the number; raises ValueError."""
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError(text)
        value = int(text)
        if not self.minimum <= value <= self.maximum:
            raise ValueError(text)
        return value


@dataclass(frozen=True)
class Number:
    """A number from `minimum` to `maximum`.

    With `excluded` it must be above the minimum, with `below` it must be below the maximum.
    """

    minimum: float
    maximum: float
    excluded: bool = False
    below: bool = False

    def describe(self) -> str:
        """Say what is expected."""
        lowest = f"above {self.minimum:g}" if self.excluded else f"from {self.minimum:g}"
        if self.maximum == inf:
            return f"a number {lowest}"
        return f"a number {lowest} {'and below' if self.below else 'up to'} {self.maximum:g}"

    def parse(self, text: str) -> float:
        """Return the number; raises ValueError."""
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
            raise ValueError(text)
        value = float(text)
        too_low = value <= self.minimum if self.excluded else value < self.minimum
        too_high = value >= self.maximum if self.below else value > self.maximum
        if too_low or too_high or value == inf:
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
        *first, last = (word if word.isidentifier() else repr(word) for word in self.words)
        return f"{', '.join(first)} or {last}" if first else last

    def parse(self, text: str) -> str:
        """Return the word; raises ValueError."""
        if text not in self.words:
            raise ValueError(text)
        return text


class Boolean:
    """Yes or no: the words and digits that Python, JSON and the SDKs write."""

    def describe(self) -> str:
        """Say what is expected."""
        return "True or False"

    def parse(self, text: str) -> bool:
        """Return the truth; raises ValueError."""
        truths = {"true": True, "1": True, "false": False, "0": False}
        if text.lower() not in truths:
            raise ValueError(text)
        return truths[text.lower()]


class Column:
    """A column of the table: which one it is turns out when the files are read."""

    def describe(self) -> str:
        """Say what is expected."""
        return "the name or the index of a column"

    def parse(self, text: str) -> str:
        """Return the text as it is; raises ValueError when there is none."""
        if not text:
            raise ValueError(text)
        return text


class Null:
    """Nothing, in any spelling that an SDK sends; to be tried before a Column."""

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


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ValueType(Protocol[T_co]):
    """One way to write a value."""

    def describe(self) -> str:
        """Say what is expected, to follow the words "it must be"."""

    def parse(self, text: str) -> T_co:
        """Return the value of `text`; raises ValueError when it is not of this kind."""


@dataclass(frozen=True)
class Variables:
    """An environment. A variable that is set to nothing, or to spaces, counts as not set."""

    environ: Mapping[str, str]

    def read(self, kind: ValueType[T], default: T, *names: str) -> T:
        """Return the value of a setting that may be written under any of `names`.

        Raises:
            SettingsError: a value is not of its kind, or two names have different values.
        """
        texts = {name: text for name in names if (text := self.environ.get(name, "").strip())}
        values = {name: _parsed(name, text, kind) for name, text in texts.items()}
        if not values:
            return default
        first, *others = values
        for other in others:
            if values[other] != values[first]:
                raise SettingsError(
                    f"{first} is {texts[first]!r} and {other} is {texts[other]!r}; "
                    "they are two names of one setting, so set only one of them."
                )
        return values[first]


class WholeNumber(Integer):
    """A whole number from `minimum` to `maximum`, in plain digits without a sign."""

    def parse(self, text: str) -> int:
        """Return the number; raises ValueError."""
        if not re.fullmatch(r"[0-9]+", text):
            raise ValueError(text)
        return super().parse(text)


class Text:
    """Any text."""

    def describe(self) -> str:
        """Say what is expected."""
        return "a text"

    def parse(self, text: str) -> str:
        """Return the text."""
        return text


@dataclass(frozen=True)
class Word(Generic[T]):
    """One of a few words, in capitals or not, each with its meaning."""

    meanings: Mapping[str, T]
    synonyms: Mapping[str, T]
    """Other spellings, which messages do not offer."""

    def describe(self) -> str:
        """Say what is expected."""
        return _listed(list(self.meanings))

    def parse(self, text: str) -> T:
        """Return the meaning; raises ValueError."""
        for word, meaning in [*self.meanings.items(), *self.synonyms.items()]:
            if _folded(word) == _folded(text):
                return meaning
        raise ValueError(text)


class OneOf(Word[str]):
    """One of a few words that mean themselves."""

    def __init__(self, *words: str) -> None:
        super().__init__(meanings={word: word for word in words}, synonyms={})


@dataclass(frozen=True)
class Names:
    """Some of a few names, joined by commas, in the order that is wanted."""

    known: Sequence[str]

    def describe(self) -> str:
        """Say what is expected."""
        return f"one or more, each once and joined by commas, of {', '.join(self.known)}"

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the names; raises ValueError."""
        names = tuple(OneOf(*self.known).parse(name.strip()) for name in text.split(","))
        if len(set(names)) < len(names):
            raise ValueError(text)
        return names


class PortRange:
    """Two ports joined by a hyphen, as the platform writes them; both belong to the range."""

    def describe(self) -> str:
        """Say what is expected."""
        return "two ports, the smaller first, such as 9000-9999"

    def parse(self, text: str) -> tuple[int, int]:
        """Return the first and the last port; raises ValueError."""
        port = WholeNumber(1, 65_535)
        first, last = (port.parse(part.strip()) for part in text.split("-"))
        if first > last:
            raise ValueError(text)
        return first, last


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _parsed(name: str, text: str, kind: ValueType[T]) -> T:
    try:
        return kind.parse(text)
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}; it must be {kind.describe()}.") from error


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")
