"""Stacks: arrays that grow in place as blocks of rows come in."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.blocks import Sparse
from container.cells import CellError

_GROWTH = 1.25


class Stack:
    """Rows under rows in one array that grows in place, so that no row is in memory twice."""

    def __init__(self, dtype: DTypeLike, *row_shape: int) -> None:
        self._rows: NDArray[Any] = np.empty((0, *row_shape), dtype=dtype)
        self._n_rows = 0

    def __len__(self) -> int:
        return self._n_rows

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row."""
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
        # Nobody else has the array yet, so it may move: large ones are remapped, not copied.
        self._rows.resize((n_rows, *self.row_shape), refcheck=False)


class FeatureStack:
    """The features of all rows, from dense or from sparse blocks."""

    def __init__(self) -> None:
        self._dense: Stack | None = None
        self._sparse: list[Sparse] = []

    def append(self, features: NDArray[np.float32] | Sparse) -> None:
        """Add the features of some rows; raises CellError when others were added before."""
        if isinstance(features, Sparse):
            self._sparse.append(features)
        else:
            if self._dense is None:
                self._dense = Stack(np.float32, features.shape[1])
            if self._dense.row_shape != features.shape[1:]:
                before = self._dense.row_shape[0]
                raise CellError(f"rows have {features.shape[1]} features, those before {before}")
            self._dense.append(features)
        if self._sparse and self._dense is not None:
            raise CellError("rows are sparse, those before dense, or the other way round")

    @property
    def writes_index_0(self) -> bool:
        """Whether a sparse row has a feature with the index 0."""
        return any(bool((block.columns == 0).any()) for block in self._sparse)

    def matrix(self, first_index: int, n_features: int | None) -> NDArray[np.float32]:
        """Return all rows, shape (n_rows, n_features).

        Args:
            first_index: what sparse rows call the first feature, 0 or 1.
            n_features: how many features sparse rows have; None for those that are written.

        Raises:
            CellError: sparse rows have more features than `n_features`.
        """
        if self._dense is not None:
            return self._dense.whole()
        written = max(block.n_features for block in self._sparse) - first_index
        if first_index and self.writes_index_0:
            raise CellError("there is the index 0, but the training data count features from 1")
        if written < 1:
            raise CellError("rows have a label and nothing else")
        if n_features is not None and written > n_features:
            raise CellError(f"there are {written} features, in the training data {n_features}")
        return _dense(self._sparse, first_index, n_features or written)


def _dense(blocks: list[Sparse], first_index: int, n_features: int) -> NDArray[np.float32]:
    """Return sparse rows as a matrix, 0 where nothing is written."""
    matrix = np.zeros((sum(len(block.ends) for block in blocks), n_features), dtype=np.float32)
    start = 0
    for block in blocks:
        n_rows = len(block.ends)
        rows = np.repeat(np.arange(n_rows), np.diff(block.ends, prepend=0))
        matrix[start : start + n_rows][rows, block.columns - first_index] = block.values
        start += n_rows
    return matrix
