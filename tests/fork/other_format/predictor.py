"""The endpoint of a model that is no ONNX graph: what differs is how it is loaded and asked."""

from typing import Self

from flask import Flask

import algorithm
from container.errors import ModelNotReady
from container.payloads import decoding, negotiation
from container.payloads.encoding import Encoder
from container.payloads.negotiation import Defaults
from container.payloads.types import Expected, Predictions
from container.serving import app
from container.serving.app import Answer, Invocation
from container.settings import Settings


def create_app(settings: Settings) -> Flask:
    """Build the app and load its model; without a usable model it answers 503 with the reason."""
    return app.create_app(__name__, settings, ScoringService.load)


class ScoringService:
    """The model, and how it answers the body of a request."""

    def __init__(self, window: algorithm.Window, settings: Settings) -> None:
        self._window = window
        self._mark_bad = settings.bad_records == "mark"
        self._defaults = Defaults(settings.default_accept, settings.outputs)
        self._expected = Expected(window.features.shape[1], window.names)
        self._encoder = Encoder(window.labels)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Load the model; raises ModelNotReady with the reason."""
        try:
            return cls(algorithm.load(settings.paths.model), settings)
        except (OSError, ValueError, KeyError) as error:
            raise ModelNotReady(f"The model cannot be used: {error}; train again.") from error

    def answer(self, invocation: Invocation) -> Answer:
        """Return one answer for each row of a request; raises UserError."""
        labels = self._window.labels
        reply = negotiation.choose(
            invocation.accept, invocation.attributes, self._defaults, "classification"
        )
        negotiation.check(reply, labels)
        rows = decoding.decode(
            invocation.body, invocation.content_type, self._expected, mark_bad=self._mark_bad
        )
        probabilities = self._window.probabilities(rows.features)
        answers = Predictions(labels, probabilities.argmax(axis=1), probabilities)
        body = self._encoder.encode(answers, reply, rows.bad)
        return Answer(body, reply.media_type, len(rows.features))
