"""Training files become one table: CSV, label in the first column, no header."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container import delimited
from container.delimited import CellError
from container.errors import TrainingDataError

_BLOCK_VALUES = 1_000_000
_REMEDY = "correct it: CSV, label in the first column, numbers in all others, no header."


@dataclass(frozen=True)
class Table:
    """Rows to learn from."""

    features: NDArray[np.float32]
    """Shape (n_rows, n_features); NaN where a cell is missing."""

    labels: NDArray[Any]
    """Shape (n_rows,); int64, float64 or str, as the labels are written."""


@dataclass
class _Builder:
    """Collects rows; keeps features as blocks of float32 and labels as codes, to stay small."""

    n_columns: int = 0
    first_file: Path | None = None
    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    blocks: list[NDArray[np.float32]] = field(default_factory=list)
    codes: "array[int]" = field(default_factory=lambda: array("q"))
    vocabulary: dict[str, int] = field(default_factory=dict)

    def add(self, file: Path, row: int, cells: list[str]) -> None:
        """Append one row; raises CellError."""
        self._check_width(file, row, len(cells))
        label = cells[0].strip(" \t")
        if label.lower() in delimited.MISSING:
            raise CellError(f"row {row}, column 1 is {delimited.shown(cells[0])}: no label")
        delimited.append_numbers(self.numbers, cells[1:], row, first=2)
        self.codes.append(self.vocabulary.setdefault(label, len(self.vocabulary)))
        if len(self.numbers) >= _BLOCK_VALUES:
            self._close_block()

    def table(self) -> Table:
        """Return everything that was added."""
        self._close_block()
        labels = _typed(list(self.vocabulary))[np.frombuffer(self.codes, dtype=np.int64)]
        return Table(np.concatenate(self.blocks), labels)

    def _check_width(self, file: Path, row: int, width: int) -> None:
        if self.first_file is None:
            self.n_columns, self.first_file = width, file
        if width != self.n_columns:
            where = "the rows before" if file == self.first_file else self.first_file.name
            raise CellError(f"row {row} has {_columns(width)}, {where} {self.n_columns}")
        if width < 2:
            problem = "a label and at least one feature are needed, with commas between"
            raise CellError(f"row {row} has {_columns(width)}; {problem}")

    def _close_block(self) -> None:
        if self.numbers:
            self.blocks.append(delimited.as_matrix(self.numbers, self.n_columns - 1))
            self.numbers = array("d")


def read_training_files(files: Sequence[Path]) -> Table:
    """Read the files one after the other into one table.

    Raises:
        TrainingDataError: naming file, row and column of the first thing that cannot be used.
    """
    builder = _Builder()
    for file in files:
        try:
            with file.open("rb") as content:
                for row, cells in delimited.read_rows(content):
                    builder.add(file, row, cells)
        except CellError as error:
            raise TrainingDataError(f"In {file}, {error}; {_REMEDY}") from error
    if not builder.codes:
        raise TrainingDataError(f"{_names(files)} hold only blank lines; {_REMEDY}")
    return builder.table()


def _typed(labels: list[str]) -> NDArray[Any]:
    """Return distinct labels as int64, float64 or str: the first type that keeps all as written.

    Raises:
        TrainingDataError: two labels are one number written in two ways, as `1` and `1.0`.
    """
    if all(_is_plain_integer(label) for label in labels):
        return np.array([int(label) for label in labels], dtype=np.int64)
    if not all(delimited.is_number(label) for label in labels):
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


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _names(files: Sequence[Path]) -> str:
    return ", ".join(str(file) for file in files[:5])
