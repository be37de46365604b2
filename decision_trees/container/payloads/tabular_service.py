"""Base class of a scoring service: everything between a request and `predict`."""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from container.errors import ContainerError, NotAcceptable, SettingsError
from container.formats.media_types import CSV, PREDICTED_LABEL, PREDICTED_SCORE
from container.payloads import decoding, limits, negotiation, one_row
from container.payloads.encoding import Encoder
from container.payloads.negotiation import Defaults, ResponseFormat
from container.payloads.types import Answer, Expected, Invocation, Predictions
from container.settings import Settings

M = TypeVar("M")

_SINGLE_OUTPUTS = ((PREDICTED_LABEL,), (PREDICTED_SCORE,))
"""Outputs that `predict_row` can answer."""


class TabularService(ABC, Generic[M]):
    """Answers requests whose bodies are tables of numbers.

    A subclass implements `load` and `predict`. Inherited are content negotiation, every request
    and response format, and the refusal or marking of bad rows.
    """

    def __init__(
        self,
        model: M,
        settings: Settings,
        expected: Expected,
        labels: Sequence[Any] = (),
        predict_row: Callable[["array[float]"], Any] | None = None,
    ) -> None:
        """Prepare to answer requests with a model.

        Args:
            model: available to `predict` as `self.model`.
            settings: defaults for requests that do not ask for an output or a media type.
            expected: the rows that the model accepts.
            labels: all labels in the order of the probabilities, all int, all float or all str;
                empty for a regression model.
            predict_row: optional faster path for a request with a single row. It receives
                n_features numbers, rounded to float32 and none missing, and returns the index of
                the label, or the score of a regression model.

        Raises:
            SettingsError: the default outputs cannot be written in the default media type.
        """
        self.model = model
        self.labels = labels
        self._task = "classification" if labels else "regression"
        self._mark_bad = settings.bad_records == "mark"
        self._defaults = Defaults(settings.default_accept, settings.outputs)
        self._expected = replace(expected, request_bytes=settings.request_bytes)
        self._encoder = Encoder(labels)
        self._has_line_breaks = negotiation.broken_text(labels) is not None
        # The short way of a single row knows no numbers that represent a missing cell.
        self._predict_row = None if expected.notation.na_numbers.size else predict_row
        self._check_defaults()

    @classmethod
    @abstractmethod
    def load(cls, settings: Settings) -> Self:
        """Load the model; raise ModelNotReady with the reason if it cannot be used."""

    @abstractmethod
    def predict(self, features: NDArray[np.float32], outputs: Sequence[str]) -> Predictions:
        """Return the predictions for some rows of a request, in most cases all of them.

        Args:
            features: shape (n_rows, n_features), in the order of training, NaN for a missing cell.
            outputs: what the request asks for; probabilities can be omitted without
                `probability` and `probabilities` among them.
        """

    def answer(self, invocation: Invocation) -> Answer:
        """Return the response to a request: one prediction for each row, in order.

        Raises:
            UserError: the body cannot be read as rows of this model, or the response cannot be
                written as the request asks, or the request needs too much memory.
            ContainerError: `predict` returned another number of rows, or a number not finite.
        """
        form = self._response_format(invocation.accept, invocation.attributes)
        if self._has_line_breaks and form.media_type == CSV and negotiation.has_labels(form):
            negotiation.refuse_line_breaks(self.labels)
        if self._predict_row is not None and form.outputs in _SINGLE_OUTPUTS:
            row = one_row.read(invocation.body, invocation.content_type, self._expected)
            if row is not None:
                return Answer(self._encode_row(self._predict_row(row), form), form.media_type, 1)
        rows = decoding.decode(
            invocation.body, invocation.content_type, self._expected, mark_bad=self._mark_bad
        )
        n_rows = len(rows.features)
        body = self._encoder.encode_pieces(
            self._predictions(rows.features, form),
            n_rows,
            form,
            rows.bad,
            partial(
                limits.refuse_reply,
                n_rows=n_rows,
                n_features=self._expected.n_features,
                request_bytes=self._expected.request_bytes,
            ),
        )
        return Answer(body, form.media_type, n_rows)

    def _predictions(
        self, features: NDArray[np.float32], form: ResponseFormat
    ) -> Iterator[Predictions]:
        """Yield what `predict` returns; raise ContainerError for another number of rows."""
        n_together = self._encoder.rows_together(form, features.shape[1])
        for start in range(0, len(features), n_together):
            piece = features[start : start + n_together]
            predictions = self.predict(piece, form.outputs)
            if len(predictions) != len(piece):
                raise ContainerError(
                    f"The model returned {len(predictions)} predictions for {len(piece)} rows; "
                    "return one for each row from `predict`."
                )
            yield predictions

    def _encode_row(self, prediction: Any, form: ResponseFormat) -> bytes:
        if self.labels:
            return self._encoder.encode_label(prediction, form)
        scores = np.array([prediction], dtype=np.float32)
        return self._encoder.encode(Predictions(scores=scores), form)

    def _response_format(self, accept: str | None, attributes: str | None) -> ResponseFormat:
        """Return the response format that the headers ask for; raise NotAcceptable."""
        form = negotiation.choose(accept, attributes, self._defaults, self._task)
        negotiation.check(form, self.labels)
        return form

    def _check_defaults(self) -> None:
        """Raise SettingsError if a request without headers cannot be answered."""
        try:
            self._response_format(None, None)
        except NotAcceptable as error:
            raise SettingsError(
                "SAGEMAKER_INFERENCE_OUTPUT and SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT do not fit "
                f"this model: {error}"
            ) from error
