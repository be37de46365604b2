"""Tables: features and labels of rows, the schema that all rows share, and the validation split."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns
from container.errors import TrainingDataError
from container.formats.cells import CellError, shown

SPLIT_SEED = 0
"""Seed of every split; not the seed of the job, so that jobs to compare use the same rows."""


@dataclass(frozen=True)
class Table:
    """Rows to train or validate on, in memory."""

    features: NDArray[np.float32]
    """Shape (n_rows, n_features), C-contiguous; NaN where a cell is missing."""

    labels: NDArray[Any]
    """Shape (n_rows,); class labels are int64, float64 or str, as written; numbers float64."""

    weights: NDArray[np.float64] | None = None
    """Shape (n_rows,), finite and not negative; None if rows have no weights."""

    feature_names: list[str] | None = None
    """Names of the columns of `features`; None if the files have no names."""

    libsvm_base: int | None = None
    """Index of the first feature in libsvm files, 0 or 1; None in other formats."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.intp]) -> "Table":
        """Return a copy of the rows with these indices."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, features=self.features[rows], labels=self.labels[rows], weights=weights
        )


def split(table: Table, fraction: float, by_class: bool) -> tuple[Table, Table]:
    """Set a random part of the rows aside, the same rows each time.

    Args:
        table: at least two rows.
        fraction: part of the rows to set aside, above 0 and below 1.
        by_class: whether to set aside that part of each class. One row of each class always stays,
            so that every class that is validated is also trained.

    Returns:
        The rows that stay, and those set aside, both in the order of `table`.

    Raises:
        TrainingDataError: the part is less than one row.
    """
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
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
            f"The hyperparameter validation_fraction is {fraction:g}, which sets aside no row out "
            f"of {len(table)}; use a larger fraction, or give the job a channel validation."
        )
    return table.take(np.flatnonzero(~aside)), table.take(np.flatnonzero(aside))


@dataclass(frozen=True)
class Schema:
    """What all rows share, on every host: number and names of features, and the labels."""

    n_features: int
    columns: Columns | None = None
    libsvm_base: int | None = None
    """Index of the first feature in libsvm files, 0 or 1; None in other formats."""

    labels: NDArray[Any] | None = None
    """Distinct class labels, in the type of `Table.labels`; None if labels are numbers."""

    names: list[str] = field(default_factory=list)
    """Each of `labels` as written in the files."""

    booleans: Mapping[int, str] = field(default_factory=dict)
    """Place of the first boolean of each feature that has one."""

    @property
    def n_labels(self) -> int:
        """Number of classes; 0 if labels are numbers."""
        return 0 if self.labels is None else len(self.labels)

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features; None if the files have no names."""
        return None if self.columns is None else self.columns.feature_names

    @classmethod
    def of_table(cls, table: Table, are_numbers: bool = False) -> "Schema":
        """Return the schema of a table."""
        labels = None if are_numbers else np.unique(table.labels)
        columns = _named(table.feature_names)
        return cls(table.features.shape[1], columns, table.libsvm_base, labels)

    def table(
        self,
        features: NDArray[np.float32],
        labels: NDArray[Any],
        weights: NDArray[np.float64] | None,
    ) -> Table:
        """Return rows as a table; raise CellError if a feature has booleans and other numbers."""
        for index, place in self.booleans.items():
            values = features[:, index]
            others = values[~(np.isnan(values) | (values == 0) | (values == 1))]
            if len(others):
                name = (
                    f"column {index + 1}" if self.columns is None else self.columns.feature(index)
                )
                raise CellError(
                    f"{name} has a boolean in {place}, and the number {others[0]:g} in another row",
                    "write that column as booleans or as numbers",
                )
        return Table(features, labels, weights, self.feature_names, self.libsvm_base)

    def empty(self) -> Table:
        """Return a table without rows, such as the share of a host that has no file."""
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
                    f"the label {shown(name)} was not there when the files were first read",
                    "do not change the files while a job runs",
                )
        labels: NDArray[Any] = self.labels[[code_of[name] for name in names]]
        return labels


def _named(feature_names: list[str] | None) -> Columns | None:
    """Return columns with features of these names after a label."""
    if feature_names is None:
        return None
    return Columns(len(feature_names) + 1, ("", *feature_names), 0, None)
