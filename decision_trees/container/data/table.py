"""Tables: features and labels of rows, the schema that all rows share, and the validation split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns
from container.data.labels import Moments
from container.errors import TrainingDataError
from container.formats.cells import CellError, shown
from container.hyperparameters.input_options import InputOptions

_MAX_SHOWN = 10
"""Maximum number of classes, and of features, in a description for the log."""

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

    n_empty: int = 0
    """Number of columns at the end that are left out, since they have neither name nor value."""

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


@dataclass(frozen=True)
class Description:
    """What the rows of a channel are, for the log and for model.json."""

    format_name: str
    n_rows: int
    schema: Schema
    counts: Sequence[int]
    """Number of rows with each of the labels; empty if labels are numbers."""

    moments: Moments
    """Moments of labels that are numbers."""

    left_out: Mapping[str, int]
    """Number of rows that were left out, by what they are."""

    options: InputOptions

    def __str__(self) -> str:
        """Return one line for the log, with the largest classes and the first features."""
        schema, columns = self.schema, self.schema.columns
        label, weight = f"in each row of {self.format_name}", "no weights"
        if columns is not None:
            chosen = "the first column, because the hyperparameter label is not set"
            chosen = "as the hyperparameter label says" if self.options.label else chosen
            label = f"{columns.with_index(columns.label)}, {chosen}"
            if columns.weight is not None:
                weight = f"weights: {columns.with_index(columns.weight)}"
        names = _listed(list(map(shown, schema.feature_names or [])))
        names = f": {names}" if names else " without names"
        rows, features = _count(self.n_rows, "row"), _count(schema.n_features, "feature")
        return f"label: {label}; {self._labels()}; {rows}, {weight}; {features}{names}"

    def to_json(self) -> dict[str, Any]:
        """Return the description for model.json; that of a format without columns is shorter."""
        columns = self.schema.columns
        found: dict[str, Any] = {"format": self.format_name, "rows": self.n_rows}
        if self.left_out:
            found["left_out"] = dict(self.left_out)
        if self.options.na_values:
            found["na_values"] = sorted(self.options.notation.na_values)
        if columns is not None:
            chosen_by = "hyperparameter" if self.options.label else "default"
            weight = None if columns.weight is None else columns.to_json(columns.weight)
            found |= {"columns": columns.width, "weight": weight}
            found["label"] = {**columns.to_json(columns.label), "chosen_by": chosen_by}
            if columns.ignored:
                sent = columns.ignored_in_requests
                found["ignored"] = [{"index": index, "name": name} for index, name in sent]
        return found if self.schema.labels is None else {**found, "classes": self._classes()}

    def not_used(self) -> str:
        """Return what is not used of the channel, with numbers; empty if all of it is."""
        columns, n_empty = self.schema.columns, self.schema.n_empty
        found = [f"{n} {rows}" for rows, n in self.left_out.items()]
        if n_empty:
            found.append(f"{_count(n_empty, 'column')} with neither name nor value")
        if columns is not None and columns.ignored:
            names = _listed([columns.with_index(index) for index in columns.ignored])
            found.append(f"{_count(len(columns.ignored), 'ignored column')}: {names}")
        return "; ".join(found)

    def _labels(self) -> str:
        if self.schema.labels is None:
            moments = self.moments
            return f"numbers, mean {moments.mean:.6g}, standard deviation {moments.deviation:.6g}"
        largest_first = sorted(self._classes().items(), key=lambda found: -found[1])
        texts = [f"{shown(name)} {_count(n, 'row')}" for name, n in largest_first]
        return f"{len(texts)} class{'es' * (len(texts) != 1)}: {_listed(texts)}"

    def _classes(self) -> dict[str, int]:
        labels = [] if self.schema.labels is None else self.schema.labels.tolist()
        return {str(label): n for label, n in sorted(zip(labels, self.counts, strict=True))}


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _MAX_SHOWN} more" if len(texts) > _MAX_SHOWN else ""
    return ", ".join(texts[:_MAX_SHOWN]) + more


def _named(feature_names: list[str] | None) -> Columns | None:
    """Return columns with features of these names after a label."""
    if feature_names is None:
        return None
    return Columns(len(feature_names) + 1, ("", *feature_names), 0, None)
