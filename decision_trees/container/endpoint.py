"""The routes of the endpoint: a Flask app around whatever answers the body of a request."""

import json
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from container import log, metrics, offload
from container.admission import Admission
from container.board import Board, Slot
from container.errors import (
    EXIT_NO_MODEL,
    UNEXPECTED,
    ContainerError,
    ModelNotReady,
    ServerBusy,
    SettingsError,
    reply_body,
)
from container.settings import Settings

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
REQUEST_ID = "X-Request-Id"

logger = logging.getLogger(__name__)


class Invocation(NamedTuple):
    """What a request to /invocations brings: its body, and the headers that say how to read it."""

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    attributes: str | None = None
    """The header X-Amzn-SageMaker-Custom-Attributes."""


class Answer(NamedTuple):
    """The body of a reply, its media type, and of how many rows it tells."""

    body: bytes
    media_type: str
    n_rows: int


class Service(Protocol):
    """What answers invocations; for a large body `answer` runs in a thread of its own."""

    def answer(self, invocation: Invocation, /) -> Answer:
        """Return the reply; raises ContainerError with the status and the text of a refusal."""


def create_app(name: str, settings: Settings, load: Callable[[Settings], Service]) -> Flask:
    """Build the app, and load what answers; without it every answer is 503 with the reason.

    Args:
        name: the module of the app.
        settings: how the server runs.
        load: makes the service; raises ModelNotReady, or SettingsError, with the reason.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """
    app = Flask(name)
    board, slot = _joined(settings)
    app.extensions["slot"] = slot
    service = _load(load, settings, slot)
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
        headers = request.headers
        with admission.admitted(request.content_length):
            body = offload.read(request.stream)
            g.n_bytes = len(body)
            invocation = Invocation(
                body, headers.get("Content-Type"), headers.get("Accept"), headers.get(ATTRIBUTES)
            )
            answer = offload.call(lambda: ready.answer(invocation), body)
        g.n_rows = answer.n_rows
        return Response(answer.body, content_type=answer.media_type)

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


def _load(
    load: Callable[[Settings], Service], settings: Settings, slot: Slot
) -> Service | ModelNotReady:
    try:
        service = load(settings)
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


def _ready(service: Service | ModelNotReady) -> Service:
    if isinstance(service, ModelNotReady):
        raise service
    return service


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
