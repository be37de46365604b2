"""Bins: the values of each feature between which a tree may split.

For a feature of few values these are all of its values, otherwise the quantiles of a sample. The
sample depends on the cells of the rows only, not on their order or their hosts, so any number of
hosts grows the same tree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.data.dataset import Dataset
from container.distributed.communicator import Communicator

SAMPLE_ROWS = 65_536
_ROWS_PER_BIN = 16
_PROBE_ROWS = 4096
_TOO_MANY = -1

Features = NDArray[np.float32]
Hashes = NDArray[np.uint64]


def reference(rows: Dataset, max_bins: int) -> Features:
    """Return rows, shape (n, n_features), whose quantiles are the bins of all rows, in one pass.

    A column has each value of its feature once if there are at most `max_bins`, otherwise a
    sample of them; it is padded with NaN.
    """
    n_features = rows.schema.n_features
    sample = _Sample(n_features, max(SAMPLE_ROWS, _ROWS_PER_BIN * max_bins))
    values = [_Values(max_bins) for _ in range(n_features)]
    for batch in rows.batches():
        sample.add(batch.features, _hashes(batch.features))
        for column, found in zip(batch.features.T, values, strict=True):
            found.add(column)
    sample.merge(rows.communicator)
    sample.set(_merged(values, rows.communicator, max_bins))
    return sample.features


class _Sample:
    """Sample without duplicates: the rows with the smallest hashes."""

    def __init__(self, n_features: int, n_rows: int) -> None:
        self.features: Features = np.empty((0, n_features), dtype=np.float32)
        self._hashes: Hashes = np.empty(0, dtype=np.uint64)
        self._n_rows = n_rows

    def add(self, features: Features, hashes: Hashes) -> None:
        """Add rows."""
        if len(self._hashes) == self._n_rows:
            (fitting,) = np.nonzero(hashes < self._hashes[-1])
            features, hashes = features[fitting], hashes[fitting]
        if not len(hashes):
            return
        both = np.concatenate([self._hashes, hashes])
        _, kept = np.unique(both, return_index=True)
        kept = kept[: self._n_rows]
        self._hashes = both[kept]
        self.features = np.concatenate([self.features, features])[kept]

    def merge(self, communicator: Communicator) -> None:
        """Merge the samples of all hosts."""
        found = (
            communicator.gather_rows(self._hashes),
            communicator.gather_rows(self.features),
        )
        for hashes, features in zip(*found, strict=True):
            self.add(features, hashes)

    def set(self, columns: list[Features | None]) -> None:
        """Replace the columns that have values."""
        longest = max(0 if values is None else len(values) for values in columns)
        missing = max(0, longest - len(self.features))
        self.features = np.pad(self.features, ((0, missing), (0, 0)), constant_values=np.nan)
        for column, values in enumerate(columns):
            if values is not None:
                self.features[:, column] = np.nan
                self.features[: len(values), column] = values


class _Values:
    """Distinct values of a feature, None if there are too many."""

    def __init__(self, most: int) -> None:
        self.distinct: Features | None = np.empty(0, dtype=np.float32)
        self._most = most

    def add(self, column: Features) -> None:
        """Add values."""
        for part in (column[:_PROBE_ROWS], column[_PROBE_ROWS:]):
            if self.distinct is not None:
                found = np.unique(np.concatenate([self.distinct, part[~np.isnan(part)]]))
                self.distinct = found if len(found) <= self._most else None


def _merged(values: list[_Values], communicator: Communicator, most: int) -> list[Features | None]:
    """Return the distinct values of each feature on all hosts, None if there are too many."""
    known = [found.distinct for found in values]
    own = [_TOO_MANY if found is None else len(found) for found in known]
    sizes = communicator.gather(own, list[int])
    content = [np.empty(0, np.float32), *(found for found in known if found is not None)]
    merged = [_Values(most) for _ in values]
    contents = communicator.gather_rows(np.concatenate(content))
    for of_host, rows in zip(sizes, contents, strict=True):
        ends = np.cumsum([max(size, 0) for size in of_host])
        columns = np.split(rows, ends[:-1])
        for found, size, column in zip(merged, of_host, columns, strict=True):
            if size == _TOO_MANY:
                found.distinct = None
            else:
                found.add(column)
    return [found.distinct for found in merged]


def _hashes(features: Features) -> Hashes:
    """Return a hash of each row; rows with the same cells have the same hash."""
    random = np.random.default_rng(0)
    factors = random.integers(0, 2**63, features.shape[1], dtype=np.uint64) * 2 + 1
    sums: Any = np.ascontiguousarray(features).view(np.uint32) @ factors
    sums ^= sums >> np.uint64(32)
    sums *= np.uint64(0x9E3779B97F4A7C15)
    hashes: Hashes = sums ^ (sums >> np.uint64(29))
    return hashes
