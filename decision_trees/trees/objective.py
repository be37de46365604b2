"""What a tree is to predict, as XGBoost learns it and as scikit-learn records it in nodes.

The rows that a tree learns from, with the weights that count.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from container.data.dataset import Dataset, Pass
from container.data.table import Table

Floats = NDArray[np.float64]

_FINENESS = 4096.0
"""XGBoost splits no node for a gain of 1e-6 or less, so the unit of labels is made that small."""

_ROUNDING = 1e-13
"""A variance below this part of the mean square is one of rounding: the labels are all the same."""


class Objective(Protocol):
    """How labels become targets, and sums of targets become what a node predicts."""

    @property
    def gain(self) -> float:
        """XGBoost's gain where the impurity of one row of weight 1 falls by 1."""

    @property
    def n_sums(self) -> int:
        """How many sums tell of a node what it predicts."""

    @property
    def n_targets(self) -> int:
        """How many numbers XGBoost fits for a row."""

    @property
    def is_weighted(self) -> bool:
        """Whether labels have weights of their own."""

    def encode(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        """Return what XGBoost fits by squared error: shape (n_rows,) or (n_rows, n_targets)."""

    def weigh(self, labels: NDArray[Any], weights: Floats | None, /) -> Floats | None:
        """Return the weight of each row, None when each is 1."""

    def sums(
        self, nodes: NDArray[np.intp], n_nodes: int, labels: NDArray[Any], weights: Floats | None
    ) -> Floats:
        """Return the sums over the rows of each node, shape (n_nodes, n_sums)."""

    def weight(self, sums: Floats) -> Floats:
        """Return the weight of each node, shape (n_nodes,)."""

    def value(self, sums: Floats) -> Floats:
        """Return what each node predicts, shape (n_nodes, n_values)."""

    def impurity(self, sums: Floats) -> Floats:
        """Return the impurity of each node, shape (n_nodes,); 0 where all labels are the same."""


@dataclass(frozen=True)
class ClassificationObjective:
    """Classes, by Gini: the squared error of their indicators is half of it for each of two."""

    names: NDArray[Any]
    """All labels, sorted, shape (n_classes,)."""

    class_weights: Floats
    """Shape (n_classes,)."""

    @classmethod
    def of(cls, dataset: Dataset, class_weight: Mapping[Any, float] | str | None) -> Self:
        """Return the classes of all rows, weighed as scikit-learn does."""
        names, counts = dataset.classes
        if isinstance(class_weight, str):  # balanced
            return cls(names, len(dataset) / (len(names) * np.maximum(counts, 1)))
        given = class_weight or {}
        return cls(names, np.array([given.get(name, 1.0) for name in names.tolist()], dtype=float))

    @property
    def gain(self) -> float:
        """One indicator tells two classes apart, and has half of their gain."""
        return 0.5 if len(self.names) == 2 else 1.0

    @property
    def n_sums(self) -> int:
        """One for each class."""
        return len(self.names)

    @property
    def n_targets(self) -> int:
        """One indicator for two classes, else one for each."""
        return 1 if len(self.names) == 2 else len(self.names)

    @property
    def is_weighted(self) -> bool:
        """Whether not all classes have the weight 1."""
        return not bool((self.class_weights == 1).all())

    def encode(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        """Return the indicator of the last of two classes, or those of all of more."""
        codes = self._codes(labels)
        if len(self.names) == 2:
            return codes.astype(np.float32)
        indicators = np.zeros((len(codes), len(self.names)), dtype=np.float32)
        indicators[np.arange(len(codes)), codes] = 1
        return indicators

    def weigh(self, labels: NDArray[Any], weights: Floats | None, /) -> Floats | None:
        """Return the weights of rows times those of their classes."""
        if not self.is_weighted:
            return weights
        by_class: Floats = self.class_weights[self._codes(labels)]
        return by_class if weights is None else by_class * weights

    def sums(
        self, nodes: NDArray[np.intp], n_nodes: int, labels: NDArray[Any], weights: Floats | None
    ) -> Floats:
        """Return the weight of each class."""
        n_classes = len(self.names)
        cells = nodes * n_classes + self._codes(labels)
        sums = np.bincount(cells, weights, n_nodes * n_classes)
        return sums.reshape(n_nodes, n_classes).astype(np.float64)

    def weight(self, sums: Floats) -> Floats:
        """Return the weight of all classes."""
        total: Floats = sums.sum(axis=1)
        return total

    def value(self, sums: Floats) -> Floats:
        """Return the part of each class."""
        return sums / self.weight(sums)[:, np.newaxis]

    def impurity(self, sums: Floats) -> Floats:
        """Return the Gini impurity."""
        impurity: Floats = 1 - (self.value(sums) ** 2).sum(axis=1)
        return impurity

    def _codes(self, labels: NDArray[Any]) -> NDArray[np.intp]:
        return np.searchsorted(self.names, labels)


@dataclass(frozen=True)
class RegressionObjective:
    """Numbers, by squared error, in a unit that float32 holds well whatever their size.

    XGBoost compares the gains of a node as float32: what is less than a ten-millionth of the
    square of its distance from the mean is lost to it.
    """

    mean: float
    unit: float

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return the unit for the labels of all rows."""
        spread = dataset.label_moments.deviation
        return cls(dataset.label_moments.mean, spread / _FINENESS if 0 < spread < np.inf else 1.0)

    @property
    def gain(self) -> float:
        """The impurity is the square of numbers as they were written."""
        return self.unit**-2

    @property
    def n_sums(self) -> int:
        """Of weights, distances and their squares."""
        return 3

    @property
    def n_targets(self) -> int:
        """The distance."""
        return 1

    @property
    def is_weighted(self) -> bool:
        """Numbers have no weights of their own."""
        return False

    def encode(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        """Return the distances from the mean."""
        distances: NDArray[np.float32] = self._distances(labels).astype(np.float32)
        return distances

    def weigh(self, _: NDArray[Any], weights: Floats | None, /) -> Floats | None:
        """Return the weights as they are."""
        return weights

    def sums(
        self, nodes: NDArray[np.intp], n_nodes: int, labels: NDArray[Any], weights: Floats | None
    ) -> Floats:
        """Return the sums of the weights, and of the distances from the mean and their squares."""
        distances = self._distances(labels)
        powers = (np.ones(len(labels)), distances, distances**2)
        weighted = powers if weights is None else [power * weights for power in powers]
        return np.stack([np.bincount(nodes, power, n_nodes) for power in weighted], axis=1)

    def weight(self, sums: Floats) -> Floats:
        """Return the first of the sums."""
        return sums[:, 0]

    def value(self, sums: Floats) -> Floats:
        """Return the mean."""
        return sums[:, 1:2] / sums[:, :1] * self.unit + self.mean

    def impurity(self, sums: Floats) -> Floats:
        """Return the variance."""
        square = sums[:, 2] / sums[:, 0]
        variance = square - (sums[:, 1] / sums[:, 0]) ** 2
        return np.where(variance > _ROUNDING * square, variance, 0) * self.unit**2

    def _distances(self, labels: NDArray[Any]) -> Floats:
        distances: Floats = (labels - self.mean) / self.unit
        return distances


@dataclass(frozen=True)
class Total:
    """What all rows weigh, on all hosts."""

    is_weighted: bool
    weight: float

    lightest: float
    """The least weight of a row."""

    unit: float
    """A power of two near the mean weight; dividing by it loses no digit."""


def weighed(batches: Pass, target: Objective) -> Pass:
    """Return passes over the rows with a weight above 0: scikit-learn leaves the others out."""

    def kept() -> Iterator[Table]:
        for batch in batches():
            weights = target.weigh(batch.labels, batch.weights)
            if weights is None or weights.all():
                yield replace(batch, weights=weights)
            elif weights.any():
                yield replace(batch, weights=weights).take(np.flatnonzero(weights))

    return kept


def total(dataset: Dataset, target: Objective) -> Total:
    """Return what all rows weigh: their number, or found in one pass over them."""
    if not dataset.is_weighted and not target.is_weighted:
        return Total(False, float(len(dataset)), 1.0, 1.0)
    sums, lightest = np.zeros(2), np.full(1, math.inf)
    for batch in weighed(dataset.batches, target)():
        weights = np.ones(len(batch)) if batch.weights is None else batch.weights
        sums += (len(batch), weights.sum())
        lightest = np.minimum(lightest, weights.min())
    n_rows, weight = dataset.communicator.sum(sums)
    unit = 2.0 ** round(math.log2(weight / n_rows)) if n_rows else 1.0
    return Total(True, float(weight), float(dataset.communicator.minimum(lightest)[0]), unit)
