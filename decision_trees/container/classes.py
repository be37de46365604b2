"""Classes: labels that are names, kept exactly as they are written."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container import cells
from container.blocks import Doubt
from container.errors import TrainingDataError
from container.stacks import Stack


class Classes:
    """Collects labels as codes, so that a label costs four bytes a row however long it is."""

    def __init__(self) -> None:
        self._codes = Stack(np.int32)
        self._code_of: dict[str, int] = {}
        self._are_text = False

    def __len__(self) -> int:
        return len(self._codes)

    def add(self, labels: Sequence[str], are_text: bool) -> None:
        """Append the labels of some rows; `are_text` when they are text by their type."""
        code_of = self._code_of
        codes = [code_of.setdefault(label, len(code_of)) for label in labels]
        self._codes.append(np.array(codes, dtype=np.int32))
        self._are_text |= are_text

    def labels(self) -> NDArray[Any]:
        """Return the labels of all rows as int64, float64 or str, as they are written.

        Raises:
            TrainingDataError: two labels are one number written in two ways, as `1` and `1.0`.
        """
        names = list(self._code_of)
        distinct = np.array(names, dtype=np.str_) if self._are_text else _typed(names)
        result: NDArray[Any] = distinct[self._codes.whole()]
        return result

    def labels_like(self, known: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of all rows with the type of `known`, those of another table.

        Raises:
            TrainingDataError: a label is none of `known`.
        """
        by_name = {str(label): label for label in np.unique(known).tolist()}
        unknown = [name for name in self._code_of if name not in by_name]
        if unknown:
            n_rows = int(self._counts()[self._code_of[unknown[0]]])
            raise TrainingDataError(
                f"The validation data has the label {unknown[0]!r} ({n_rows} rows), which no row "
                "of the training data has; correct it, or leave those rows out."
            )
        distinct = np.array([by_name[name] for name in self._code_of], dtype=known.dtype)
        result: NDArray[Any] = distinct[self._codes.whole()]
        return result

    def settle(self, doubts: Sequence[Doubt]) -> None:
        """Look at all labels for what a single file could not tell: is its first row a header?

        Raises:
            TrainingDataError: a header looks like data, or data like a header.
        """
        taken = Counter(doubt.label for doubt in doubts if doubt.was_header)
        for label in taken.keys() & self._code_of.keys():
            raise TrainingDataError(
                f"The first row was taken for a header, but {label!r} in it is a label of other "
                "rows too; say with the hyperparameter header what it is (present or absent)."
            )
        for label, times in Counter(d.label for d in doubts if not d.was_header).items():
            if self._stands_alone(label, times):
                raise TrainingDataError(
                    f"The first row may be a header: no other row has its label {label!r}, and its "
                    "other cells are whole numbers; say with the hyperparameter header what it is "
                    "(present or absent)."
                )

    def _stands_alone(self, label: str, times: int) -> bool:
        """Say whether a label occurs in first rows only, while the others are of another kind."""
        counts = self._counts()
        others = [name for name in self._code_of if name != label]
        if not others or counts[self._code_of[label]] > times:
            return False
        return all(map(cells.is_number, others)) or all(
            counts[self._code_of[name]] > 1 for name in others
        )

    def _counts(self) -> NDArray[np.intp]:
        return np.bincount(self._codes.whole())


def _typed(labels: list[str]) -> NDArray[Any]:
    """Return distinct labels as int64, float64 or str: the first type that keeps all as written.

    Raises:
        TrainingDataError: two labels are one number written in two ways, as `1` and `1.0`.
    """
    if all(_is_plain_integer(label) for label in labels):
        return np.array([int(label) for label in labels], dtype=np.int64)
    if not all(cells.is_number(label) for label in labels):
        return np.array(labels, dtype=np.str_)
    numbers = [float(label) for label in labels]
    _refuse_two_spellings(labels, numbers)
    as_written = all(repr(number) == label for number, label in zip(numbers, labels, strict=True))
    return np.array(numbers if as_written else labels)


def _refuse_two_spellings(labels: list[str], numbers: list[float]) -> None:
    spelling: dict[float, str] = {}
    for label, number in zip(labels, numbers, strict=True):
        other = spelling.setdefault(number, label)
        if other != label:
            raise TrainingDataError(
                f"The labels {other!r} and {label!r} are one number written in two ways; "
                "write each label the same in every row."
            )


def _is_plain_integer(label: str) -> bool:
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(label)) == label
