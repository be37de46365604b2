"""Scoring service: load the model from /opt/ml/model, and predict rows with it.

Edit it if your model is not an artifact of model.onnx and model.json.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from artifact import model
from artifact.metadata import ArtifactError
from artifact.model import Model
from container.payloads import (
    PROBABILITIES,
    PROBABILITY,
    Expected,
    ModelNotReady,
    Predictions,
    Settings,
    TabularService,
)


class ScoringService(TabularService[Model]):
    """The artifact that `train` wrote, behind /invocations."""

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Load the artifact; raise ModelNotReady with the reason if it cannot be used."""
        # YOURS: load your own files here.
        try:
            loaded = model.load(settings.paths.model, settings.threads)
        except ArtifactError as error:
            raise ModelNotReady(f"The model cannot be used: {error}.") from error
        record = loaded.record
        expected = Expected(
            record.n_features,
            record.feature_names,
            record.libsvm_base,
            record.accepts_missing,
            record.na_values,
            record.ignored,
        )
        return cls(loaded, settings, expected, record.labels, loaded.predict_row)

    def predict(self, features: NDArray[np.float32], outputs: Sequence[str]) -> Predictions:
        """Return the predictions for features of shape (n_rows, n_features)."""
        # YOURS: ask your own model here.
        if not self.labels:
            return Predictions(scores=self.model.scores(features))
        if not {PROBABILITY, PROBABILITIES} & set(outputs):
            return Predictions(self.model.predict(features))
        return Predictions(*self.model.labels_and_probabilities(features))
