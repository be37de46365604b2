"""The rows that a tree learns from, with the weights that count."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from container.dataset import Dataset, Pass
from container.tables import Table
from histogram.targets import Target


@dataclass(frozen=True)
class Total:
    """What all rows weigh, on all hosts."""

    is_weighted: bool
    weight: float

    lightest: float
    """The least weight of a row."""

    unit: float
    """A power of two near the mean weight; dividing by it loses no digit."""


def weighed(batches: Pass, target: Target) -> Pass:
    """Return passes over the rows with a weight above 0: scikit-learn leaves the others out."""

    def kept() -> Iterator[Table]:
        for batch in batches():
            weights = target.weigh(batch.labels, batch.weights)
            if weights is None or weights.all():
                yield replace(batch, weights=weights)
            elif weights.any():
                yield replace(batch, weights=weights).take(np.flatnonzero(weights))

    return kept


def total(dataset: Dataset, target: Target) -> Total:
    """Return what all rows weigh: their number, or found in one pass over them."""
    if not dataset.is_weighted and not target.is_weighted:
        return Total(False, float(len(dataset)), 1.0, 1.0)
    sums, lightest = np.zeros(2), np.full(1, math.inf)
    for batch in weighed(dataset.batches, target)():
        weights = np.ones(len(batch)) if batch.weights is None else batch.weights
        sums += (len(batch), weights.sum())
        lightest = np.minimum(lightest, weights.min())
    n_rows, weight = dataset.group.sum(sums)
    unit = 2.0 ** round(math.log2(weight / n_rows)) if n_rows else 1.0
    return Total(True, float(weight), float(dataset.group.minimum(lightest)[0]), unit)
