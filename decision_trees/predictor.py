"""The endpoint: how the model answers /invocations. Edit it if a payload is no table of numbers."""

from typing import Self

import numpy as np
from flask import Flask

from artifact import model as artifact
from artifact.metadata import REGRESSION, ArtifactError
from artifact.model import Model
from container.errors import MalformedPayload, ModelNotReady, NotAcceptable, SettingsError
from container.formats.media_types import (
    PREDICTED_LABEL,
    PREDICTED_SCORE,
    PROBABILITIES,
    PROBABILITY,
)
from container.payloads import decoding, negotiation, one_row
from container.payloads.encoding import Encoder
from container.payloads.negotiation import Defaults, ResponseFormat
from container.payloads.types import Expected, Predictions, Rows
from container.serving import app
from container.serving.app import Answer, Invocation
from container.settings import Settings

_OF_A_TREE = ((PREDICTED_LABEL,), (PREDICTED_SCORE,))
"""Outputs that the walk from the root of a tree ends with."""


def create_app(settings: Settings) -> Flask:
    """Build the app and load its model; without a usable model it answers 503 with the reason."""
    return app.create_app(__name__, settings, ScoringService.load)


class ScoringService:
    """The model, and how it answers the body of a request."""

    def __init__(self, model: Model, settings: Settings) -> None:
        record = model.record
        self.model = model
        self._mark_bad = settings.bad_records == "mark"
        self._defaults = Defaults(settings.default_accept, settings.outputs)
        self._expected = Expected(record.n_features, record.feature_names, record.libsvm_base)
        self._encoder = Encoder(record.labels)
        self._check_defaults()

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Load the artifact; raises ModelNotReady with the reason."""
        try:
            return cls(artifact.load(settings.paths.model, settings.threads), settings)
        except ArtifactError as error:
            raise ModelNotReady(f"The model cannot be used: {error}.") from error

    def _check_defaults(self) -> None:
        """Raise SettingsError when no reply can be what the settings ask for."""
        try:
            self._reply_to(None, None)
        except NotAcceptable as error:
            raise SettingsError(
                f"SAGEMAKER_INFERENCE_OUTPUT and SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT do not go "
                f"together with this model: {error}"
            ) from error

    def _reply_to(self, accepted: str | None, attributes: str | None) -> ResponseFormat:
        """Return the form of reply that two headers ask for; raises NotAcceptable."""
        record = self.model.record
        reply = negotiation.choose(accepted, attributes, self._defaults, record.task)
        negotiation.check(reply, record.labels)
        return reply

    def answer(self, invocation: Invocation) -> Answer:
        """Return one answer for each row of a request, in their order.

        Raises:
            UserError: the body cannot be read as rows for this model, or there is no reply in the
                form that is wanted.
        """
        reply = self._reply_to(invocation.accept, invocation.attributes)
        if (body := self._of_one_row(invocation, reply)) is not None:
            return Answer(body, reply.media_type, 1)
        # YOURS: change the next lines if a payload is no table of numbers.
        rows = decoding.decode(
            invocation.body, invocation.content_type, self._expected, mark_bad=self._mark_bad
        )
        if not self.model.record.accepts_missing:
            rows = _without_missing(rows, self._mark_bad)
        answers = self._answers(rows, reply)
        body = self._encoder.encode(answers, reply, rows.bad)
        return Answer(body, reply.media_type, len(rows.features))

    def _of_one_row(self, invocation: Invocation, reply: ResponseFormat) -> bytes | None:
        """Return the answer of a tree to one plain row, sooner than the lines above; else None."""
        tree = self.model.tree
        if tree is None or reply.outputs not in _OF_A_TREE:
            return None
        row = one_row.read(invocation.body, invocation.content_type, self._expected)
        if row is None:
            return None
        if self.model.record.task == REGRESSION:
            scores = np.array([tree.score(row)], dtype=np.float32)
            return self._encoder.encode(Predictions(scores=scores), reply)
        return self._encoder.encode_label(tree.label(row), reply)

    def _answers(self, rows: Rows, reply: ResponseFormat) -> Predictions:
        # YOURS: change the next lines if the model is asked in another way.
        labels = self.model.record.labels
        if self.model.record.task == REGRESSION:
            return Predictions(scores=self.model.scores(rows.features))
        if not {PROBABILITY, PROBABILITIES} & set(reply.outputs):
            return Predictions(labels, self.model.predict(rows.features))
        probabilities = self.model.probabilities(rows.features)
        return Predictions(labels, probabilities.argmax(axis=1), probabilities)


def _without_missing(rows: Rows, mark_bad: bool) -> Rows:
    """Refuse or mark rows with missing cells, for a model that takes none."""
    missing = np.isnan(rows.features)
    wrong = [int(row) for row in np.flatnonzero(missing.any(axis=1)) if row not in rows.bad]
    reasons = {row: int(missing[row].argmax()) + 1 for row in wrong}
    if wrong and not mark_bad:
        row, column = wrong[0] + 1, reasons[wrong[0]]
        raise MalformedPayload(
            f"Row {row}, column {column} is missing; this model was made by an estimator that "
            "accepts no missing values; send a number.",
            row,
            column,
        )
    marked = {row: f"column {column} is missing" for row, column in reasons.items()}
    return Rows(rows.features, {**rows.bad, **marked})
