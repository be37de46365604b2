"""Datasets: rows that no host has all of, or that are not in memory; they come in batches.

Spills: rows that are too many for memory, on the disk as numbers, which are read quickly.
"""

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.data.reading import BATCH_ROWS
from container.data.summary import Moments
from container.data.table import Schema, Table
from container.distributed.communicator import ALONE, Communicator

Pass = Callable[[], Iterator[Table]]
"""Begins another pass over all rows of this host, in the same order each time."""


@dataclass(frozen=True)
class Dataset:
    """The rows of a job or of a part of it, on all of its hosts."""

    batches: Pass
    layout: Schema
    group: Communicator
    n_rows: int
    """On all hosts."""

    label_counts: NDArray[np.int64]
    """On all hosts, how many rows have each of the layout's labels; empty for numbers."""

    numbers: Moments
    """Of all hosts' labels when they are numbers, without weights."""

    is_weighted: bool
    is_in_memory: bool = True
    """Whether every host has its rows in memory; else each pass reads them again."""

    @classmethod
    def of_table(cls, table: Table, are_numbers: bool) -> "Dataset":
        """Return the rows of a table that is all there is; they are not copied."""
        layout = Schema.of_table(table, are_numbers)
        return cls.counted(lambda: in_batches(table), layout, ALONE)

    @classmethod
    def counted(cls, batches: Pass, layout: Schema, group: Communicator) -> "Dataset":
        """Return rows of which nothing is known yet, after a pass over them."""
        counts: NDArray[np.int64] = np.zeros(2, dtype=np.int64)
        label_counts: NDArray[np.int64] = np.zeros(layout.n_labels, dtype=np.int64)
        numbers = Moments()
        for batch in batches():
            counts += (len(batch), batch.weights is not None)
            if layout.labels is None:
                numbers.add(batch.labels)
            else:
                label_counts += _counts(batch.labels, layout.labels)
        n_rows, n_weighted = group.sum(counts).tolist()
        merged = Moments()
        for found in group.gather(asdict(numbers)):
            merged.merge(Moments(**found))
        label_counts = group.sum(label_counts)
        return cls(batches, layout, group, n_rows, label_counts, merged, n_weighted > 0)

    def __len__(self) -> int:
        return self.n_rows

    @cached_property
    def classes(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The labels, sorted, and how many rows have each; for classes only."""
        if self.layout.labels is None:
            raise TypeError("labels are numbers")
        order = np.argsort(self.layout.labels)
        return self.layout.labels[order], self.label_counts[order]

    def sample(self, n_rows: int) -> Table:
        """Return the first rows of each host, `n_rows` at most of each, the same on all hosts."""
        first = next(self.batches(), self.layout.empty())
        rows = slice(0, n_rows)
        given = [first.features[rows].tolist(), first.labels[rows].tolist()]
        shares = self.group.gather(given)
        features = [row for share in shares for row in share[0]]
        labels = [label for share in shares for label in share[1]]
        dtype = np.float64 if self.layout.labels is None else self.layout.labels.dtype
        return self.layout.table(
            np.array(features, dtype=np.float32).reshape(-1, self.layout.n_features),
            np.array(labels, dtype=dtype),
            None,
        )


def in_batches(table: Table) -> Iterator[Table]:
    """Yield the rows of a table, some at a time; they are not copied."""
    for start in range(0, len(table), BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        yield Table(
            table.features[rows],
            table.labels[rows],
            None if table.weights is None else table.weights[rows],
            table.feature_names,
            table.libsvm_base,
        )


def _counts(labels: NDArray[Any], distinct: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many of `labels` are each of `distinct`."""
    order = np.argsort(distinct)
    codes = order[np.searchsorted(distinct, labels, sorter=order)]
    return np.bincount(codes, minlength=len(distinct)).astype(np.int64)


_SPARE_BYTES = 1 << 30
"""So much of the disk is left to others."""


class Spill:
    """Batches of rows in a file without a name, which ends with its last user."""

    def __init__(self, layout: Schema) -> None:
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
