"""Tables: the rows of all files of a channel, as an algorithm learns from them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.errors import TrainingDataError

_SPLIT_SEED = 0  # not a job's own seed: jobs that are compared are validated on the same rows


@dataclass(frozen=True)
class Table:
    """Rows to learn from, or to validate on."""

    features: NDArray[np.float32]
    """Shape (n_rows, n_features), C-contiguous; NaN where a cell is missing."""

    labels: NDArray[Any]
    """Shape (n_rows,); classes are int64, float64 or str, as they are written; numbers float64."""

    weights: NDArray[np.float64] | None = None
    """Shape (n_rows,), finite and not negative; None when rows have no weights."""

    feature_names: list[str] | None = None
    """The names of the columns of `features`; None when the files have none."""

    libsvm_base: int | None = None
    """The index of the first feature in libsvm files, 0 or 1; None in other formats."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.intp]) -> "Table":
        """Return a table of the rows with these indices, a copy."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, features=self.features[rows], labels=self.labels[rows], weights=weights
        )


def split(table: Table, fraction: float, by_class: bool) -> tuple[Table, Table]:
    """Set part of the rows aside, drawn at random, the same rows each time.

    Args:
        table: at least two rows.
        fraction: how much of the rows to set aside, above 0 and below 1.
        by_class: whether to set aside that part of each class. The first row of a class that is
            drawn stays, so that every class that is set aside is also learnt.

    Returns:
        What is left, and what was set aside, both in the order of `table`.

    Raises:
        TrainingDataError: the part is not even one row.
    """
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(table))
    if by_class:
        _, classes = np.unique(table.labels, return_inverse=True)
        order = order[np.argsort(classes[order], kind="stable")]
        sizes = np.bincount(classes)
    else:
        sizes = np.array([len(table)])
    rank = np.arange(len(table)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = np.maximum(1, sizes - np.rint(sizes * fraction).astype(int))
    aside = np.zeros(len(table), dtype=bool)
    aside[order] = rank >= np.repeat(kept, sizes)
    if not aside.any():
        raise TrainingDataError(
            f"validation_fraction is {fraction:g}, which is not one row of the {len(table)} that "
            "there are; choose a larger fraction, or give the job a channel validation."
        )
    return table.take(np.flatnonzero(~aside)), table.take(np.flatnonzero(aside))
