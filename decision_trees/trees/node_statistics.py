"""Nodes of a grown tree as arrays, and statistics of the training rows of each node."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from container.data.dataset import Dataset
from container.distributed.communicator import Communicator
from trees.objective import Objective

LEAF = -1

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Nodes:
    """Tree: arrays of shape (n_nodes,), the root first; values below `bound` go left."""

    left: Indices
    """LEAF if the node does not split."""

    right: Indices
    feature: Indices
    bound: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    """Whether a missing value goes left."""

    def __len__(self) -> int:
        return len(self.left)

    def levels(self) -> list[Indices]:
        """Return the reachable nodes by depth."""
        levels = [np.zeros(1, dtype=np.intp)]
        while len(splits := levels[-1][self.left[levels[-1]] != LEAF]):
            levels.append(np.stack([self.left[splits], self.right[splits]], axis=1).ravel())
        return levels

    def cut(self, ended: NDArray[np.bool_]) -> "Nodes":
        """Return the tree with the `ended` nodes as leaves; the nodes below are unreachable."""
        return replace(
            self, left=np.where(ended, LEAF, self.left), right=np.where(ended, LEAF, self.right)
        )

    def preorder(self) -> Indices:
        """Return the reachable nodes in preorder: a parent, its left subtree, its right subtree."""
        levels = self.levels()
        sizes = np.ones(len(self), dtype=np.intp)
        places = np.zeros(len(self), dtype=np.intp)
        for splits in reversed([level[self.left[level] != LEAF] for level in levels]):
            sizes[splits] += sizes[self.left[splits]] + sizes[self.right[splits]]
        for splits in (level[self.left[level] != LEAF] for level in levels):
            places[self.left[splits]] = places[splits] + 1
            places[self.right[splits]] = places[splits] + 1 + sizes[self.left[splits]]
        reached = np.concatenate(levels)
        return reached[np.argsort(places[reached])]


@dataclass(frozen=True)
class Counts:
    """Statistics of the rows of each node; the first axis of every array is the nodes.

    The statistics of several hosts are merged by sums, maxima and minima.
    """

    rows: NDArray[np.int64]

    missing: NDArray[np.int64]
    """Number of rows without a value of the feature that the node splits by."""

    highest_left: NDArray[np.float32]
    """Maximum of the values that go left; -inf if there is none."""

    lowest_right: NDArray[np.float32]
    """Minimum of the values that go right; inf if there is none."""

    sums: NDArray[np.float64]
    """Sums of the objective, shape (n_nodes, n_sums)."""


def count(nodes: Nodes, objective: Objective, rows: Dataset) -> Counts:
    """Return the statistics of the rows of all hosts, in one pass over the rows."""
    counts = Counts(
        rows=np.zeros(len(nodes), dtype=np.int64),
        missing=np.zeros(len(nodes), dtype=np.int64),
        highest_left=np.full(len(nodes), -np.inf, dtype=np.float32),
        lowest_right=np.full(len(nodes), np.inf, dtype=np.float32),
        sums=np.zeros((len(nodes), objective.n_sums)),
    )
    for batch in rows.batches():
        # Only the leaves of these rows: a batch has few of the nodes of a large tree.
        leaves, places = np.unique(_descend(nodes, batch.features, counts), return_inverse=True)
        counts.rows[leaves] += np.bincount(places)
        counts.sums[leaves] += objective.sums(places, len(leaves), batch.labels, batch.weights)
    counts = _of_all_hosts(counts, rows.communicator)
    for splits in reversed([level[nodes.left[level] != LEAF] for level in nodes.levels()]):
        for values in (counts.rows, counts.sums):
            values[splits] = values[nodes.left[splits]] + values[nodes.right[splits]]
    return counts


def _of_all_hosts(counts: Counts, communicator: Communicator) -> Counts:
    return Counts(
        rows=communicator.sum(counts.rows),
        missing=communicator.sum(counts.missing),
        highest_left=communicator.maximum(counts.highest_left),
        lowest_right=communicator.minimum(counts.lowest_right),
        sums=communicator.sum(counts.sums),
    )


def _descend(nodes: Nodes, features: NDArray[np.float32], counts: Counts) -> Indices:
    """Return the leaf of each row, and add the nodes on its way to `counts`.

    As in XGBoost, a row goes left if its value is below the bound.
    """
    leaves = np.zeros(len(features), dtype=np.intp)
    rows = np.arange(len(features))
    while len(rows := rows[nodes.left[leaves[rows]] != LEAF]):
        at = leaves[rows]
        values = features[rows, nodes.feature[at]]
        absent = np.isnan(values)
        left = np.where(absent, nodes.missing_left[at], values < nodes.bound[at])
        np.add.at(counts.missing, at[absent], 1)
        np.fmax.at(counts.highest_left, at[left], values[left])
        np.fmin.at(counts.lowest_right, at[~left], values[~left])
        leaves[rows] = np.where(left, nodes.left[at], nodes.right[at])
    return leaves
