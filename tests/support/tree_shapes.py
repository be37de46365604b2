"""Nodes of fitted scikit-learn trees, for comparison."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from container.data.table import Table

FIELDS = (
    "feature",
    "threshold",
    "missing_go_to_left",
    "impurity",
    "n_node_samples",
    "weighted_n_node_samples",
    "value",
)


def in_preorder(estimator: Any) -> dict[str, NDArray[Any]]:
    """Return the fields of all nodes in preorder: a node, its left subtree, its right subtree.

    scikit-learn orders them differently in trees that grow best first.
    """
    tree, order, waiting = estimator.tree_, [], [0]
    while waiting:
        order.append(node := waiting.pop())
        if tree.children_left[node] != -1:
            waiting += [tree.children_right[node], tree.children_left[node]]
    splits = tree.children_left[order] != -1
    fields = {name: getattr(tree, name)[order] for name in FIELDS}
    return fields | {"missing_go_to_left": np.where(splits, fields["missing_go_to_left"], 0)}


def gains(estimator: Any, table: Table) -> Iterator[tuple[NDArray[np.intp], float]]:
    """Yield the rows of each node and the decrease of impurity by its split, 0 for a leaf."""
    tree = estimator.tree_
    paths = estimator.decision_path(table.features).tocsc()
    lost = tree.impurity * tree.weighted_n_node_samples
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        children = 0.0 if left == -1 else lost[left] + lost[right]
        gain = 0.0 if left == -1 else (lost[node] - children) / tree.weighted_n_node_samples[node]
        yield paths.indices[paths.indptr[node] : paths.indptr[node + 1]], gain


def best_gain(estimator: Any, table: Table) -> float:
    """Return the decrease of impurity by scikit-learn's best split of these rows."""
    stump = clone(estimator).set_params(max_depth=1)
    found = stump.fit(table.features, table.labels, table.weights).tree_
    if found.node_count == 1:
        return 0.0
    lost = found.impurity * found.weighted_n_node_samples
    return float((lost[0] - lost[1] - lost[2]) / found.weighted_n_node_samples[0])
