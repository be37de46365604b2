"""Conversion of a grown tree into the `tree_` of a fitted scikit-learn estimator."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree._tree import NODE_DTYPE, Tree

from trees.node_statistics import LEAF, Counts, Nodes
from trees.objective import Objective

_NO_SPLIT = -2
"""Feature and threshold of a leaf in scikit-learn."""


def tree_of(nodes: Nodes, counts: Counts, objective: Objective, n_features: int) -> Any:
    """Return the reachable nodes as scikit-learn's Tree.

    Its values come from the counted rows, not from XGBoost's float32 sums.
    """
    nodes = _as_scikit_learn_splits(nodes, counts)
    order = nodes.preorder()
    sums = counts.sums[order]
    records = np.zeros(len(order), dtype=NODE_DTYPE)
    records["impurity"] = objective.impurity(sums)
    records["n_node_samples"] = counts.rows[order]
    records["weighted_n_node_samples"] = objective.weight(sums)
    _write_splits(records, nodes, order, _thresholds(counts))
    values = objective.value(sums)
    tree = Tree(n_features, np.array([values.shape[1]], dtype=np.intp), 1)
    tree.__setstate__(
        {
            "max_depth": len(nodes.levels()) - 1,
            "node_count": len(records),
            "nodes": records,
            "values": np.ascontiguousarray(values[:, np.newaxis, :]),
        }
    )
    return tree


def _as_scikit_learn_splits(nodes: Nodes, counts: Counts) -> Nodes:
    """Return the tree with scikit-learn's conventions, which change no prediction of a counted row.

    If only missing values go one way, that way is right. If no value is missing, missing values
    go the way of most rows.
    """
    swapped = (nodes.left != LEAF) & np.isneginf(counts.highest_left)
    left = np.where(swapped, nodes.right, nodes.left)
    right = np.where(swapped, nodes.left, nodes.right)
    by_size = counts.rows[left] > counts.rows[right]
    missing_left = np.where(counts.missing == 0, by_size, nodes.missing_left & ~swapped)
    return replace(nodes, left=left, right=right, missing_left=missing_left)


def _thresholds(counts: Counts) -> NDArray[np.float64]:
    """Return the middle between the values that go left and those that go right.

    As in scikit-learn, so that other rows go as in its tree; training rows go as in XGBoost. The
    threshold is inf if only missing values go right.
    """
    low, high = counts.highest_left.astype(np.float64), counts.lowest_right.astype(np.float64)
    both = np.isfinite(low) & np.isfinite(high)
    thresholds: NDArray[np.float64] = np.add(
        low / 2, high / 2, out=np.full(len(low), np.inf), where=both
    )
    return thresholds


def _write_splits(
    records: NDArray[Any], nodes: Nodes, order: NDArray[np.intp], thresholds: NDArray[np.float64]
) -> None:
    """Write the splits of the nodes in `order`, and the places of their children in it."""
    places = np.full(len(nodes), LEAF, dtype=np.intp)
    places[order] = np.arange(len(order))
    is_leaf = nodes.left[order] == LEAF
    for field, values, none in (
        ("left_child", places[nodes.left[order]], LEAF),
        ("right_child", places[nodes.right[order]], LEAF),
        ("feature", nodes.feature[order], _NO_SPLIT),
        ("threshold", thresholds[order], _NO_SPLIT),
        ("missing_go_to_left", nodes.missing_left[order], 0),
    ):
        records[field] = np.where(is_leaf, none, values)
