"""The rows that a tree learns from, in batches: a pass over them can be repeated."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.tables import Table
from histogram.targets import Target

BATCH_ROWS = 65_536
"""What is made of so many rows on the way needs little memory beside a large table."""


@dataclass(frozen=True)
class Batch:
    """Some rows."""

    features: NDArray[np.float32]
    """Shape (n_rows, n_features); NaN where a cell is missing."""

    labels: NDArray[Any]
    """Shape (n_rows,)."""

    weights: NDArray[np.float64] | None
    """Shape (n_rows,); None when each is 1."""


Pass = Callable[[], Iterator[Batch]]
"""Begins another pass over all rows, in the same order."""


@dataclass(frozen=True)
class Total:
    """What all rows weigh."""

    is_weighted: bool
    weight: float

    lightest: float
    """The least weight of a row."""

    unit: float
    """A power of two near the mean weight; dividing by it loses no digit."""


def of_table(table: Table) -> Pass:
    """Return passes over a table; its rows are not copied."""

    def batches() -> Iterator[Batch]:
        for start in range(0, len(table), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            weights = None if table.weights is None else table.weights[rows]
            yield Batch(table.features[rows], table.labels[rows], weights)

    return batches


def weighed(batches: Pass, target: Target) -> Pass:
    """Return passes over the rows with a weight above 0: scikit-learn leaves the others out."""

    def kept() -> Iterator[Batch]:
        for batch in batches():
            weights = target.weigh(batch.labels, batch.weights)
            if weights is None or weights.all():
                yield Batch(batch.features, batch.labels, weights)
            elif weights.any():
                rows = weights > 0
                yield Batch(batch.features[rows], batch.labels[rows], weights[rows])

    return kept


def total(batches: Pass) -> Total:
    """Return what all rows weigh, in one pass over them."""
    n_rows, is_weighted, weight, lightest = 0, False, 0.0, math.inf
    for batch in batches():
        n_rows += len(batch.labels)
        weights = np.ones(len(batch.labels)) if batch.weights is None else batch.weights
        is_weighted |= batch.weights is not None
        weight += float(weights.sum())
        lightest = min(lightest, float(weights.min()))
    unit = 2.0 ** round(math.log2(weight / n_rows)) if n_rows else 1.0
    return Total(is_weighted, weight, lightest, unit)
