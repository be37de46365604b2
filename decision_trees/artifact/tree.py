"""Decision tree as arrays: predicts a single row faster than a session of onnxruntime."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.metadata import TREE_FILE, ArtifactError

NODE = np.dtype([("feature", "<i4"), ("threshold", "<f8"), ("left", "<i4"), ("right", "<i4")])
"""A node: a row goes left if its value of `feature` is at most `threshold`. The root is first.

A leaf has the feature LEAF, the index of its label in `left`, or its score in `threshold`.
"""

LEAF = -1

_AT_MOST = 0  # BRANCH_LEQ of TreeEnsemble
_NO_SPLIT = -2.0  # scikit-learn's threshold of a leaf, where a node of the graph has its score


class Tree:
    """Predicts rows as scikit-learn's tree does, with thresholds of 64 bits."""

    def __init__(self, nodes: NDArray[np.void]) -> None:
        """Take the nodes, of shape (n_nodes,) and dtype NODE."""
        self.nodes = nodes
        self._feature = memoryview(nodes["feature"].astype(np.intc).data)
        self._threshold = memoryview(nodes["threshold"].astype(np.double).data)
        self._left = memoryview(nodes["left"].astype(np.intc).data)
        self._right = memoryview(nodes["right"].astype(np.intc).data)

    def label(self, row: Sequence[float]) -> int:
        """Return the index of the label of a row of n_features float32 values, none missing."""
        return self._left[self._leaf(row)]

    def score(self, row: Sequence[float]) -> float:
        """Return the score of such a row, a float32, of a regression tree."""
        return self._threshold[self._leaf(row)]

    def agree(self, rows: NDArray[np.float32], answers: NDArray[Any]) -> NDArray[np.bool_]:
        """Return for each row whether its prediction, a label's index or a score, is the given one.

        A row with a missing value is not predicted, and agrees.
        """
        nodes, place = self.nodes, np.zeros(len(rows), dtype=np.intp)
        walking = np.arange(len(rows))
        while len(walking := walking[nodes["feature"][place[walking]] != LEAF]):
            at = nodes[place[walking]]
            is_left = rows[walking, at["feature"]] <= at["threshold"]
            place[walking] = np.where(is_left, at["left"], at["right"])
        found = nodes["threshold" if answers.dtype.kind == "f" else "left"][place]
        agrees: NDArray[np.bool_] = (found == answers) | np.isnan(rows).any(axis=1)
        return agrees

    def check(self, n_features: int, n_labels: int) -> None:
        """Raise ArtifactError if a number is out of range, or a child does not follow its parent.

        Args:
            n_features: number of columns of the rows.
            n_labels: number of labels; 0 if the leaves have scores.
        """
        nodes, numbers = self.nodes, np.arange(len(self.nodes))
        is_leaf = nodes["feature"] == LEAF
        children = np.stack([nodes["left"], nodes["right"]])
        right_splits = (nodes["feature"] >= 0) & (nodes["feature"] < n_features)
        right_splits &= ((children > numbers) & (children < len(nodes))).all(axis=0)
        if n_labels:
            right_leaves = (nodes["left"] >= 0) & (nodes["left"] < n_labels)
        else:
            right_leaves = np.abs(nodes["threshold"]) <= np.finfo(np.float32).max
        wrong = np.flatnonzero(~np.where(is_leaf, right_leaves, right_splits))
        if len(wrong):
            raise ArtifactError(
                f"node {wrong[0]} in {TREE_FILE} has a feature, a child or a label that does not "
                "exist; copy the artifact again, or train again"
            )

    def _leaf(self, row: Sequence[float]) -> int:
        features, thresholds, left, right = self._feature, self._threshold, self._left, self._right
        node = 0
        while (feature := features[node]) != LEAF:
            node = left[node] if row[feature] <= thresholds[node] else right[node]
        return node


def to_bytes(nodes: NDArray[np.void]) -> bytes:
    """Return the content of TREE_FILE."""
    file = io.BytesIO()
    np.save(file, nodes, allow_pickle=False)
    return file.getvalue()


def from_bytes(content: bytes) -> Tree:
    """Parse the content of TREE_FILE; raise ArtifactError if it is not a tree."""
    file = io.BytesIO(content)
    try:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:
        raise ArtifactError(f"{TREE_FILE} cannot be loaded ({error}); train again") from error
    nodes = content[file.tell() :]
    if not nodes or dtype != NODE or shape != (len(nodes) / NODE.itemsize,):
        raise ArtifactError(f"{TREE_FILE} holds no tree; train again")
    return Tree(np.frombuffer(nodes, NODE))


def splits(nodes: Any, is_leaf: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Return the attributes of TreeEnsemble that describe the nodes that are no leaves.

    These and leaves count from 0 each. A tree of one leaf is written as a split both sides of which
    are that leaf.

    Args:
        nodes: the fields feature, threshold, left and right of all nodes.
        is_leaf: which of them are leaves.
    """
    number = np.where(is_leaf, is_leaf.cumsum(), (~is_leaf).cumsum()) - 1
    chosen = np.flatnonzero(~is_leaf) if len(is_leaf) > 1 else np.array([0])
    left, right = (np.where(is_leaf, 0, nodes[side])[chosen] for side in ("left", "right"))
    return {
        "nodes_featureids": np.maximum(nodes["feature"][chosen], 0),
        "nodes_modes": np.full(len(chosen), _AT_MOST, np.uint8),
        "nodes_splits": float32_at_most(np.where(is_leaf, _NO_SPLIT, nodes["threshold"])[chosen]),
        "nodes_truenodeids": number[left],
        "nodes_trueleafs": is_leaf[left].astype(int),
        "nodes_falsenodeids": number[right],
        "nodes_falseleafs": is_leaf[right].astype(int),
    }


def float32_at_most(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 up to each threshold; each float32 is at most both or neither."""
    with np.errstate(over="ignore"):
        rounded: NDArray[np.float32] = thresholds.astype(np.float32)
    raised = rounded > thresholds
    rounded[raised] = np.nextafter(rounded[raised], np.float32(-np.inf))
    return rounded
