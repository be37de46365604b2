"""Record batches, which every reader yields, and the arrays in which they are collected."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.data.columns import Columns, HeaderGuess
from container.formats.cells import CellError

BATCH_VALUES = 250_000
"""Approximate number of cells in a batch: large enough to be fast, small next to a table."""

_GROWTH = 1.25
"""Factor by which an array grows when it is full."""


@dataclass(frozen=True)
class SparseFeatures:
    """Rows of which only some cells are written and all others are 0: compressed sparse rows."""

    values: NDArray[np.float32]
    """Shape (n_cells,), the written cells, row after row."""

    columns: NDArray[np.int64]
    """Shape (n_cells,), the column of each, counted from 0."""

    ends: NDArray[np.int64]
    """Shape (n_rows,), where the cells of each row end in `values`."""

    n_features: int
    """Minimum number of features; a later batch may have more."""

    def take(self, rows: slice | NDArray[np.intp]) -> "SparseFeatures":
        """Return some of the rows."""
        n_cells = np.diff(self.ends, prepend=0)
        is_taken = np.zeros(len(self.ends), dtype=bool)
        is_taken[rows] = True
        cells = np.repeat(is_taken, n_cells)
        ends = np.cumsum(n_cells[is_taken])
        return SparseFeatures(self.values[cells], self.columns[cells], ends, self.n_features)


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one file."""

    features: NDArray[np.float32] | SparseFeatures
    """Shape (n_rows, n_features); NaN where a cell is missing."""

    labels: list[str] | NDArray[np.float64]
    """One per row: class labels as written, or numbers of shape (n_rows,)."""

    weights: NDArray[np.float64] | None = None
    """Shape (n_rows,), finite and not negative; None if rows have no weights."""

    labels_are_text: bool = False
    """Whether the type of the label's column is text, even if the labels look like numbers."""

    booleans: Mapping[int, str] = field(default_factory=dict)
    """Place of the first boolean of each feature that has one, such as `row 3`."""

    unlabelled: NDArray[np.bool_] | None = None
    """Which rows have no label; None if all have one."""

    first_unlabelled: str = ""
    """Place of the first label that is missing, and what is there, for a message."""

    def take(self, rows: slice | NDArray[np.intp]) -> "Batch":
        """Return some of the rows."""
        labels = self.labels
        if isinstance(labels, list):
            labels = labels[rows] if isinstance(rows, slice) else [labels[row] for row in rows]
        else:
            labels = labels[rows]
        return replace(
            self,
            features=self.features.take(rows)
            if isinstance(self.features, SparseFeatures)
            else self.features[rows],
            labels=labels,
            weights=None if self.weights is None else self.weights[rows],
            unlabelled=None if self.unlabelled is None else self.unlabelled[rows],
        )


@dataclass(frozen=True)
class BatchReader:
    """An open file: its format, its columns, and its rows in batches."""

    format_name: str
    """As messages show it, such as `Parquet` or `comma-separated text`; the same in all files of a
    channel. Empty for text without a row, which fits every format."""

    columns: Columns | None
    """None if the format has no columns, or the file has no row."""

    batches: Iterator[Batch]
    """Reads the file while it is iterated; raises CellError at the first row that is refused."""

    header_guess: HeaderGuess | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of rows that the reader has left out, by what they are."""


class GrowingArray:
    """Rows in one array that grows in place, so that no row is in memory twice."""

    def __init__(self, dtype: DTypeLike, *row_shape: int) -> None:
        self._rows: NDArray[Any] = np.empty((0, *row_shape), dtype=dtype)
        self._n_rows = 0

    def __len__(self) -> int:
        return self._n_rows

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self._rows.shape[1:]

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows of shape (n, *row_shape)."""
        end = self._n_rows + len(rows)
        if end > len(self._rows):
            self._resize(max(end, int(len(self._rows) * _GROWTH)))
        self._rows[self._n_rows : end] = rows
        self._n_rows = end

    def whole(self) -> NDArray[Any]:
        """Return all rows, shape (n_rows, *row_shape), without a copy."""
        self._resize(self._n_rows)
        return self._rows

    def _resize(self, n_rows: int) -> None:
        # No other reference to the array exists, so it may move; large ones are remapped.
        self._rows.resize((n_rows, *self.row_shape), refcheck=False)


class GrowingMatrix:
    """Features of all rows, from dense or from sparse batches."""

    def __init__(self) -> None:
        self._dense: GrowingArray | None = None
        self._sparse: list[SparseFeatures] = []

    def append(self, features: NDArray[np.float32] | SparseFeatures) -> None:
        """Add the features of some rows; they must be dense, or sparse, as those before."""
        if isinstance(features, SparseFeatures):
            self._sparse.append(features)
            return
        if self._dense is None:
            self._dense = GrowingArray(np.float32, features.shape[1])
        self._dense.append(features)

    def whole(self, first_index: int, n_features: int, n_empty: int = 0) -> NDArray[np.float32]:
        """Return all rows, shape (n_rows, n_features).

        Args:
            first_index: index of the first feature in sparse rows, 0 or 1.
            n_features: number of features in the schema.
            n_empty: number of columns after them that are left out.

        Raises:
            CellError: the rows do not fit, because a file has changed since its first reading.
        """
        if self._dense is not None and self._dense.row_shape == (n_features + n_empty,):
            return np.ascontiguousarray(self._dense.whole()[:, :n_features])
        low = min((int(rows.columns.min(initial=1)) for rows in self._sparse), default=0)
        high = max((rows.n_features for rows in self._sparse), default=0) - first_index
        if self._dense is not None or low < first_index or high > n_features:
            raise CellError(
                "rows have other features than when they were first read",
                "do not change the files while a job runs",
            )
        return _dense(self._sparse, first_index, n_features)


def _dense(parts: list[SparseFeatures], first_index: int, n_features: int) -> NDArray[np.float32]:
    """Return sparse rows as a matrix, 0 where no value is written."""
    matrix = np.zeros((sum(len(part.ends) for part in parts), n_features), dtype=np.float32)
    start = 0
    for part in parts:
        n_rows = len(part.ends)
        rows = np.repeat(np.arange(n_rows), np.diff(part.ends, prepend=0))
        matrix[start : start + n_rows][rows, part.columns - first_index] = part.values
        start += n_rows
    return matrix
