"""Datasets: rows that no host has all of, or that are not in memory; they come in batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.group import ALONE, Group
from container.layout import Layout
from container.tables import Table

BATCH_ROWS = 65_536
"""What is made of so many rows on the way needs little memory beside a large table."""

Pass = Callable[[], Iterator[Table]]
"""Begins another pass over all rows of this host, in the same order each time."""


@dataclass(frozen=True)
class Dataset:
    """The rows of a job or of a part of it, on all of its hosts."""

    batches: Pass
    layout: Layout
    group: Group = ALONE

    n_rows: int = 0
    """On all hosts."""

    is_weighted: bool = False

    label_counts: NDArray[np.int64] | None = None
    """On all hosts, how many rows have each of the layout's labels; None for numbers."""

    label_mean: float = 0.0
    label_deviation: float = 0.0
    """Of all hosts' labels when they are numbers, without weights; 0 for classes."""

    @classmethod
    def of_table(cls, table: Table, are_numbers: bool) -> "Dataset":
        """Return the rows of a table that is all there is; they are not copied."""
        layout = Layout.of_table(table, are_numbers)
        return cls.of_share(table, layout, ALONE)

    @classmethod
    def of_share(cls, table: Table, layout: Layout, group: Group) -> "Dataset":
        """Return the rows of which each host has some in a table of its own."""
        counts = deviation = None
        n_rows = int(group.sum(np.array([len(table)]))[0])
        mean = 0.0
        if layout.labels is not None:
            counts = group.sum(_counts(table.labels, layout.labels))
        else:
            mean = float(group.sum(np.array([table.labels.sum()]))[0]) / max(n_rows, 1)
            squares = group.sum(np.array([((table.labels - mean) ** 2).sum()]))
            deviation = float(np.sqrt(squares[0] / max(n_rows, 1)))
        weighted = group.maximum(np.array([table.weights is not None]))
        return cls(
            lambda: in_batches(table),
            layout,
            group,
            n_rows,
            bool(weighted[0]),
            counts,
            mean,
            deviation or 0.0,
        )

    def __len__(self) -> int:
        return self.n_rows

    @cached_property
    def classes(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The labels, sorted, and how many rows have each; for classes only."""
        if self.layout.labels is None or self.label_counts is None:
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
