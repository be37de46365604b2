"""The histogram engine: XGBoost grows the tree, scikit-learn's estimator gets it."""

import logging
import math
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from container.dataset import Dataset
from container.errors import HyperparameterError, TrainingDataError
from histogram.counts import Counts, count
from histogram.nodes import Nodes
from histogram.rebuild import tree_of
from histogram.refusals import refusals
from histogram.rows import Total, total, weighed
from histogram.targets import Classes, Numbers, Target

logger = logging.getLogger(__name__)

_EPSILON = np.finfo(np.float64).eps  # below this, scikit-learn takes an impurity for 0

_BELOW_ROUNDING = 1 - 1e-6
"""XGBoost's float32 ends no growth that the exact rule, applied afterwards, would not end."""


def fit(estimator: Any, dataset: Dataset, max_bins: int) -> Any:
    """Fit an estimator as its own `fit` would, but with at most `max_bins` values a feature.

    Where features have no more values than that, each split is one of the best. A node that no
    split improves is a leaf, where scikit-learn would go on with any split.

    Args:
        estimator: a DecisionTreeClassifier or DecisionTreeRegressor, not fitted.
        dataset: the rows to learn from; every host gets the same tree.
        max_bins: how many values of a feature are told apart.

    Raises:
        HyperparameterError: the estimator's parameters ask for what the engine cannot do.
        TrainingDataError: no row has a weight.
    """
    refused = refusals(estimator, dataset.is_weighted)
    if refused:
        one = "" if len(dataset.group) == 1 else " on one host"
        raise HyperparameterError(
            f"The engine histogram cannot grow this tree: {'; '.join(refused)}. Leave that out, or "
            f"set engine to exact{one}."
        )
    nodes, counts, target = _grow(estimator, dataset, max_bins)
    n_features = dataset.layout.n_features
    _finish(estimator, tree_of(nodes, counts, target, n_features), target, n_features)
    return estimator


def _grow(estimator: Any, dataset: Dataset, max_bins: int) -> tuple[Nodes, Counts, Target]:
    """Return a tree as it is to be, what the rows tell of its nodes, and what they predict."""
    from histogram import growth  # only now: it loads XGBoost, which nothing else needs

    target = _target(estimator, dataset)
    all_rows = total(dataset, target)
    if not all_rows.weight:
        raise TrainingDataError(
            "All rows or their classes have the weight 0, which leaves nothing to learn from; "
            "check the hyperparameters weight and class_weight."
        )
    gain = estimator.min_impurity_decrease * all_rows.weight / all_rows.unit * target.gain
    n_rows = len(dataset)
    limits = growth.Limits(
        max_bins=max_bins,
        max_depth=estimator.max_depth,
        max_leaves=estimator.max_leaf_nodes,
        leaf_weight=_leaf_weight(estimator, n_rows, all_rows),
        gain=gain * _BELOW_ROUNDING,
    )
    rows = replace(dataset, batches=weighed(dataset.batches, target))
    nodes = growth.grow(rows, target, limits, all_rows.unit)
    counts = count(nodes, target, rows)
    if len(dataset.group) > 1:
        logger.info("grown: %d nodes, checksum %08x", len(nodes), _checksum(nodes, counts))
    return nodes.cut(_ended(estimator, n_rows, nodes, (target, counts))), counts, target


def _checksum(nodes: Nodes, counts: Counts) -> int:
    """Return a number that is the same on all hosts: each has the same tree."""
    arrays = (nodes.left, nodes.right, nodes.feature, nodes.bound, counts.rows, counts.sums)
    return zlib.crc32(b"".join(array.tobytes() for array in arrays))


def _target(estimator: Any, dataset: Dataset) -> Target:
    if is_classifier(estimator):
        return Classes.of(dataset, estimator.class_weight)
    return Numbers.of(dataset)


def _leaf_weight(estimator: Any, n_rows: int, all_rows: Total) -> float:
    """Return the least weight of a leaf in units; rows without weights weigh 1, and are counted."""
    part = float(estimator.min_weight_fraction_leaf) * all_rows.weight
    if not all_rows.is_weighted:
        return max(_number(estimator.min_samples_leaf, n_rows), math.ceil(part))
    # Half of what a row weighs at least: rounding may leave less where there is no row at all.
    return max(part, all_rows.lightest / 2) / all_rows.unit


def _number(count_or_fraction: float, n_rows: int) -> int:
    """Return a number of rows that is given as such, or as a fraction of all."""
    if isinstance(count_or_fraction, int):
        return count_or_fraction
    return math.ceil(count_or_fraction * n_rows)


def _ended(
    estimator: Any, n_rows: int, nodes: Nodes, known: tuple[Target, Counts]
) -> NDArray[np.bool_]:
    """Say of each node whether scikit-learn would not have split it.

    A node's own rows decide that, so what grew below it can be cut off afterwards.
    """
    target, counts = known
    with np.errstate(invalid="ignore"):  # a node without rows, which only rounding can make
        impurity = target.impurity(counts.sums)
    weight = target.weight(counts.sums)
    lost = np.nan_to_num(weight * impurity)
    decrease = (lost - lost[nodes.left] - lost[nodes.right]) / weight[0]
    ended: NDArray[np.bool_] = (
        (impurity <= _EPSILON)
        | (counts.rows < _number(estimator.min_samples_split, n_rows))
        | (decrease + _EPSILON < estimator.min_impurity_decrease)
        | (np.minimum(counts.rows[nodes.left], counts.rows[nodes.right]) == 0)
    )
    return ended


def _finish(estimator: Any, tree: Any, target: Target, n_features: int) -> None:
    """Give an estimator what its own `fit` would have."""
    estimator.n_features_in_ = estimator.max_features_ = n_features
    estimator.n_outputs_ = 1
    if isinstance(target, Classes):
        estimator.classes_ = target.names
        estimator.n_classes_ = np.intp(len(target.names))
    estimator.tree_ = tree
    estimator._prune_tree()  # noqa: SLF001 - what `fit` itself ends with, for ccp_alpha
