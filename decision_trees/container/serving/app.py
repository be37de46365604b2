"""The routes of the endpoint: a Flask app around whatever answers the body of a request."""

import json
import logging
import tempfile
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar

from flask import Flask, Response, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, MethodNotAllowed

from container import log
from container.errors import (
    EXIT_NO_MODEL,
    UNEXPECTED,
    ContainerError,
    ModelNotReady,
    ServerBusy,
    SettingsError,
    reply_body,
)
from container.payloads.types import Answer, Invocation
from container.serving import concurrency, metrics, middleware
from container.serving.concurrency import Admission
from container.serving.middleware import (
    ATTRIBUTES,
    REQUEST_ID,
    SIZES,
    AccessLog,
    Environ,
    Shortcut,
    ids,
    key,
)
from container.serving.scoreboard import Scoreboard, Slot
from container.settings import Settings

T = TypeVar("T")

_ATTRIBUTES = key(ATTRIBUTES)

logger = logging.getLogger(__name__)


class Service(Protocol):
    """What answers invocations; for a large body `answer` runs in a thread of its own."""

    def answer(self, invocation: Invocation, /) -> Answer:
        """Return the reply; raises ContainerError with the status and the text of a refusal."""


class Thread(Protocol):
    """Where a service is loaded and asked that would hold up the loop."""

    def start(self, task: Callable[[], None], /) -> None:
        """Run a task in the loop, beside the requests."""

    def call(self, work: Callable[[], T], seconds: float | None = None, /) -> T:
        """Return `work()`, computed outside the loop, within so many seconds."""


def create_app(
    name: str,
    settings: Settings,
    load: Callable[[Settings], Service],
    thread: Thread | None = None,
) -> Flask:
    """Build the app, and load what answers; without it every answer is 503 with the reason.

    Args:
        name: the module of the app.
        settings: how the server runs.
        load: makes the service; raises ModelNotReady, or SettingsError, with the reason.
        thread: where `load` and every answer are computed, while the app answers pings; without
            it `load` is done first, and the answer to a small body is computed in the loop.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """
    app = Flask(name)
    board, slot = _joined(settings)
    app.extensions["slot"] = slot
    state = _State(settings, slot, thread)
    state.start(load)
    app.extensions["admission"] = state.admission

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        slot.beat()
        health = board.health()
        if not health.ready:
            raise ModelNotReady(health.reason)
        return Response(status=200, content_type="text/plain")

    @app.post("/invocations")
    def invocations() -> Response:
        middleware.raise_failed(request.environ)
        answer = state.answer(request.environ)
        return Response(answer.body, content_type=answer.media_type)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return Response(_execution_parameters(settings), content_type="application/json")

    @app.get("/metrics")
    def metrics_text() -> Response:
        return Response(metrics.prometheus(board.totals()), content_type=metrics.PROMETHEUS)

    app.register_error_handler(Exception, _error_reply)
    short_way = Shortcut(app, "invocations", state.answer)
    app.wsgi_app = AccessLog(short_way, slot)  # type: ignore[method-assign]
    return app


def _joined(settings: Settings) -> tuple[Scoreboard, Slot]:
    """Return the board of all workers, or one for an app that is alone, and a place on it."""
    if settings.board is not None:
        board = Scoreboard.open(settings.board)
        return board, board.claim()
    with tempfile.TemporaryDirectory(prefix="serve-") as directory:
        board = Scoreboard.create(Path(directory) / "board", 1)
        return board, board.claim()  # both keep the file after its name has gone


class _State:
    """What answers, or why nothing does; the board is told."""

    def __init__(self, settings: Settings, slot: Slot, thread: Thread | None) -> None:
        self._settings = settings
        self._slot = slot
        self._thread = thread
        self._service: Service | ModelNotReady = ModelNotReady("The model is being loaded.")
        self.admission = Admission()

    def start(self, load: Callable[[Settings], Service]) -> None:
        """Load what answers, in the thread if there is one."""
        thread = self._thread
        if thread is None:
            self._load(lambda: load(self._settings))
        else:
            thread.start(lambda: self._load(lambda: thread.call(lambda: load(self._settings))))

    def answer(self, environ: Environ) -> Answer:
        """Return the reply to a request; raises ContainerError or HTTPException."""
        service = self._ready()
        n_bytes = int(environ["CONTENT_LENGTH"]) if environ.get("CONTENT_LENGTH") else None
        with self.admission.admitted(n_bytes):
            body = concurrency.read(environ["wsgi.input"], n_bytes)
            if n_bytes not in (None, len(body)):
                raise ClientDisconnected
            environ[SIZES].n_bytes = len(body)
            invocation = Invocation(
                body,
                environ.get("CONTENT_TYPE"),
                environ.get("HTTP_ACCEPT"),
                environ.get(_ATTRIBUTES),
            )
            answer = self._call(lambda: service.answer(invocation), body)
        environ[SIZES].n_rows = answer.n_rows
        return answer

    def _ready(self) -> Service:
        if isinstance(self._service, ModelNotReady):
            raise self._service
        return self._service

    def _call(self, work: Callable[[], Answer], body: bytes) -> Answer:
        """Return `work()`, computed where such a body is worked on."""
        if self._thread is None:
            return concurrency.call(work, body)
        return self._thread.call(work, self._settings.timeout_seconds)

    def _load(self, load: Callable[[], Service]) -> None:
        try:
            self._service = load()
        except ModelNotReady as error:
            self._fail(error, EXIT_NO_MODEL)
        except SettingsError as error:
            self._fail(ModelNotReady(str(error)), error.exit_code)
        else:
            self._slot.ready()
            logger.info("this worker is ready, with the model of %s", self._settings.paths.model)

    def _fail(self, error: ModelNotReady, exit_code: int) -> None:
        logger.error("%s", error)
        self._service = error
        self._slot.failed(str(error), exit_code)


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
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and error.__cause__ is not None:
            _log_failure(error.__cause__)
    elif isinstance(error, HTTPException):
        status, message = error.code or 500, str(error.description)
    else:
        _log_failure(error)
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


def _log_failure(error: BaseException) -> None:
    logger.error("a request failed", exc_info=error, extra={log.FIELDS: ids(request.environ)})
