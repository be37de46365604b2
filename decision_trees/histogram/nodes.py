"""The nodes of a grown tree, as arrays."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

LEAF = -1

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Nodes:
    """A tree: arrays of shape (n_nodes,), the root first; values below `bound` go left."""

    left: Indices
    """LEAF where the node does not split."""

    right: Indices
    feature: Indices
    bound: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    """Whether a row goes left whose cell is missing."""

    def __len__(self) -> int:
        return len(self.left)

    def levels(self) -> list[Indices]:
        """Return the nodes that can be reached, by their depth."""
        levels = [np.zeros(1, dtype=np.intp)]
        while len(splits := levels[-1][self.left[levels[-1]] != LEAF]):
            levels.append(np.stack([self.left[splits], self.right[splits]], axis=1).ravel())
        return levels

    def cut(self, ended: NDArray[np.bool_]) -> "Nodes":
        """Return a tree in which the `ended` nodes are leaves; nothing reaches what was below."""
        return replace(
            self, left=np.where(ended, LEAF, self.left), right=np.where(ended, LEAF, self.right)
        )

    def preorder(self) -> Indices:
        """Return the nodes that can be reached: a parent, all on its left, all on its right."""
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
