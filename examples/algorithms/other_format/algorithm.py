"""Parzen window classifier: an algorithm that cannot be exported to ONNX, with its own files.

The density of a label at a row is the sum of a bell curve around each training row of that label.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from container.training import NOT_TUNABLE, InputOptions, Table

_SLICE_ROWS = 256  # rows to predict at once, which limits the memory of large requests


class Hyperparameters(InputOptions):
    """Hyperparameters of a job, in addition to those of every job (label, header, ...)."""

    task: Annotated[Literal["classification"], NOT_TUNABLE] = "classification"
    """What to predict."""

    bandwidth: Annotated[float, Field(gt=0)] = 1.0
    """Width of the bell curve."""


@dataclass(frozen=True)
class Window:
    """The model. Missing cells of a row are left out of its distances."""

    features: NDArray[np.float32]
    """The training rows, shape (n_training_rows, n_features)."""

    weights: NDArray[np.float64]
    """The weight of each row for each label, shape (n_training_rows, n_labels)."""

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
        nearest = distances.min(axis=1, keepdims=True)  # avoids a sum of 0 far from all rows
        densities: NDArray[np.float64] = np.exp(nearest - distances) @ self.weights
        return densities


def fit(table: Table, chosen: Hyperparameters) -> Window:
    """Return a window that contains the training rows."""
    labels, indices = np.unique(table.labels, return_inverse=True)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    kept = weights > 0
    counts = np.eye(len(labels))[indices] * weights[:, np.newaxis]
    names = table.feature_names
    return Window(table.features[kept], counts[kept], labels.tolist(), names, chosen.bandwidth)


def evaluate(window: Window, table: Table) -> Mapping[str, float]:
    """Return the accuracy, which is printed as `train:accuracy=`, `validation:accuracy=`."""
    found = np.array(window.labels)[window.probabilities(table.features).argmax(axis=1)]
    return {"accuracy": float(np.average(found == table.labels, weights=table.weights))}


def describe(window: Window) -> Mapping[str, float]:
    """Return the size of the model."""
    return {"kept_rows": len(window.features)}


def save(window: Window, directory: Path, _table: Table, record: Mapping[str, Any]) -> None:
    """Write arrays.npz and window.json; unlike a pickle, neither can contain code."""
    np.savez(directory / "arrays.npz", features=window.features, weights=window.weights)
    about = {"labels": window.labels, "names": window.names, "bandwidth": window.bandwidth}
    (directory / "window.json").write_text(json.dumps({**record, **about}))


def load(directory: Path) -> Window:
    """Read the files of `save`; raises OSError, ValueError or KeyError."""
    about = json.loads((directory / "window.json").read_text())
    with np.load(directory / "arrays.npz") as arrays:
        features, weights = arrays["features"], arrays["weights"]
    return Window(features, weights, about["labels"], about["names"], about["bandwidth"])
