"""The endpoint: a Flask app that answers /ping and /invocations."""

import logging
import time
from pathlib import Path
from typing import Self

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from artifact import model as artifact
from artifact.model import Model
from artifact.record import REGRESSION, ArtifactError
from container import content, offload
from container.errors import (
    UNEXPECTED,
    ContainerError,
    MalformedPayload,
    ModelNotReady,
    reply_body,
)
from container.settings import Settings

logger = logging.getLogger(__name__)


class ScoringService:
    """The model, and how it answers the body of a request."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._lines = content.encode_labels(model.record.labels)

    @classmethod
    def load(cls, directory: Path, threads: int) -> Self:
        """Load the artifact in `directory`; raises ModelNotReady with the reason."""
        try:
            return cls(artifact.load(directory, threads))
        except ArtifactError as error:
            raise ModelNotReady(f"The model cannot be used: {error}.") from error

    def answer(self, body: bytes, content_type: str | None) -> bytes:
        """Return one label or score a line, in the order of the rows of `body`.

        Raises:
            UserError: the body cannot be read as rows for this model.
        """
        # YOURS: change the next lines if a payload is no table of numbers.
        features = content.decode(body, content_type, self.model.record.n_features)
        if not self.model.record.accepts_missing:
            _refuse_missing(features)
        return self._predictions(features)

    def _predictions(self, features: content.Features) -> bytes:
        # YOURS: change the next lines if a reply is to hold anything else.
        if self.model.record.task == REGRESSION:
            return content.encode_scores(self.model.scores(features))
        return content.encode(self.model.predict(features), self._lines)


def create_app(settings: Settings) -> Flask:
    """Build the app and load its model; without a usable model it answers 503 with the reason.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    """
    app = Flask(__name__)
    service = _load(settings)

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        _ready(service)
        return Response(status=200, content_type="text/plain")

    @app.post("/invocations")
    def invocations() -> Response:
        body = request.get_data(cache=False)
        content_type = request.headers.get("Content-Type")
        answer = offload.answer(_ready(service).answer, body, content_type)
        return Response(answer, content_type=content.CSV)

    app.before_request(_start_clock)
    app.after_request(_log_request)
    app.register_error_handler(Exception, _error_reply)
    return app


def _load(settings: Settings) -> ScoringService | ModelNotReady:
    threads = max(1, settings.cores // settings.workers)
    try:
        service = ScoringService.load(settings.paths.model, threads)
    except ModelNotReady as error:
        logger.error("%s", error)
        return error
    logger.info("model loaded from %s, its probe is answered", settings.paths.model)
    return service


def _ready(service: ScoringService | ModelNotReady) -> ScoringService:
    if isinstance(service, ModelNotReady):
        raise service
    return service


def _refuse_missing(features: content.Features) -> None:
    row, column = content.first_missing(features)
    if row:
        raise MalformedPayload(
            f"Row {row}, column {column} is missing; this model was made by an estimator that "
            "accepts no missing values; send a number."
        )


def _error_reply(error: Exception) -> Response:
    """Turn any error into a JSON reply; the one place that does."""
    if isinstance(error, ContainerError):
        status, message = error.status, str(error)
    elif isinstance(error, HTTPException):
        status, message = error.code or 500, str(error.description)
    else:
        logger.error("a request failed", exc_info=error)
        status, message = 500, UNEXPECTED
    name = type(error).__name__ if status != 500 else "InternalError"
    body = reply_body(name, message)
    return Response(body, status=status, content_type="application/json")


def _start_clock() -> None:
    g.start = time.perf_counter()


def _log_request(response: Response) -> Response:
    """Write one line a request, without its payload; a good ping is not worth one."""
    if request.path != "/ping" or response.status_code != 200:
        milliseconds = (time.perf_counter() - g.start) * 1000
        logger.log(
            logging.INFO if response.status_code < 400 else logging.WARNING,
            "%s %s %d, %d bytes in, %d out, %.1f ms",
            request.method,
            request.path,
            response.status_code,
            request.content_length or 0,
            len(response.get_data()),
            milliseconds,
        )
    return response
