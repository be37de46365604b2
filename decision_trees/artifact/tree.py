"""A decision tree for one row at a time: a walk from its root, where a session is slow to begin."""

import io
from collections.abc import Sequence
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact.metadata import TREE_FILE, ArtifactError

NODE = np.dtype([("feature", "<i4"), ("threshold", "<f8"), ("left", "<i4"), ("right", "<i4")])
"""A node: rows go left whose value of `feature` is at most `threshold`. The root is the first.

A leaf has the feature LEAF, and in `left` the index of its label, or in `threshold` its score.
"""

LEAF = -1


class Tree:
    """Answers a row as scikit-learn's tree does: with thresholds of 64 bits."""

    def __init__(self, nodes: NDArray[np.void]) -> None:
        """Take the nodes, of shape (n_nodes,) and dtype NODE."""
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
        """Say of each row whether this is its answer: the index of its label, or its score.

        Rows with a missing value are not walked with, and agree.
        """
        answer = self.score if answers.dtype.kind == "f" else self.label
        pairs = zip(rows.tolist(), answers.tolist(), strict=True)
        return np.array([any(map(isnan, row)) or answer(row) == right for row, right in pairs])

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
    """Read the content of TREE_FILE; raises ArtifactError when it is another."""
    try:
        nodes = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ArtifactError(f"{TREE_FILE} cannot be loaded ({error}); train again") from error
    if nodes.dtype != NODE or nodes.ndim != 1 or not len(nodes):
        raise ArtifactError(f"{TREE_FILE} holds no tree; train again")
    return Tree(nodes)
