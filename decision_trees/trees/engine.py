"""The histogram engine: XGBoost grows the tree, scikit-learn's estimator gets it.

What scikit-learn can do and the histogram engine cannot, by name.
"""

import logging
import math
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from container.data.dataset import Dataset
from container.errors import HyperparameterError, TrainingDataError
from trees.node_statistics import Counts, Nodes, count
from trees.objective import (
    ClassificationObjective,
    Objective,
    RegressionObjective,
    Total,
    total,
    weighed,
)
from trees.sklearn_tree import tree_of

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
        one = "" if len(dataset.communicator) == 1 else " on one host"
        raise HyperparameterError(
            f"The engine histogram cannot grow this tree: {'; '.join(refused)}. Leave that out, or "
            f"set engine to exact{one}."
        )
    nodes, counts, target = _grow(estimator, dataset, max_bins)
    n_features = dataset.schema.n_features
    _finish(estimator, tree_of(nodes, counts, target, n_features), target, n_features)
    return estimator


def _grow(estimator: Any, dataset: Dataset, max_bins: int) -> tuple[Nodes, Counts, Objective]:
    """Return a tree as it is to be, what the rows tell of its nodes, and what they predict."""
    from trees import growth  # only now: it loads XGBoost, which nothing else needs

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
    if len(dataset.communicator) > 1:
        logger.info("grown: %d nodes, checksum %08x", len(nodes), _checksum(nodes, counts))
    return nodes.cut(_ended(estimator, n_rows, nodes, (target, counts))), counts, target


def _checksum(nodes: Nodes, counts: Counts) -> int:
    """Return a number that is the same on all hosts: each has the same tree."""
    arrays = (nodes.left, nodes.right, nodes.feature, nodes.bound, counts.rows, counts.sums)
    return zlib.crc32(b"".join(array.tobytes() for array in arrays))


def _target(estimator: Any, dataset: Dataset) -> Objective:
    if is_classifier(estimator):
        return ClassificationObjective.of(dataset, estimator.class_weight)
    return RegressionObjective.of(dataset)


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
    estimator: Any, n_rows: int, nodes: Nodes, known: tuple[Objective, Counts]
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


def _finish(estimator: Any, tree: Any, target: Objective, n_features: int) -> None:
    """Give an estimator what its own `fit` would have."""
    estimator.n_features_in_ = estimator.max_features_ = n_features
    estimator.n_outputs_ = 1
    if isinstance(target, ClassificationObjective):
        estimator.classes_ = target.names
        estimator.n_classes_ = np.intp(len(target.names))
    estimator.tree_ = tree
    estimator._prune_tree()  # noqa: SLF001 - what `fit` itself ends with, for ccp_alpha


CRITERIA = ("gini", "squared_error")

_LEAST_VERSION = (3, 4)


def refusals(estimator: Any, is_weighted: bool) -> list[str]:
    """Return what keeps the engine from growing the tree that an estimator is asked for.

    Args:
        estimator: a DecisionTreeClassifier or DecisionTreeRegressor with its parameters.
        is_weighted: whether rows have weights of their own.

    Returns:
        One part of a sentence for each; none when the tree can be grown.
    """
    asked = estimator.get_params()
    weighted = is_weighted or asked.get("class_weight") is not None
    return [*_of_splits(asked), *_of_sizes(asked, weighted), *_of_the_package()]


def _of_splits(asked: dict[str, Any]) -> Iterator[str]:
    if asked["criterion"] not in CRITERIA:
        yield (
            f"criterion is {asked['criterion']}, but histograms hold sums, from which only gini "
            "and squared_error can be told"
        )
    if asked["splitter"] != "best":
        yield f"splitter is {asked['splitter']}, but histograms give the best split"
    if asked["max_features"] is not None:
        yield f"max_features is {asked['max_features']}, but every split looks at all features"
    if asked["monotonic_cst"] is not None:
        yield "monotonic_cst is given, but XGBoost's constraints are others than scikit-learn's"


def _of_sizes(asked: dict[str, Any], weighted: bool) -> Iterator[str]:
    leaf, split = asked["min_samples_leaf"], asked["min_samples_split"]
    if leaf != 1 and weighted:
        yield (
            f"min_samples_leaf is {leaf} and rows or classes have weights, but histograms hold the "
            "weight of rows, not their number (min_weight_fraction_leaf can be used)"
        )
    if split != 2 and asked["max_leaf_nodes"] is not None:
        yield (
            f"min_samples_split is {split} and max_leaf_nodes is given, but nodes that are too "
            "small are only known when the tree has grown, and others would have split instead"
        )


def _of_the_package() -> Iterator[str]:
    import xgboost  # only now: no other engine needs it, and it takes a second to load

    version = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
    if version < _LEAST_VERSION:
        yield (
            f"XGBoost is {xgboost.__version__}, but only 3.4 and later honour the least size of "
            "leaves in all trees (they need Python 3.12)"
        )
