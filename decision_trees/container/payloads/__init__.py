"""Request bodies to rows, and predictions to response bodies; what predictor.py imports."""

from container.errors import ModelNotReady
from container.formats.media_types import PROBABILITIES, PROBABILITY
from container.payloads.tabular_service import TabularService
from container.payloads.types import Answer, Expected, Invocation, Predictions
from container.settings import Settings

__all__ = [
    "PROBABILITIES",
    "PROBABILITY",
    "Answer",
    "Expected",
    "Invocation",
    "ModelNotReady",
    "Predictions",
    "Settings",
    "TabularService",
]
