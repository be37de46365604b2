"""Histogram engine: XGBoost grows one tree on quantised rows for an estimator of scikit-learn."""

import logging
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from container.data.dataset import Dataset, Pass
from container.data.table import Table
from container.errors import HyperparameterError, TrainingDataError
from trees.engine_choice import refusals
from trees.node_statistics import Counts, Nodes, count
from trees.objective import ClassificationObjective, Objective, RegressionObjective
from trees.sklearn_tree import tree_of

logger = logging.getLogger(__name__)

_EPSILON = np.finfo(np.float64).eps  # scikit-learn takes a smaller impurity for 0

_BELOW_ROUNDING = 1 - 1e-6
"""Factor of XGBoost's least gain: its float32 must not end a growth that the exact rule allows."""


@dataclass(frozen=True)
class _Total:
    """Weight of all rows, on all hosts."""

    is_weighted: bool
    weight: float

    lightest: float
    """Minimum weight of a row."""

    unit: float
    """A power of two near the mean weight; dividing by it loses no digit."""


def fit(estimator: Any, dataset: Dataset, max_bins: int) -> Any:
    """Fit an estimator as its own `fit` does, but with at most `max_bins` values a feature.

    If features have no more values than that, each split is one of the best. A node that no split
    improves is a leaf, while scikit-learn splits it anyway.

    Args:
        estimator: a DecisionTreeClassifier or DecisionTreeRegressor, not fitted.
        dataset: the training rows; all hosts get the same tree.
        max_bins: maximum number of distinct values of a feature.

    Raises:
        HyperparameterError: the engine does not have the estimator's parameters.
        TrainingDataError: all weights are 0.
    """
    refused = refusals(estimator, dataset.is_weighted)
    if refused:
        one = "" if len(dataset.communicator) == 1 else " on one host"
        raise HyperparameterError(
            f"The engine histogram cannot grow this tree: {'; '.join(refused)}. Leave that out, or "
            f"set engine to exact{one}."
        )
    nodes, counts, objective = _grow(estimator, dataset, max_bins)
    n_features = dataset.schema.n_features
    _finish(estimator, tree_of(nodes, counts, objective, n_features), objective, n_features)
    return estimator


def _grow(estimator: Any, dataset: Dataset, max_bins: int) -> tuple[Nodes, Counts, Objective]:
    """Return the final nodes, the statistics of their rows, and the objective."""
    from trees import growth  # imported here: only this engine needs XGBoost

    objective = _objective(estimator, dataset)
    total = _total(dataset, objective)
    if not total.weight:
        raise TrainingDataError(
            "All rows or their classes have the weight 0, so no row counts; check the "
            "hyperparameters weight and class_weight."
        )
    gain = estimator.min_impurity_decrease * total.weight / total.unit * objective.gain
    n_rows = len(dataset)
    limits = growth.Limits(
        max_bins=max_bins,
        max_depth=estimator.max_depth,
        max_leaves=estimator.max_leaf_nodes,
        leaf_weight=_leaf_weight(estimator, n_rows, total),
        gain=gain * _BELOW_ROUNDING,
    )
    rows = replace(dataset, batches=_weighted(dataset.batches, objective))
    nodes = growth.grow(rows, objective, limits, total.unit)
    counts = count(nodes, objective, rows)
    if len(dataset.communicator) > 1:
        logger.info("grown: %d nodes, checksum %08x", len(nodes), _checksum(nodes, counts))
    return nodes.cut(_ended(estimator, n_rows, nodes, (objective, counts))), counts, objective


def _checksum(nodes: Nodes, counts: Counts) -> int:
    """Return a number to compare the trees of all hosts by; they must be the same."""
    arrays = (nodes.left, nodes.right, nodes.feature, nodes.bound, counts.rows, counts.sums)
    return zlib.crc32(b"".join(array.tobytes() for array in arrays))


def _objective(estimator: Any, dataset: Dataset) -> Objective:
    if is_classifier(estimator):
        return ClassificationObjective.of(*dataset.classes, estimator.class_weight)
    moments = dataset.label_moments
    return RegressionObjective.of(moments.mean, moments.deviation)


def _total(dataset: Dataset, objective: Objective) -> _Total:
    """Return the weight of all rows: their number, or a sum over one pass."""
    if not dataset.is_weighted and not objective.is_weighted:
        return _Total(False, float(len(dataset)), 1.0, 1.0)
    sums, lightest = np.zeros(2), np.full(1, math.inf)
    for batch in _weighted(dataset.batches, objective)():
        weights = np.ones(len(batch)) if batch.weights is None else batch.weights
        sums += (len(batch), weights.sum())
        lightest = np.minimum(lightest, weights.min())
    n_rows, weight = dataset.communicator.sum(sums)
    unit = 2.0 ** round(math.log2(weight / n_rows)) if n_rows else 1.0
    return _Total(True, float(weight), float(dataset.communicator.minimum(lightest)[0]), unit)


def _weighted(batches: Pass, objective: Objective) -> Pass:
    """Return passes over the rows with a weight above 0: scikit-learn leaves out the others."""

    def kept() -> Iterator[Table]:
        for batch in batches():
            weights = objective.weigh(batch.labels, batch.weights)
            if weights is None or weights.all():
                yield replace(batch, weights=weights)
            elif weights.any():
                yield replace(batch, weights=weights).take(np.flatnonzero(weights))

    return kept


def _leaf_weight(estimator: Any, n_rows: int, total: _Total) -> float:
    """Return the minimum weight of a leaf in units; a row without a weight weighs 1."""
    part = float(estimator.min_weight_fraction_leaf) * total.weight
    if not total.is_weighted:
        return max(_number(estimator.min_samples_leaf, n_rows), math.ceil(part))
    # Half of the lightest row: after rounding, the sum of no row at all may be above 0.
    return max(part, total.lightest / 2) / total.unit


def _number(count_or_fraction: float, n_rows: int) -> int:
    """Return a number of rows that is given as a number, or as a fraction of all rows."""
    if isinstance(count_or_fraction, int):
        return count_or_fraction
    return math.ceil(count_or_fraction * n_rows)


def _ended(
    estimator: Any, n_rows: int, nodes: Nodes, known: tuple[Objective, Counts]
) -> NDArray[np.bool_]:
    """Return for each node whether it is a leaf in scikit-learn.

    Only the rows of a node decide that, so nodes below it can be cut off after the growth.
    """
    objective, counts = known
    with np.errstate(invalid="ignore"):  # rounding may leave a node without rows
        impurity = objective.impurity(counts.sums)
    weight = objective.weight(counts.sums)
    lost = np.nan_to_num(weight * impurity)
    decrease = (lost - lost[nodes.left] - lost[nodes.right]) / weight[0]
    ended: NDArray[np.bool_] = (
        (impurity <= _EPSILON)
        | (counts.rows < _number(estimator.min_samples_split, n_rows))
        | (decrease + _EPSILON < estimator.min_impurity_decrease)
        | (np.minimum(counts.rows[nodes.left], counts.rows[nodes.right]) == 0)
    )
    return ended


def _finish(estimator: Any, tree: Any, objective: Objective, n_features: int) -> None:
    """Set the attributes that the estimator's own `fit` sets."""
    estimator.n_features_in_ = estimator.max_features_ = n_features
    estimator.n_outputs_ = 1
    if isinstance(objective, ClassificationObjective):
        estimator.classes_ = objective.names
        estimator.n_classes_ = np.intp(len(objective.names))
    estimator.tree_ = tree
    estimator._prune_tree()  # noqa: SLF001 - the last step of its `fit`, for ccp_alpha
