"""Rows: what a request asks about, in whatever format it came.

Answers: what a model says of the rows of a request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Expected:
    """The rows that a model takes."""

    n_features: int
    names: Sequence[str] | None = None
    """The names of the features in order of training; None when they have none."""

    libsvm_base: int = 1
    """What libsvm rows call the first feature, 0 or 1."""


@dataclass(frozen=True)
class Rows:
    """The rows of one request, in its order."""

    features: NDArray[np.float32]
    """Shape (n_rows, n_features), NaN for a missing cell, and in all of a bad row."""

    bad: Mapping[int, str] = field(default_factory=dict)
    """What is wrong with which row, by its index from 0; empty unless bad rows are marked."""


@dataclass(frozen=True)
class Predictions:
    """One answer for each row, in the order of the rows."""

    labels: Sequence[Any] = ()
    """The labels that the model knows, all int, all float or all str; none for regression."""

    indices: NDArray[np.intp] | None = None
    """For each row the index of its label; None for regression."""

    probabilities: NDArray[np.float32] | None = None
    """Shape (n_rows, n_labels); None where nobody has asked for them."""

    scores: NDArray[np.float32] | None = None
    """For each row its score, finite; None for classification."""
