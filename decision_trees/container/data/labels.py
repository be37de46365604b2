"""Classes: labels that are names, kept exactly as they are written."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from container.data.columns import SAY_WHETHER_HEADER
from container.data.readers.batches import Doubt
from container.formats import cells
from container.formats.cells import CellError, is_missing, shown

_STRAY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff]|^\u00ef\u00bb\u00bf")
"""Control characters, and a byte-order mark, also where it was read as Latin-1."""

_COUNTED = 4  # so many labels that count up, one a row, are an index


class ClassLabels:
    """Collects the names of classes, and of how many rows each is the label."""

    def __init__(self) -> None:
        self._code_of: dict[str, int] = {}
        self._counts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._n_empty: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._are_text = False

    def __len__(self) -> int:
        return len(self._code_of)

    @property
    def names(self) -> list[str]:
        """The names by their codes."""
        return list(self._code_of)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many rows have the label, by codes."""
        return self._counts

    def add(
        self, labels: Sequence[str], are_text: bool, is_empty: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int32]:
        """Count the labels of some rows.

        Args:
            labels: one a row.
            are_text: whether they are text by their type.
            is_empty: which rows have no value at all.

        Returns:
            The code of each label: a label then costs four bytes a row however long it is.

        Raises:
            CellError: a label cannot be kept as it is.
        """
        code_of, n_known = self._code_of, len(self._code_of)
        codes = np.array([code_of.setdefault(label, len(code_of)) for label in labels], np.int32)
        for label in islice(code_of, n_known, None):
            _check(label)
        self._are_text |= are_text
        self._counts = _added(self._counts, np.bincount(codes, minlength=len(code_of)))
        empty = codes[:0] if is_empty is None else codes[is_empty]
        self._n_empty = _added(self._n_empty, np.bincount(empty, minlength=len(code_of)))
        return codes

    def merge(self, other: Self) -> None:
        """Count the rows of another host too."""
        codes = [self._code_of.setdefault(name, len(self._code_of)) for name in other.names]
        self._are_text |= other._are_text
        for mine, theirs in (("_counts", other._counts), ("_n_empty", other._n_empty)):
            more = np.zeros(len(self), dtype=np.int64)
            more[codes] = theirs
            setattr(self, mine, _added(getattr(self, mine), more))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        counts = [self._counts.tolist(), self._n_empty.tolist()]
        return {"names": self.names, "counts": counts, "are_text": self._are_text}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """Return what `to_json` was given."""
        classes = cls()
        classes._code_of = {name: code for code, name in enumerate(found["names"])}
        classes._counts, classes._n_empty = (np.array(n, np.int64) for n in found["counts"])
        classes._are_text = found["are_text"]
        return classes

    def labels(self) -> NDArray[Any]:
        """Return the labels by their codes as int64, float64 or str, as they are written.

        Raises:
            CellError: two labels are one number written in two ways, as `1` and `1.0`, or look
                alike; or the labels are those of no table, but an index.
        """
        names = self.names
        _refuse_look_alikes(names)
        distinct = np.array(names, dtype=np.str_) if self._are_text else _typed(names)
        if len(names) == self._counts.sum() >= _COUNTED and _counts_up(distinct):
            raise CellError(
                f"every row has a label of its own, from {distinct[0]} to {distinct[-1]}: an index",
                "leave it out, or name the column of the label with the hyperparameter label",
            )
        return distinct

    def labels_like(self, known: NDArray[Any]) -> NDArray[Any]:
        """Return the labels by their codes with the type of `known`, the labels of another table.

        Raises:
            CellError: a label is none of `known`.
        """
        by_name = {str(label): label for label in np.unique(known).tolist()}
        unknown = [name for name in self._code_of if name not in by_name]
        if unknown:
            n_rows = int(self._counts[self._code_of[unknown[0]]])
            raise CellError(
                f"there is the label {shown(unknown[0])} ({n_rows} rows), which no row of the "
                "training data has",
                "correct it, or leave those rows out",
            )
        return np.array([by_name[name] for name in self._code_of], dtype=known.dtype)

    def without_values(self) -> str | None:
        """Return a label all of whose rows are empty.

        Such rows are the titles and footers of a spreadsheet, and nothing can be learnt from them.
        """
        empty = np.flatnonzero((self._n_empty == self._counts) & (self._counts > 0))
        return self.names[empty[0]] if len(empty) else None

    def settle(self, doubts: Sequence[Doubt]) -> None:
        """Look at all labels for what a single file could not tell: is its first row a header?

        Raises:
            CellError: a header looks like data, or data like a header.
        """
        for doubt in doubts:
            if doubt.was_header and doubt.label in self._code_of:
                raise CellError(
                    f"the first row was taken for a header, but {shown(doubt.label)} in it is a "
                    "label of other rows too",
                    SAY_WHETHER_HEADER,
                )
        for label, times in Counter(d.label for d in doubts if not d.was_header).items():
            if self._stands_alone(label, times):
                raise CellError(
                    f"the first row may be a header: no other row has its label {shown(label)}",
                    SAY_WHETHER_HEADER,
                )

    def _stands_alone(self, label: str, times: int) -> bool:
        """Say whether a label occurs in first rows only, while the others are of another kind."""
        others = [name for name in self._code_of if name != label]
        if not others or self._counts[self._code_of[label]] > times:
            return False
        if cells.is_number(label):
            return not any(map(cells.is_number, others))
        return all(map(cells.is_number, others)) or all(
            self._counts[self._code_of[name]] > 1 for name in others
        )


def _added(counts: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum of counts of which the second may be longer."""
    total = more.astype(np.int64)
    total[: len(counts)] += counts
    return total


def _check(label: str) -> None:
    """Refuse a label that is not what its writer meant, or that NumPy would change."""
    if _STRAY.search(label):
        raise CellError(f"the label {shown(label)} has a control character or a byte-order mark")
    if is_missing(label):
        raise CellError(f"there is the label {shown(label)}, which stands for a missing value")


def _refuse_look_alikes(labels: list[str]) -> None:
    """Refuse labels that differ in nothing that can be seen."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(unicodedata.normalize("NFC", label).strip(), label)
        if other != label:
            raise CellError(
                f"the labels {ascii(other)[:60]} and {ascii(label)[:60]} look alike",
                "write each label the same in every row",
            )


def _typed(labels: list[str]) -> NDArray[Any]:
    """Return distinct labels as int64, float64 or str: the first type that keeps all as written.

    Raises:
        CellError: two labels are one number written in two ways, or have decimal commas.
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
        other = spelling.setdefault(_exactly(label), label)
        if other != label:
            raise CellError(
                f"the labels {shown(other)} and {shown(label)} are one number written in two ways",
                "write each label the same in every row",
            )


def _exactly(label: str) -> Decimal | str:
    """Return the number that a label is; the text where that is beyond all numbers."""
    try:
        return Decimal(label)
    except InvalidOperation:
        return label


def _counts_up(labels: NDArray[Any]) -> bool:
    return labels.dtype == np.int64 and bool((np.diff(labels) == 1).all())


def _is_plain_integer(label: str) -> bool:
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(label)) == label
