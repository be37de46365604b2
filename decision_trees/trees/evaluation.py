"""Metrics of a decision tree: on a table, or on batches from the sums over each leaf's rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

from container.data.dataset import Dataset
from container.data.table import Table

SLICE_ROWS = 65_536
"""Number of rows whose probabilities are computed at once."""


def of_table(estimator: Any, table: Table) -> Mapping[str, float]:
    """Return the weighted metrics of an estimator by name; none if all weights are 0."""
    if table.weights is not None and not table.weights.any():
        return {}
    if not is_classifier(estimator):
        return _of_numbers(table, estimator.predict(table.features))
    labels = np.searchsorted(estimator.classes_, table.labels)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    return _of_classes(labels, weights, lambda rows: estimator.predict_proba(table.features[rows]))


def of_dataset(estimator: Any, dataset: Dataset) -> Mapping[str, float]:
    """Return the same metrics of a fitted tree, on the rows of all hosts."""
    if not is_classifier(estimator):
        return _of_number_batches(estimator, dataset)
    found = _cells(estimator, dataset)
    if not len(found.labels):
        return {}
    return _of_classes(found.labels, found.weights, lambda rows: found.probabilities[rows])


def _of_classes(
    labels: NDArray[np.intp],
    weights: NDArray[np.float64],
    probabilities_of: Callable[[slice], NDArray[np.float64]],
) -> dict[str, float]:
    """Return the metrics of rows, not all of weight 0; labels are indices of the classes."""
    # In slices: the probabilities of all rows of a large table need more memory than its fit.
    found, last = np.empty(len(labels), dtype=np.intp), np.empty(len(labels))
    loss = 0.0
    for start in range(0, len(labels), SLICE_ROWS):
        rows = slice(start, start + SLICE_ROWS)
        probabilities = probabilities_of(rows)
        indices = range(probabilities.shape[1])
        found[rows], last[rows] = probabilities.argmax(axis=1), probabilities[:, -1]
        if weights[rows].any():
            loss += log_loss(
                labels[rows],
                probabilities,
                labels=indices,
                sample_weight=weights[rows],
                normalize=False,
            )
    present, macro = np.unique(labels[weights > 0]), {"average": "macro", "zero_division": 0.0}
    metrics = {
        "accuracy": accuracy_score(labels, found, sample_weight=weights),
        "balanced_accuracy": recall_score(
            labels, found, labels=present, sample_weight=weights, **macro
        ),
        "f1_macro": f1_score(labels, found, sample_weight=weights, **macro),
        "log_loss": loss / weights.sum(),
    }
    if len(indices) == len(present) == 2:
        metrics["roc_auc"] = roc_auc_score(labels, last, sample_weight=weights)
    return {name: float(value) for name, value in metrics.items()}


def _of_numbers(table: Table, found: NDArray[np.float64]) -> dict[str, float]:
    weighted = {"sample_weight": table.weights}
    metrics = {
        "rmse": root_mean_squared_error(table.labels, found, **weighted),
        "mae": mean_absolute_error(table.labels, found, **weighted),
    }
    if len(table) > 1:
        metrics["r2"] = r2_score(table.labels, found, **weighted)
    return {name: float(value) for name, value in metrics.items()}


@dataclass(frozen=True)
class _Cells:
    """Rows of all hosts, one cell for each leaf and label."""

    labels: NDArray[np.intp]
    """Shape (n_cells,), as indices of `classes_`."""

    probabilities: NDArray[np.float64]
    """Shape (n_cells, n_classes)."""

    weights: NDArray[np.float64]
    """Sum over the rows of each cell, shape (n_cells,)."""


def _cells(estimator: Any, dataset: Dataset) -> _Cells:
    """Return the cells of a fitted DecisionTreeClassifier whose weight is not 0."""
    n_classes = len(estimator.classes_)
    sums = np.zeros(estimator.tree_.node_count * n_classes)
    for batch in dataset.batches():
        labels = np.searchsorted(estimator.classes_, batch.labels)
        places = estimator.apply(batch.features) * n_classes + labels
        sums += np.bincount(places, batch.weights, len(sums))
    sums = dataset.communicator.sum(sums)
    (places,) = np.nonzero(sums)
    leaves, labels = np.divmod(places, n_classes)
    return _Cells(labels, estimator.tree_.value[leaves, 0, :], sums[places])


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
