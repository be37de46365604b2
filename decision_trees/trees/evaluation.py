"""What is measured of a tree on rows that come in batches, from sums over the rows of each leaf."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.data.dataset import Dataset
from container.data.table import Table


@dataclass(frozen=True)
class Cells:
    """The rows of all hosts that are in one leaf and have one label, put together."""

    labels: NDArray[np.intp]
    """Shape (n_cells,), as indices of `classes_`."""

    probabilities: NDArray[np.float64]
    """Shape (n_cells, n_classes)."""

    weights: NDArray[np.float64]
    """Shape (n_cells,), of all rows of a cell."""


def cells(estimator: Any, dataset: Dataset) -> Cells:
    """Return the cells that have a weight, of a fitted DecisionTreeClassifier."""
    n_classes = len(estimator.classes_)
    sums = np.zeros(estimator.tree_.node_count * n_classes)
    for batch in dataset.batches():
        labels = np.searchsorted(estimator.classes_, batch.labels)
        places = estimator.apply(batch.features) * n_classes + labels
        sums += np.bincount(places, batch.weights, len(sums))
    sums = dataset.communicator.sum(sums)
    (places,) = np.nonzero(sums)
    leaves, labels = np.divmod(places, n_classes)
    return Cells(labels, estimator.tree_.value[leaves, 0, :], sums[places])


def of_numbers(estimator: Any, dataset: Dataset) -> Mapping[str, float]:
    """Return the errors of a fitted DecisionTreeRegressor by name; none where no row counts."""
    sums = np.zeros(5)
    for batch in dataset.batches():
        sums += _sums(estimator, batch)
    weight, absolute, square, distance, spread = dataset.communicator.sum(sums).tolist()
    if not weight:
        return {}
    metrics = {"rmse": float(np.sqrt(square / weight)), "mae": absolute / weight}
    if len(dataset) > 1:
        total = spread - distance**2 / weight
        metrics["r2"] = 1 - square / total if total > 0 else float(not square)
    return metrics


def _sums(estimator: Any, batch: Table) -> NDArray[np.float64]:
    """Return the sums of weights and, weighed, of errors and of distances from the root's mean."""
    weights = np.ones(len(batch)) if batch.weights is None else batch.weights
    errors = np.abs(batch.labels - estimator.predict(batch.features))
    distances = batch.labels - estimator.tree_.value[0, 0, 0]
    terms = (np.ones(len(batch)), errors, errors**2, distances, distances**2)
    return np.array([(weights * term).sum() for term in terms])
