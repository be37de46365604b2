"""Rebuilding: a grown tree becomes the tree_ of a fitted scikit-learn estimator."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree._tree import NODE_DTYPE, Tree

from trees.node_statistics import LEAF, Counts, Nodes
from trees.objective import Objective

_NO_SPLIT = -2
"""What scikit-learn writes as the feature and the threshold of a leaf."""


def tree_of(nodes: Nodes, counts: Counts, target: Objective, n_features: int) -> Any:
    """Return the nodes that can be reached as scikit-learn's Tree.

    Its numbers are those of the rows that were counted, not XGBoost's own sums.
    """
    nodes = _as_scikit_learn_splits(nodes, counts)
    order = nodes.preorder()
    sums = counts.sums[order]
    records = np.zeros(len(order), dtype=NODE_DTYPE)
    records["impurity"] = target.impurity(sums)
    records["n_node_samples"] = counts.rows[order]
    records["weighted_n_node_samples"] = target.weight(sums)
    _write_splits(records, nodes, order, _thresholds(counts))
    values = target.value(sums)
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
    """Return the tree with scikit-learn's choices where XGBoost's differ and rows do not care.

    Where only missing values go one way, that way is right. Where none was missing, they go with
    the most rows.
    """
    swapped = (nodes.left != LEAF) & np.isneginf(counts.highest_left)
    left = np.where(swapped, nodes.right, nodes.left)
    right = np.where(swapped, nodes.left, nodes.right)
    by_size = counts.rows[left] > counts.rows[right]
    missing_left = np.where(counts.missing == 0, by_size, nodes.missing_left & ~swapped)
    return replace(nodes, left=left, right=right, missing_left=missing_left)


def _thresholds(counts: Counts) -> NDArray[np.float64]:
    """Return the middle between what goes left and what goes right, as scikit-learn does.

    Rows of other data go as they would in its tree, and training rows as XGBoost sent them.
    It is inf, which all values are below, where only missing values go right.
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
    """Fill in what the nodes of `order` split by, and their children's places in it."""
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
