"""Metrics of a decision tree: on a table, or on batches from the sums over each leaf's rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

from container.data.dataset import Dataset
from container.data.table import Table


def of_table(estimator: Any, table: Table) -> Mapping[str, float]:
    """Return the weighted metrics of an estimator by name; none if all weights are 0."""
    if table.weights is not None and not table.weights.any():
        return {}
    if not is_classifier(estimator):
        return _of_numbers(table, estimator.predict(table.features))
    labels = np.searchsorted(estimator.classes_, table.labels)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    return _of_classes(estimator, _Cells(estimator.apply(table.features), labels, weights))


def of_dataset(estimator: Any, dataset: Dataset) -> Mapping[str, float]:
    """Return the same metrics of a fitted tree, on the rows of all hosts."""
    if not is_classifier(estimator):
        return _of_number_batches(estimator, dataset)
    found = _cells(estimator, dataset)
    return _of_classes(estimator, found) if len(found.weights) else {}


@dataclass(frozen=True)
class _Cells:
    """Rows that are counted together: those of one leaf and one label, or a single row."""

    leaves: NDArray[np.intp]
    """Shape (n_cells,), as nodes of the tree."""

    labels: NDArray[np.intp]
    """Shape (n_cells,), as indices of `classes_`."""

    weights: NDArray[np.float64]
    """Shape (n_cells,)."""


def _of_classes(estimator: Any, cells: _Cells) -> dict[str, float]:
    """Return the metrics of cells, not all of weight 0.

    Answers are looked up by leaf: the probabilities of all rows would take rows x classes.
    """
    labels, shares = cells.labels, estimator.tree_.value[:, 0, :]
    weighted = {"sample_weight": cells.weights}
    found = shares.argmax(axis=1)[cells.leaves]
    present, macro = (
        np.unique(labels[cells.weights > 0]),
        {"average": "macro", "zero_division": 0.0},
    )
    metrics = {
        "accuracy": accuracy_score(labels, found, **weighted),
        "balanced_accuracy": recall_score(labels, found, labels=present, **macro, **weighted),
        "f1_macro": f1_score(labels, found, **macro, **weighted),
        "log_loss": _log_loss(shares[cells.leaves, labels], cells.weights),
    }
    if shares.shape[1] == len(present) == 2:
        metrics["roc_auc"] = roc_auc_score(labels, shares[cells.leaves, 1], **weighted)
    return {name: float(value) for name, value in metrics.items()}


def _log_loss(shares: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the log loss by the probability of each true label, clipped as in scikit-learn."""
    smallest = np.finfo(np.float64).eps
    return float(np.average(-np.log(np.clip(shares, smallest, 1 - smallest)), weights=weights))


def _of_numbers(table: Table, found: NDArray[np.float64]) -> dict[str, float]:
    weighted = {"sample_weight": table.weights}
    metrics = {
        "rmse": root_mean_squared_error(table.labels, found, **weighted),
        "mae": mean_absolute_error(table.labels, found, **weighted),
    }
    if len(table) > 1:
        metrics["r2"] = r2_score(table.labels, found, **weighted)
    return {name: float(value) for name, value in metrics.items()}


def _cells(estimator: Any, dataset: Dataset) -> _Cells:
    """Return the cells of a fitted DecisionTreeClassifier whose weight is not 0."""
    n_classes = len(estimator.classes_)
    sums = np.zeros(estimator.tree_.node_count * n_classes)
    for batch in dataset.batches():
        labels = np.searchsorted(estimator.classes_, batch.labels)
        cells = estimator.apply(batch.features) * n_classes + labels
        places, found = np.unique(cells, return_inverse=True)
        sums[places] += np.bincount(found, batch.weights)
    sums = dataset.communicator.sum(sums)
    (places,) = np.nonzero(sums)
    return _Cells(*np.divmod(places, n_classes), sums[places])


def _of_number_batches(estimator: Any, dataset: Dataset) -> Mapping[str, float]:
    """Return the errors of a fitted DecisionTreeRegressor by name; none if all weights are 0."""
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
    """Return sums of weights, and weighted sums of errors and of distances from the root's mean."""
    weights = np.ones(len(batch)) if batch.weights is None else batch.weights
    errors = np.abs(batch.labels - estimator.predict(batch.features))
    distances = batch.labels - estimator.tree_.value[0, 0, 0]
    terms = (np.ones(len(batch)), errors, errors**2, distances, distances**2)
    return np.array([(weights * term).sum() for term in terms])
