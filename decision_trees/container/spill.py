"""Spills: rows that are too many for memory, on the disk as numbers, which are read quickly."""

import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.layout import Layout
from container.tables import Table

_SPARE_BYTES = 1 << 30
"""So much of the disk is left to others."""


class Spill:
    """Batches of rows in a file without a name, which ends with its last user."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sorted = None if layout.labels is None else np.sort(layout.labels)
        self._file, path = tempfile.mkstemp(prefix="rows-")
        Path(path).unlink()
        weakref.finalize(self, os.close, self._file)
        self._n_rows: list[int] = []
        self._is_weighted = False

    def has_room(self) -> bool:
        """Say whether the disk takes more rows."""
        disk = os.fstatvfs(self._file)
        return disk.f_bavail * disk.f_frsize > _SPARE_BYTES

    def write(self, batch: Table) -> None:
        """Append a batch; raises OSError when it cannot be written."""
        self._n_rows.append(len(batch))
        self._is_weighted = batch.weights is not None
        labels: NDArray[Any] = batch.labels
        if self._sorted is not None:
            labels = np.searchsorted(self._sorted, labels).astype(np.int32)
        for values in (batch.features, labels, batch.weights):
            if values is not None:
                _write(self._file, values)

    def __iter__(self) -> Iterator[Table]:
        """Yield the batches as they were written; several may read at once."""
        start = 0

        def read(dtype: DTypeLike, n_values: int) -> NDArray[Any]:
            nonlocal start
            found = os.pread(self._file, n_values * np.dtype(dtype).itemsize, start)
            start += len(found)
            return np.frombuffer(found, dtype)

        n_features = self._layout.n_features
        for n_rows in self._n_rows:
            features = read(np.float32, n_rows * n_features).reshape(n_rows, n_features)
            if self._sorted is None:
                labels = read(np.float64, n_rows)
            else:
                labels = self._sorted[read(np.int32, n_rows)]
            weights = read(np.float64, n_rows) if self._is_weighted else None
            yield self._layout.table(features, labels, weights)


def _write(file: int, values: NDArray[Any]) -> None:
    rest = memoryview(values.tobytes())
    while rest:
        rest = rest[os.write(file, rest) :]
