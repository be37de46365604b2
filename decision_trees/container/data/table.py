"""Tables: the rows of all files of a channel, as an algorithm learns from them.

Layouts: what the rows of all files, on all hosts, have in common.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns
from container.errors import TrainingDataError
from container.formats.cells import CellError, shown

_SPLIT_SEED = 0  # not a job's own seed: jobs that are compared are validated on the same rows


@dataclass(frozen=True)
class Table:
    """Rows to learn from, or to validate on."""

    features: NDArray[np.float32]
    """Shape (n_rows, n_features), C-contiguous; NaN where a cell is missing."""

    labels: NDArray[Any]
    """Shape (n_rows,); classes are int64, float64 or str, as they are written; numbers float64."""

    weights: NDArray[np.float64] | None = None
    """Shape (n_rows,), finite and not negative; None when rows have no weights."""

    feature_names: list[str] | None = None
    """The names of the columns of `features`; None when the files have none."""

    libsvm_base: int | None = None
    """The index of the first feature in libsvm files, 0 or 1; None in other formats."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.intp]) -> "Table":
        """Return a table of the rows with these indices, a copy."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, features=self.features[rows], labels=self.labels[rows], weights=weights
        )


def split(table: Table, fraction: float, by_class: bool) -> tuple[Table, Table]:
    """Set part of the rows aside, drawn at random, the same rows each time.

    Args:
        table: at least two rows.
        fraction: how much of the rows to set aside, above 0 and below 1.
        by_class: whether to set aside that part of each class. The first row of a class that is
            drawn stays, so that every class that is set aside is also learnt.

    Returns:
        What is left, and what was set aside, both in the order of `table`.

    Raises:
        TrainingDataError: the part is not even one row.
    """
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(table))
    if by_class:
        _, classes = np.unique(table.labels, return_inverse=True)
        order = order[np.argsort(classes[order], kind="stable")]
        sizes = np.bincount(classes)
    else:
        sizes = np.array([len(table)])
    rank = np.arange(len(table)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = np.maximum(1, sizes - np.rint(sizes * fraction).astype(int))
    aside = np.zeros(len(table), dtype=bool)
    aside[order] = rank >= np.repeat(kept, sizes)
    if not aside.any():
        raise TrainingDataError(
            f"validation_fraction is {fraction:g}, which is not one row of the {len(table)} that "
            "there are; choose a larger fraction, or give the job a channel validation."
        )
    return table.take(np.flatnonzero(~aside)), table.take(np.flatnonzero(aside))


@dataclass(frozen=True)
class Schema:
    """How rows become a table, the same on every host."""

    n_features: int
    columns: Columns | None = None
    libsvm_base: int | None = None
    """The index of the first feature in libsvm files, 0 or 1; None in other formats."""

    labels: NDArray[Any] | None = None
    """The labels of classes, distinct, in the type of all; None when labels are numbers."""

    names: list[str] = field(default_factory=list)
    """How each of `labels` is written."""

    @property
    def n_labels(self) -> int:
        """How many classes there are; 0 for numbers."""
        return 0 if self.labels is None else len(self.labels)

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the features; None when the files have none."""
        return None if self.columns is None else self.columns.feature_names

    @classmethod
    def of_table(cls, table: Table, are_numbers: bool = False) -> "Schema":
        """Return that of a table."""
        labels = None if are_numbers else np.unique(table.labels)
        columns = _of_names(table.feature_names)
        return cls(table.features.shape[1], columns, table.libsvm_base, labels)

    def table(
        self,
        features: NDArray[np.float32],
        labels: NDArray[Any],
        weights: NDArray[np.float64] | None,
    ) -> Table:
        """Return rows as a table."""
        return Table(features, labels, weights, self.feature_names, self.libsvm_base)

    def empty(self) -> Table:
        """Return a table without a row: the share of a host that has no file."""
        dtype = np.dtype(np.float64) if self.labels is None else self.labels.dtype
        features: NDArray[np.float32] = np.empty((0, self.n_features), dtype=np.float32)
        return self.table(features, np.empty(0, dtype=dtype), None)

    def labels_of(self, names: list[str]) -> NDArray[Any]:
        """Return the labels that are written as `names`; raises CellError for an unknown one."""
        if self.labels is None:
            raise TypeError("numbers have no names")
        code_of = {name: code for code, name in enumerate(self.names)}
        for name in names:
            if name not in code_of:
                raise CellError(
                    f"there is the label {shown(name)}, which was not there before",
                    "leave the files as they are while a job runs",
                )
        labels: NDArray[Any] = self.labels[[code_of[name] for name in names]]
        return labels


def _of_names(names: list[str] | None) -> Columns | None:
    """Return columns of which all but the first, the label, are features of these names."""
    if names is None:
        return None
    return Columns(len(names) + 1, ("", *names), 0, None)


def check_columns(found: Columns, expected: Columns, where: str) -> None:
    """Hold the columns of a file against those of the first; raises CellError naming both."""
    if found.width != expected.width:
        raise CellError(f"rows have {found.width} columns, those of {where} {expected.width}")
    if (found.names is None) != (expected.names is None):
        has = ("no header", "a header")
        raise CellError(
            f"there is {has[bool(found.names)]}, in {where} {has[bool(expected.names)]}"
        )
    check_names(found.names, expected.names, where)


def check_names(
    found: tuple[str, ...] | list[str] | None,
    expected: tuple[str, ...] | list[str] | None,
    where: str,
) -> None:
    """Hold the names of columns against others; raises CellError at the first that differs."""
    for number, (name, other) in enumerate(zip(found or (), expected or (), strict=False), start=1):
        if name != other:
            raise CellError(f"column {number} is called {name!r}, in {where} {other!r}")
