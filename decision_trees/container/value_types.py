"""Types of environment variables: each parses its own notation, or refuses it with one sentence."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from container.errors import SettingsError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ValueType(Protocol[T_co]):
    """Notation of one type of value."""

    def describe(self) -> str:
        """Return what is expected, to follow the words "it must be"."""

    def parse(self, text: str) -> T_co:
        """Return the value of `text`; raises ValueError if it is not of this type."""


@dataclass(frozen=True)
class Variables:
    """An environment. A variable that is set to nothing, or to spaces, counts as not set."""

    environ: Mapping[str, str]

    def read(self, kind: ValueType[T], default: T, *names: str) -> T:
        """Return the value of a setting that may be written under any of `names`.

        Raises:
            SettingsError: a value is not of its type, or two names have different values.
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


@dataclass(frozen=True)
class WholeNumber:
    """A whole number from `minimum` to `maximum`, in plain digits without a sign."""

    minimum: int
    maximum: int

    def describe(self) -> str:
        """Return the expectation."""
        return f"a whole number from {self.minimum} to {self.maximum}"

    def parse(self, text: str) -> int:
        """Return the number; raises ValueError."""
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise ValueError(text)
        if not self.minimum <= int(text) <= self.maximum:
            raise ValueError(text)
        return int(text)


class Boolean:
    """Yes or no: the words and digits that Python, JSON and the SDKs write."""

    def describe(self) -> str:
        """Return what is expected."""
        return "True or False"

    def parse(self, text: str) -> bool:
        """Return the truth; raises ValueError."""
        truths = {"true": True, "1": True, "false": False, "0": False}
        if text.lower() not in truths:
            raise ValueError(text)
        return truths[text.lower()]


class Text:
    """Any text."""

    def describe(self) -> str:
        """Return what is expected."""
        return "a text"

    def parse(self, text: str) -> str:
        """Return the text."""
        return text


@dataclass(frozen=True)
class Word(Generic[T]):
    """One of a few words, in capitals or not, each with its meaning."""

    meanings: Mapping[str, T]
    synonyms: Mapping[str, T]
    """Other spellings, which messages do not list."""

    def describe(self) -> str:
        """Return what is expected."""
        return _listed(list(self.meanings))

    def parse(self, text: str) -> T:
        """Return the meaning; raises ValueError."""
        for word, meaning in [*self.meanings.items(), *self.synonyms.items()]:
            if _folded(word) == _folded(text):
                return meaning
        raise ValueError(text)


class OneOf(Word[str]):
    """One of a few words, each of which means itself."""

    def __init__(self, *words: str) -> None:
        super().__init__(meanings={word: word for word in words}, synonyms={})


@dataclass(frozen=True)
class Names:
    """Some of a few names, joined by commas; their order is kept."""

    known: Sequence[str]

    def describe(self) -> str:
        """Return what is expected."""
        return f"one or more, each once and joined by commas, of {', '.join(self.known)}"

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the names; raises ValueError."""
        names = tuple(OneOf(*self.known).parse(name.strip()) for name in text.split(","))
        if len(set(names)) < len(names):
            raise ValueError(text)
        return names


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
