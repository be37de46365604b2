"""Answers: what a model says of the rows of a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answers:
    """One answer for each row, in the order of the rows."""

    labels: Sequence[Any] = ()
    """The labels that the model knows, all int, all float or all str; none for regression."""

    indices: NDArray[np.intp] | None = None
    """For each row the index of its label; None for regression."""

    probabilities: NDArray[np.float32] | None = None
    """Shape (n_rows, n_labels); None where nobody has asked for them."""

    scores: NDArray[np.float32] | None = None
    """For each row its score, finite; None for classification."""
