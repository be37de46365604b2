"""Artifact with the interface of a scikit-learn estimator."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import model
from artifact.metadata import REGRESSION
from artifact.model import Model


class Estimator:
    """Predicts labels or scores for rows."""

    def __init__(self, model: Model) -> None:
        record = model.record
        self._model = model
        self.n_features_in_ = record.n_features
        self.feature_names_in_ = record.feature_names
        self.classes_ = np.array(record.labels)
        self.libsvm_base = record.libsvm_base
        """Index of the first feature in libsvm rows, 0 or 1."""

    def predict(self, features: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return the label, or the score, of each row of shape (n_rows, n_features)."""
        rows = np.ascontiguousarray(features, dtype=np.float32)
        if self._model.record.task == REGRESSION:
            return self._model.scores(rows)
        labels: NDArray[Any] = self.classes_[self._model.predict(rows)]
        return labels

    def predict_proba(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the probabilities of each row, in the order of `classes_`."""
        return self._model.probabilities(np.ascontiguousarray(features, dtype=np.float32))


def load(directory: Path, threads: int = 1) -> Estimator:
    """Load the artifact in `directory`; raise ArtifactError if it cannot be used."""
    return Estimator(model.load(directory, threads))
