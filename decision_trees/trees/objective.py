"""Objectives of a tree: the Gini impurity of classes, or the squared error of numbers.

An objective encodes labels as targets of XGBoost, and sums of them as nodes of scikit-learn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FINENESS = 4096.0
"""Standard deviation of labels in units. XGBoost splits no node for a gain of 1e-6 or less."""

_ROUNDING = 1e-13
"""Part of the mean square below which a variance is a rounding error: all labels are the same."""


class Objective(Protocol):
    """Conversion of labels into targets, and of sums of targets into predictions."""

    @property
    def gain(self) -> float:
        """Gain in XGBoost if the impurity of one row of weight 1 falls by 1."""

    @property
    def n_sums(self) -> int:
        """Number of sums that are kept for a node."""

    @property
    def n_targets(self) -> int:
        """Number of values that XGBoost fits for a row."""

    @property
    def is_weighted(self) -> bool:
        """Whether labels have weights of their own."""

    def encode(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        """Return the targets that XGBoost fits, of shape (n_rows,) or (n_rows, n_targets)."""

    def weigh(self, labels: NDArray[Any], weights: Floats | None, /) -> Floats | None:
        """Return the weight of each row, None if each is 1."""

    def sums(
        self, nodes: NDArray[np.intp], n_nodes: int, labels: NDArray[Any], weights: Floats | None
    ) -> Floats:
        """Return the sums over the rows of each node, shape (n_nodes, n_sums)."""

    def weight(self, sums: Floats) -> Floats:
        """Return the weight of each node, shape (n_nodes,)."""

    def value(self, sums: Floats) -> Floats:
        """Return the prediction of each node, shape (n_nodes, n_values)."""

    def impurity(self, sums: Floats) -> Floats:
        """Return the impurity of each node, shape (n_nodes,); 0 if all labels are the same."""


@dataclass(frozen=True)
class ClassificationObjective:
    """Gini impurity of classes. For two classes it is twice the squared error of one indicator."""

    names: NDArray[Any]
    """All labels, sorted, shape (n_classes,)."""

    class_weights: Floats
    """Shape (n_classes,)."""

    @classmethod
    def of(
        cls,
        names: NDArray[Any],
        counts: NDArray[np.int64],
        class_weight: Mapping[Any, float] | str | None,
    ) -> Self:
        """Return the objective of sorted labels with their numbers of rows.

        Classes are weighted as in scikit-learn; "balanced" is the only text.
        """
        if isinstance(class_weight, str):
            return cls(names, counts.sum() / (len(names) * np.maximum(counts, 1)))
        given = class_weight or {}
        return cls(names, np.array([given.get(name, 1.0) for name in names.tolist()], dtype=float))

    @property
    def gain(self) -> float:
        """Half if one indicator stands for two classes, see the class."""
        return 0.5 if len(self.names) == 2 else 1.0

    @property
    def n_sums(self) -> int:
        """One for each class."""
        return len(self.names)

    @property
    def n_targets(self) -> int:
        """One indicator for two classes, otherwise one for each class."""
        return 1 if len(self.names) == 2 else len(self.names)

    @property
    def is_weighted(self) -> bool:
        """Whether a class has another weight than 1."""
        return not bool((self.class_weights == 1).all())

    def encode(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        """Return the indicator of the last of two classes, otherwise those of all classes."""
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
        """Return the share of each class."""
        return sums / self.weight(sums)[:, np.newaxis]

    def impurity(self, sums: Floats) -> Floats:
        """Return the Gini impurity."""
        impurity: Floats = 1 - (self.value(sums) ** 2).sum(axis=1)
        return impurity

    def _codes(self, labels: NDArray[Any]) -> NDArray[np.intp]:
        return np.searchsorted(self.names, labels)


@dataclass(frozen=True)
class RegressionObjective:
    """Squared error of numbers, in a unit that float32 represents well.

    XGBoost compares the gains of a node as float32, so it loses a gain below a ten-millionth of
    the square of the node's distance from the mean.
    """

    mean: float
    unit: float

    @classmethod
    def of(cls, mean: float, deviation: float) -> Self:
        """Return the objective of labels with a mean and a standard deviation."""
        return cls(mean, deviation / _FINENESS if 0 < deviation < np.inf else 1.0)

    @property
    def gain(self) -> float:
        """The impurity is the square of labels in their original unit."""
        return self.unit**-2

    @property
    def n_sums(self) -> int:
        """Sums of weights, distances and their squares."""
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
        """Return the weights unchanged."""
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
