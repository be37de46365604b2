"""Blocks: what a file of any format is read as, some thousands of rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns

BATCH_VALUES = 250_000
"""About how many cells a block has: enough to be fast, few enough to be small beside a table."""


@dataclass(frozen=True)
class Sparse:
    """Rows of which only some cells are written, all others being 0: compressed sparse rows."""

    values: NDArray[np.float32]
    """Shape (n_cells,), the written cells, row after row."""

    columns: NDArray[np.int64]
    """Shape (n_cells,), the feature of each, counted from 0."""

    ends: NDArray[np.int64]
    """Shape (n_rows,), where the cells of each row end in `values`."""

    n_features: int
    """How many features there are at least; a later block may know of more."""

    def take(self, rows: slice) -> "Sparse":
        """Return some of the rows."""
        n_cells = np.diff(self.ends, prepend=0)
        is_taken = np.zeros(len(self.ends), dtype=bool)
        is_taken[rows] = True
        cells = np.repeat(is_taken, n_cells)
        ends = np.cumsum(n_cells[is_taken])
        return Sparse(self.values[cells], self.columns[cells], ends, self.n_features)


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one file."""

    features: NDArray[np.float32] | Sparse
    """Shape (n_rows, n_features); NaN where a cell is missing."""

    labels: list[str] | NDArray[np.float64]
    """One a row: classes as text, as they are written; or float64 of shape (n_rows,)."""

    weights: NDArray[np.float64] | None = None
    """Shape (n_rows,), finite and not negative; None when rows have no weights."""

    labels_are_text: bool = False
    """Whether classes are text by the type of their column, even where they look like numbers."""

    def take(self, rows: slice) -> "Batch":
        """Return some of the rows."""
        features = self.features
        return Batch(
            features.take(rows) if isinstance(features, Sparse) else features[rows],
            self.labels[rows],
            None if self.weights is None else self.weights[rows],
            self.labels_are_text,
        )


@dataclass(frozen=True)
class Doubt:
    """A first row that may have been taken for what it is not; all labels together will tell."""

    label: str
    """What stands in it where labels stand."""

    was_header: bool
    """Whether it was taken for a header, not for data."""


@dataclass(frozen=True)
class Part:
    """One file, opened: what it is, and its rows."""

    kind: str
    """What it is in words, such as `Parquet` or `comma-separated text`, the same in all files of a
    channel; empty for text without a row, which may be anything."""

    columns: Columns | None
    """Names and roles of the columns; None where the format has none, or there is no row."""

    blocks: Iterator[Batch]
    """Reads the file as it is consumed; raises CellError at the first row that is no good."""

    doubt: Doubt | None = None
