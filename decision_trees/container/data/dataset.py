"""Datasets: rows that are spread over several hosts or do not fit in memory, read in batches."""

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

from container.data.labels import Moments
from container.data.table import Schema, Table
from container.distributed.communicator import ALONE, Communicator

BATCH_ROWS = 65_536
"""Maximum number of rows in a batch of a dataset."""

_SPARE_BYTES = 1 << 30
"""Free space to leave on the disk, in bytes."""

Pass = Callable[[], Iterator[Table]]
"""Starts another pass over all rows of this host, in the same order each time."""


@dataclass(frozen=True)
class Dataset:
    """Rows of a job on all of its hosts; `batches` yields those of this host."""

    batches: Pass
    schema: Schema
    communicator: Communicator
    n_rows: int
    """On all hosts."""

    label_counts: NDArray[np.int64]
    """Number of rows with each of the schema's labels, on all hosts; empty for numbers."""

    label_moments: Moments
    """Moments of numeric labels on all hosts, without weights."""

    is_weighted: bool
    is_in_memory: bool = True
    """Whether every host has its rows in memory; otherwise each pass reads them again."""

    @classmethod
    def of_table(cls, table: Table, are_numbers: bool) -> "Dataset":
        """Return the rows of a table on this host only, without a copy."""
        schema = Schema.of_table(table, are_numbers)
        return cls.counted(lambda: in_batches(table), schema, ALONE)

    @classmethod
    def counted(cls, batches: Pass, schema: Schema, communicator: Communicator) -> "Dataset":
        """Return rows whose number and labels are counted in a first pass."""
        counts: NDArray[np.int64] = np.zeros(2, dtype=np.int64)
        label_counts: NDArray[np.int64] = np.zeros(schema.n_labels, dtype=np.int64)
        order = np.argsort([] if schema.labels is None else schema.labels)
        moments = Moments()
        for batch in batches():
            counts += (len(batch), batch.weights is not None)
            if schema.labels is None:
                moments.add(batch.labels)
            else:
                places = np.searchsorted(schema.labels, batch.labels, sorter=order)
                np.add.at(label_counts, order[places], 1)
        n_rows, n_weighted = communicator.sum(counts).tolist()
        merged = Moments()
        for found in communicator.gather(asdict(moments), Moments):
            merged.merge(found)
        label_counts = communicator.sum(label_counts)
        return cls(batches, schema, communicator, n_rows, label_counts, merged, n_weighted > 0)

    def __len__(self) -> int:
        return self.n_rows

    @cached_property
    def classes(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The class labels, sorted, and the number of rows with each."""
        if self.schema.labels is None:
            raise TypeError("labels are numbers")
        order = np.argsort(self.schema.labels)
        return self.schema.labels[order], self.label_counts[order]

    def sample(self, n_rows: int) -> Table:
        """Return the first rows of each host, at most `n_rows` of each; the same on all hosts."""
        first = next(self.batches(), self.schema.empty())
        rows = slice(0, n_rows)
        features = np.concatenate(self.communicator.gather_rows(first.features[rows]))
        shares = self.communicator.gather(first.labels[rows].tolist(), list[Any])
        labels = [label for share in shares for label in share]
        dtype = np.float64 if self.schema.labels is None else self.schema.labels.dtype
        return self.schema.table(features, np.array(labels, dtype=dtype), None)


def in_batches(table: Table) -> Iterator[Table]:
    """Yield the rows of a table in batches, without a copy."""
    for start in range(0, len(table), BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        yield Table(
            table.features[rows],
            table.labels[rows],
            None if table.weights is None else table.weights[rows],
            table.feature_names,
            table.libsvm_base,
        )


class SpillFile:
    """Batches of rows on the disk as plain numbers, for fast passes over rows beyond memory.

    The file has no name, so that it is deleted with its last user, even if the process is killed.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._sorted = None if schema.labels is None else np.sort(schema.labels)
        self._file, path = tempfile.mkstemp(prefix="rows-")
        Path(path).unlink()
        weakref.finalize(self, os.close, self._file)
        self._n_rows: list[int] = []
        self._is_weighted = False

    def has_room(self) -> bool:
        """Return whether the disk has room for another batch."""
        disk = os.fstatvfs(self._file)
        return disk.f_bavail * disk.f_frsize > _SPARE_BYTES

    def write(self, batch: Table) -> None:
        """Append a batch; raises OSError if it cannot be written."""
        self._n_rows.append(len(batch))
        self._is_weighted = batch.weights is not None
        labels: NDArray[Any] = batch.labels
        if self._sorted is not None:
            labels = np.searchsorted(self._sorted, labels).astype(np.int32)
        for values in (batch.features, labels, batch.weights):
            if values is not None:
                _write(self._file, values)

    def __iter__(self) -> Iterator[Table]:
        """Yield the batches as they were written; several iterators may read at once."""
        start = 0

        def read(dtype: DTypeLike, n_values: int) -> NDArray[Any]:
            nonlocal start
            found = os.pread(self._file, n_values * np.dtype(dtype).itemsize, start)
            start += len(found)
            return np.frombuffer(found, dtype)

        n_features = self._schema.n_features
        for n_rows in self._n_rows:
            features = read(np.float32, n_rows * n_features).reshape(n_rows, n_features)
            if self._sorted is None:
                labels = read(np.float64, n_rows)
            else:
                labels = self._sorted[read(np.int32, n_rows)]
            weights = read(np.float64, n_rows) if self._is_weighted else None
            yield self._schema.table(features, labels, weights)


def _write(file: int, values: NDArray[Any]) -> None:
    rest = memoryview(values.tobytes())
    while rest:
        rest = rest[os.write(file, rest) :]
