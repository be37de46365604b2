"""Types of environment variables: each parses its own notation, or refuses it with one sentence."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from container.errors import SettingsError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class ValueType(Generic[T_co]):
    """Notation of one type of value."""

    expected: str
    """What is expected, to follow the words "it must be"."""

    parse: Callable[[str], T_co]
    """Returns the value of a text; raises ValueError or KeyError if it is not of this type."""


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


TEXT = ValueType("a text", str)


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def whole_number(minimum: int, maximum: int) -> ValueType[int]:
    """Return the type of a whole number from `minimum` to `maximum`, in digits without a sign."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(text)
        return int(text)

    return ValueType(f"a whole number from {minimum} to {maximum}", parse)


def word(meanings: Mapping[str, T], synonyms: Mapping[str, T]) -> ValueType[T]:
    """Return the type of a word, in capitals or not, with a meaning; messages list no synonyms."""
    *first, last = meanings
    by_word = {_folded(word): meaning for word, meaning in {**meanings, **synonyms}.items()}
    expected = f"{', '.join(first)} or {last}" if first else last
    return ValueType(expected, lambda text: by_word[_folded(text)])


BOOLEAN = word({"True": True, "False": False}, {"1": True, "0": False})
"""Yes or no: the words and digits that Python, JSON and the SDKs write."""


def one_of(*words: str) -> ValueType[str]:
    """Return the type of a word that means itself."""
    return word({word: word for word in words}, {})


def some_of(*known: str) -> ValueType[tuple[str, ...]]:
    """Return the type of some of a few names, joined by commas; their order is kept."""
    name = one_of(*known)

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(name.parse(part.strip()) for part in text.split(","))
        if len(set(found)) < len(found):
            raise ValueError(text)
        return found

    return ValueType(f"one or more, each once and joined by commas, of {', '.join(known)}", parse)


def _parsed(name: str, text: str, kind: ValueType[T]) -> T:
    try:
        return kind.parse(text)
    except (ValueError, KeyError) as error:
        raise SettingsError(f"{name} is {text!r}; it must be {kind.expected}.") from error
