"""Scoring service of a model that is not an ONNX graph: load it, and predict rows with it."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

import algorithm
from container.payloads import Expected, ModelNotReady, Predictions, Settings, TabularService


class ScoringService(TabularService[algorithm.Window]):
    """The window that `algorithm.save` wrote, behind /invocations."""

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Load the window; raise ModelNotReady with the reason if it cannot be used."""
        try:
            window = algorithm.load(settings.paths.model)
        except (OSError, ValueError, KeyError) as error:
            raise ModelNotReady(f"The model cannot be used: {error}; train again.") from error
        expected = Expected(window.features.shape[1], window.names)
        return cls(window, settings, expected, window.labels)

    def predict(self, features: NDArray[np.float32], _outputs: Sequence[str]) -> Predictions:
        """Return the predictions for features of shape (n_rows, n_features)."""
        probabilities = self.model.probabilities(features)
        return Predictions(probabilities.argmax(axis=1), probabilities)
