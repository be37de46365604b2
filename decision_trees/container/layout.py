"""Layouts: what the rows of all files, on all hosts, have in common."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.cells import CellError, shown
from container.columns import Columns
from container.tables import Table


@dataclass(frozen=True)
class Layout:
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
    def of_table(cls, table: Table, are_numbers: bool = False) -> "Layout":
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
