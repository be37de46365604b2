"""Labels of all rows: class labels exactly as written, and the moments of numeric ones."""

import re
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from container.formats import cells
from container.formats.cells import CellError, is_missing, shown, stripped

_STRAY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff]|^\u00ef\u00bb\u00bf")
"""Control characters and byte-order marks, including one that was decoded as Latin-1."""

NAMED_LIKE_MISSING = "a class named NA, None or null must be written as another text"
"""Remedy for a class whose name represents a missing value."""

_MIN_INDEX_ROWS = 4
"""Minimum number of rows whose distinct ascending labels are taken for an index."""


@dataclass
class Moments:
    """Count, mean and sum of squared deviations of numeric labels."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def deviation(self) -> float:
        """Standard deviation; 0 without numbers."""
        return float(np.sqrt(self.squares / max(self.count, 1)))

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Add numbers."""
        if len(numbers):
            mean = float(numbers.mean())
            self.merge(type(self)(len(numbers), mean, float(((numbers - mean) ** 2).sum())))

    def merge(self, other: Self) -> None:
        """Add the moments of other numbers.

        Source: Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing
        Sample Variances (1979), http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf
        """
        count = self.count + other.count
        if not other.count:
            return
        distance, part = other.mean - self.mean, other.count / count
        self.squares += other.squares + distance**2 * self.count * part
        self.mean += distance * part
        self.count = count


class ClassLabels:
    """Distinct class labels, each with a code and the number of its rows."""

    def __init__(self) -> None:
        self._code_of: dict[str, int] = {}
        self._counts, self._n_empty = array("q"), array("q")
        self._are_text = False

    def __len__(self) -> int:
        return len(self._code_of)

    @property
    def names(self) -> list[str]:
        """The labels as written, by code."""
        return list(self._code_of)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of rows with each label, by code."""
        return np.array(self._counts, dtype=np.int64)

    def add(
        self, labels: Sequence[str], are_text: bool, is_empty: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int32]:
        """Count the labels of some rows.

        Args:
            labels: one per row.
            are_text: whether the type of their column is text.
            is_empty: which rows have no value in any feature.

        Returns:
            The code of each label: four bytes a row, however long the labels are.

        Raises:
            CellError: a label has a stray character or stands for a missing value.
        """
        code_of, n_known = self._code_of, len(self._code_of)
        codes = np.array([code_of.setdefault(label, len(code_of)) for label in labels], np.int32)
        for label in islice(code_of, n_known, None):
            _check(label)
        self._are_text |= are_text
        _count(self._counts, len(self), codes, 1)
        _count(self._n_empty, len(self), codes[:0] if is_empty is None else codes[is_empty], 1)
        return codes

    def merge(self, other: Self) -> None:
        """Add the labels of another host."""
        codes = [self._code_of.setdefault(name, len(self._code_of)) for name in other.names]
        self._are_text |= other._are_text
        _count(self._counts, len(self), codes, other._counts)
        _count(self._n_empty, len(self), codes, other._n_empty)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        counts = [self._counts.tolist(), self._n_empty.tolist()]
        return {"names": self.names, "counts": counts, "are_text": self._are_text}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Return labels with the state that `to_json` returned."""
        found = cls()
        found._code_of = {name: code for code, name in enumerate(state["names"])}
        found._counts, found._n_empty = (array("q", counts) for counts in state["counts"])
        found._are_text = state["are_text"]
        return found

    def labels(self) -> NDArray[Any]:
        """Return the labels by code: int64 or float64 if that keeps all as written, else str.

        Blanks at the ends are removed.

        Raises:
            CellError: two labels are the same number in two spellings, such as `1` and `1.0`, or
                look alike, or the labels are an index.
        """
        names = self._stripped_names()
        distinct = np.array(names, dtype=np.str_) if self._are_text else _typed(names)
        if len(names) == sum(self._counts) >= _MIN_INDEX_ROWS and _counts_up(distinct):
            raise CellError(
                f"every row has its own label, from {distinct[0]} to {distinct[-1]}, as in an "
                "index",
                "remove that column, or set the hyperparameter label to another one",
            )
        return distinct

    def labels_like(self, known: NDArray[Any]) -> NDArray[Any]:
        """Return the labels by code, in the type of `known`, the labels of the training data.

        Raises:
            CellError: a label is not in `known`, or two labels look alike.
        """
        names = self._stripped_names()
        by_name = {str(label): label for label in np.unique(known).tolist()}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            n_rows = self._counts[names.index(unknown[0])]
            raise CellError(
                f"the label {shown(unknown[0])} ({n_rows} row{'s' * (n_rows > 1)}) is not in the "
                "training data",
                "correct it, or remove those rows",
            )
        return np.array([by_name[name] for name in names], dtype=known.dtype)

    def _stripped_names(self) -> list[str]:
        _refuse_look_alikes(self.names)
        return list(map(stripped, self.names))

    def without_values(self) -> str | None:
        """Return a label whose rows are all empty, such as the title or footer of a spreadsheet."""
        counts = zip(self._code_of, self._n_empty, self._counts, strict=True)
        return next((name for name, empty, count in counts if empty == count > 0), None)


def _count(
    counts: "array[int]", size: int, codes: Sequence[int] | NDArray[np.int32], numbers: Any
) -> None:
    """Add `numbers` to the counts of `codes`; a batch takes no time for labels that it lacks."""
    counts.frombytes(bytes(counts.itemsize * (size - len(counts))))
    if len(codes):
        np.add.at(np.frombuffer(counts, np.int64), codes, numbers)


def _check(label: str) -> None:
    """Refuse a label with stray characters, which NumPy may change, or without a value."""
    if _STRAY.search(label):
        raise CellError(f"the label {shown(label)} has a control character or a byte-order mark")
    if is_missing(label):
        problem = f"the label {shown(label)} stands for a missing value"
        raise CellError(problem, NAMED_LIKE_MISSING)


def _refuse_look_alikes(labels: list[str]) -> None:
    """Refuse labels that differ only in blanks or in the form of their Unicode characters."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(unicodedata.normalize("NFC", stripped(label)), label)
        if other != label:
            raise CellError(
                f"the labels {ascii(other)[:60]} and {ascii(label)[:60]} look alike",
                "write each label the same in every row",
            )


def _typed(labels: list[str]) -> NDArray[Any]:
    """Return distinct labels as int64, float64 or str: the first type that keeps all as written.

    Raises:
        CellError: two labels are the same number in two spellings, or have decimal commas.
    """
    if all(_is_plain_integer(label) for label in labels):
        return np.array([int(label) for label in labels], dtype=np.int64)
    _refuse_two_spellings(labels)
    if all(map(cells.has_decimal_comma, labels)):
        raise CellError(f"the labels are numbers such as {labels[0]!r}", cells.DECIMAL_POINT)
    if not all(map(cells.is_number, labels)):
        return np.array(labels, dtype=np.str_)
    numbers = [float(label) for label in labels]
    as_written = all(repr(number) == label for number, label in zip(numbers, labels, strict=True))
    return np.array(numbers if as_written else labels)


def _refuse_two_spellings(labels: list[str]) -> None:
    spelling: dict[Decimal | str, str] = {}
    for label in filter(cells.is_number, labels):
        other = spelling.setdefault(_exact(label), label)
        if other != label:
            raise CellError(
                f"the labels {shown(other)} and {shown(label)} are one number written in two ways",
                "write each label the same in every row",
            )


def _exact(label: str) -> Decimal | str:
    """Return the exact value of a number; its text if it is beyond the range of Decimal."""
    try:
        return Decimal(label)
    except InvalidOperation:
        return label


def _counts_up(labels: NDArray[Any]) -> bool:
    return labels.dtype == np.int64 and bool((np.diff(labels) == 1).all())


def _is_plain_integer(label: str) -> bool:
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(label)) == label
