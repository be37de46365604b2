"""What is trained: a Parzen window, which no ONNX converter knows; its file is its own.

The density of each label at a row is the sum of a bell curve around each training row.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.data.table import Table
from container.hyperparameters.input_options import InputOptions
from container.hyperparameters.loader import hyperparameter
from container.value_types import Choice, Number

_SLICE_ROWS = 256  # so that large bodies need little memory


@dataclass(frozen=True)
class Hyperparameters(InputOptions):
    """The hyperparameters of a job: those of every job (label, header, ...), and this one."""

    task: str = hyperparameter(
        Choice("classification"), default="classification", doc="What is learnt.", tunable=False
    )
    bandwidth: float = hyperparameter(
        Number(0, inf, excluded=True), default=1.0, doc="How far the influence of a row reaches."
    )


@dataclass(frozen=True)
class Window:
    """The model; features that a row has not are left out of its distances."""

    features: NDArray[np.float32]
    """The training rows, shape (n_training_rows, n_features)."""

    weights: NDArray[np.float64]
    """What each counts for which label, shape (n_training_rows, n_labels)."""

    labels: list[Any]
    names: list[str] | None
    bandwidth: float

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of every label, shape (n_rows, n_labels)."""
        starts = range(0, len(features), _SLICE_ROWS)
        slices = [self._densities(features[i : i + _SLICE_ROWS]) for i in starts]
        densities = np.concatenate([np.empty((0, len(self.labels))), *slices])
        shares: NDArray[np.float64] = densities / densities.sum(axis=1, keepdims=True)
        return shares.astype(np.float32)

    def _densities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        steps = features[:, np.newaxis, :].astype(np.float64) - self.features
        distances = np.nansum(steps**2, axis=2) / (2 * self.bandwidth**2)
        nearest = distances.min(axis=1, keepdims=True)  # counts 1, however far it is
        densities: NDArray[np.float64] = np.exp(nearest - distances) @ self.weights
        return densities


def fit(table: Table, chosen: Hyperparameters) -> Window:
    """Return a window over `table`: it learns by heart."""
    labels, indices = np.unique(table.labels, return_inverse=True)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    kept = weights > 0
    counts = np.eye(len(labels))[indices] * weights[:, np.newaxis]
    names = table.feature_names
    return Window(table.features[kept], counts[kept], labels.tolist(), names, chosen.bandwidth)


def evaluate(window: Window, table: Table) -> Mapping[str, float]:
    """Return the metrics of `window` on `table`."""
    found = np.array(window.labels)[window.probabilities(table.features).argmax(axis=1)]
    return {"accuracy": float(np.average(found == table.labels, weights=table.weights))}


def describe(window: Window) -> Mapping[str, float]:
    """Return the size of the window."""
    return {"kept_rows": len(window.features)}


def save(window: Window, directory: Path, _table: Table, record: Mapping[str, Any]) -> None:
    """Write arrays.npz and window.json: no pickle, so that loading runs no code."""
    np.savez(directory / "arrays.npz", features=window.features, weights=window.weights)
    about = {"labels": window.labels, "names": window.names, "bandwidth": window.bandwidth}
    (directory / "window.json").write_text(json.dumps({**record, **about}))


def load(directory: Path) -> Window:
    """Read what `save` wrote; raises OSError, ValueError or KeyError."""
    about = json.loads((directory / "window.json").read_text())
    with np.load(directory / "arrays.npz") as arrays:
        features, weights = arrays["features"], arrays["weights"]
    return Window(features, weights, about["labels"], about["names"], about["bandwidth"])
