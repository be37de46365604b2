"""The endpoint: a Flask app that answers /invocations, /ping and what the platform asks beside."""

import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from artifact import model as artifact
from artifact.model import Model
from artifact.record import REGRESSION, ArtifactError
from container import accept, decoding, log, metrics, offload
from container.accept import Defaults, Reply
from container.admission import Admission
from container.answers import Answers
from container.board import Board, Slot
from container.encoding import Encoder
from container.errors import (
    EXIT_NO_MODEL,
    UNEXPECTED,
    ContainerError,
    MalformedPayload,
    ModelNotReady,
    NotAcceptable,
    ServerBusy,
    SettingsError,
    reply_body,
)
from container.media import PROBABILITIES, PROBABILITY
from container.rows import Expected, Rows
from container.settings import Settings

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
REQUEST_ID = "X-Request-Id"

logger = logging.getLogger(__name__)


class Answered(NamedTuple):
    """The body of a reply, and of how many rows it tells."""

    body: bytes
    n_rows: int


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
            self.reply_to(None, None)
        except NotAcceptable as error:
            raise SettingsError(
                f"SAGEMAKER_INFERENCE_OUTPUT and SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT do not go "
                f"together with this model: {error}"
            ) from error

    def reply_to(self, accepted: str | None, attributes: str | None) -> Reply:
        """Return the form of reply that two headers ask for; raises NotAcceptable."""
        record = self.model.record
        reply = accept.choose(accepted, attributes, self._defaults, record.task)
        accept.check(reply, record.labels)
        return reply

    def answer(self, body: bytes, content_type: str | None, reply: Reply) -> Answered:
        """Return one answer for each row of `body`, in their order.

        Raises:
            UserError: the body cannot be read as rows for this model.
        """
        # YOURS: change the next lines if a payload is no table of numbers.
        rows = decoding.decode(body, content_type, self._expected, mark_bad=self._mark_bad)
        if not self.model.record.accepts_missing:
            rows = _without_missing(rows, self._mark_bad)
        answers = self._answers(rows, reply)
        return Answered(self._encoder.encode(answers, reply, rows.bad), len(rows.features))

    def _answers(self, rows: Rows, reply: Reply) -> Answers:
        # YOURS: change the next lines if the model is asked in another way.
        labels = self.model.record.labels
        if self.model.record.task == REGRESSION:
            return Answers(scores=self.model.scores(rows.features))
        probabilities = self.model.probabilities(rows.features)
        wanted = {PROBABILITY, PROBABILITIES} & set(reply.outputs)
        return Answers(labels, probabilities.argmax(axis=1), probabilities if wanted else None)


def create_app(settings: Settings) -> Flask:
    """Build the app and load its model; without a usable model it answers 503 with the reason.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """
    app = Flask(__name__)
    board, slot = _joined(settings)
    app.extensions["slot"] = slot
    service = _load(settings, slot)
    admission = Admission()

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        slot.beat()
        health = board.health()
        if not health.ready:
            raise ModelNotReady(health.reason)
        return Response(status=200, content_type="text/plain")

    @app.post("/invocations")
    def invocations() -> Response:
        ready = _ready(service)
        reply = ready.reply_to(request.headers.get("Accept"), request.headers.get(ATTRIBUTES))
        content_type = request.headers.get("Content-Type")
        with admission.admitted(request.content_length):
            body = offload.read(request.stream)
            g.n_bytes = len(body)
            answered = offload.call(lambda: ready.answer(body, content_type, reply), body)
        g.n_rows = answered.n_rows
        return Response(answered.body, content_type=reply.media_type)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return Response(_execution_parameters(settings), content_type="application/json")

    @app.get("/metrics")
    def metrics_text() -> Response:
        return Response(metrics.prometheus(board.totals()), content_type=metrics.PROMETHEUS)

    app.before_request(_start_clock)
    app.after_request(_echo)
    app.after_request(lambda response: _note(response, slot))
    app.register_error_handler(Exception, _error_reply)
    return app


def _joined(settings: Settings) -> tuple[Board, Slot]:
    """Return the board of all workers, or one for an app that is alone, and a place on it."""
    if settings.board is not None:
        board = Board.open(settings.board)
        return board, board.claim()
    with tempfile.TemporaryDirectory(prefix="serve-") as directory:
        board = Board.create(Path(directory) / "board", 1)
        return board, board.claim()  # both keep the file after its name has gone


def _load(settings: Settings, slot: Slot) -> ScoringService | ModelNotReady:
    try:
        service = ScoringService.load(settings)
    except ModelNotReady as error:
        logger.error("%s", error)
        slot.failed(str(error), EXIT_NO_MODEL)
        return error
    except SettingsError as error:
        logger.error("%s", error)
        slot.failed(str(error), error.exit_code)
        return ModelNotReady(str(error))
    slot.ready()
    logger.info("model loaded from %s, its probe is answered", settings.paths.model)
    return service


def _ready(service: ScoringService | ModelNotReady) -> ScoringService:
    if isinstance(service, ModelNotReady):
        raise service
    return service


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


def _execution_parameters(settings: Settings) -> str:
    """Return how the platform should split a batch.

    BatchStrategy stays out: what the platform takes without it is MULTI_RECORD, which the local
    mode of its SDK refuses by that name.
    """
    return json.dumps(
        {
            "MaxConcurrentTransforms": settings.max_concurrent_transforms,
            "MaxPayloadInMB": settings.mini_batch_megabytes,
        }
    )


def _error_reply(error: Exception) -> Response:
    """Turn any error into a JSON reply; the one place that does."""
    if isinstance(error, ContainerError):
        status, message = error.status, str(error)
    elif isinstance(error, HTTPException):
        status, message = error.code or 500, str(error.description)
    else:
        logger.error("a request failed", exc_info=error, extra={log.FIELDS: _ids()})
        status, message = 500, UNEXPECTED
    name = type(error).__name__ if status != 500 else "InternalError"
    row, column = getattr(error, "row", None), getattr(error, "column", None)
    body = reply_body(name, message, row, column, request.headers.get(REQUEST_ID))
    response = Response(body, status=status, content_type="application/json")
    if isinstance(error, ServerBusy):
        response.headers["Retry-After"] = "1"
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _start_clock() -> None:
    g.start = time.perf_counter()
    g.n_rows = g.n_bytes = 0


def _echo(response: Response) -> Response:
    """Give back what the platform hands through to the client."""
    for name in (ATTRIBUTES, INFERENCE_ID):
        if name in request.headers:
            response.headers[name] = request.headers[name]
    return response


def _note(response: Response, slot: Slot) -> Response:
    """Count a request and write one line of it, without its payload; a good ping is worth none."""
    if request.path == "/ping" and response.status_code == 200:
        return response
    seconds = time.perf_counter() - g.start
    n_bytes_out = response.content_length or 0
    if request.path != "/ping":  # its failures are part of each start
        slot.count(response.status_code, g.n_rows, g.n_bytes, n_bytes_out, seconds)
    fields = {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "rows": g.n_rows,
        "bytes_in": g.n_bytes,
        "bytes_out": n_bytes_out,
        "milliseconds": round(seconds * 1000, 3),
        **_ids(),
    }
    level = logging.INFO if response.status_code < 400 else logging.WARNING
    logger.log(level, "request", extra={log.FIELDS: fields})
    return response


def _ids() -> dict[str, Any]:
    """Return what tells this request from others, as far as it came with the request."""
    headers = {
        "request_id": REQUEST_ID,
        "inference_id": INFERENCE_ID,
        "custom_attributes": ATTRIBUTES,
    }
    return {
        field: request.headers[name] for field, name in headers.items() if name in request.headers
    }
