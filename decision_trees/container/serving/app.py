"""Flask app of a worker: the routes around a service that answers invocations."""

import json
import logging
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar

from flask import Flask, Response, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, MethodNotAllowed

from container import log, paths
from container.errors import (
    EXIT_NO_MODEL,
    UNEXPECTED,
    ContainerError,
    ModelNotReady,
    ServerBusy,
    SettingsError,
    fault,
    reply_body,
)
from container.payloads.types import Answer, Invocation
from container.serving import concurrency, middleware
from container.serving.concurrency import Admission
from container.serving.middleware import (
    ATTRIBUTES,
    OUTCOME,
    REQUEST_ID,
    AccessLog,
    Environ,
    FastPath,
    ids,
    key,
)
from container.serving.scoreboard import Scoreboard
from container.serving.slot import Slot
from container.settings import Settings

T = TypeVar("T")

_ATTRIBUTES = key(ATTRIBUTES)

logger = logging.getLogger(__name__)


class Service(Protocol):
    """Answers invocations. For a large body, `answer` runs in a thread of gevent's pool."""

    def answer(self, invocation: Invocation, /) -> Answer:
        """Return the response; raises ContainerError with the status and text of a refusal."""


class Executor(Protocol):
    """Runs the code of a service that would block the event loop."""

    def start(self, task: Callable[[], None], /) -> None:
        """Run a task in the event loop, concurrently with requests."""

    def call(self, work: Callable[[], T], seconds: float | None = None, /) -> T:
        """Return `work()`, computed outside the event loop within this time-out."""


def create_app(
    name: str,
    settings: Settings,
    load: Callable[[Settings], Service],
    executor: Executor | None = None,
) -> Flask:
    """Build the app and load its service; without a service every response is 503 with the reason.

    Args:
        name: the module of the app.
        settings: how the server runs.
        load: returns the service; raises ModelNotReady or SettingsError with the reason.
        executor: runs `load` and every answer, while the app answers pings. Without it, `load` runs
            before this function returns, and small requests are computed in the event loop.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """
    app = Flask(name)
    scoreboard, slot = _joined(settings)
    app.extensions["slot"] = slot
    worker = _Worker(settings, slot, executor)
    worker.start(load, scoreboard)
    app.extensions["admission"] = worker.admission

    @app.route("/ping", methods=["GET", "POST"])
    def ping() -> Response:
        slot.beat()
        health = scoreboard.health()
        if not health.ready:
            raise ModelNotReady(health.reason)
        return Response(status=200, content_type="text/plain")

    @app.post("/invocations")
    def invocations() -> Response:
        middleware.raise_failed(request.environ)
        answer = worker.answer(request.environ)
        return Response(answer.body, content_type=answer.media_type)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return Response(_execution_parameters(settings), content_type="application/json")

    @app.get("/metrics")
    def prometheus_metrics() -> Response:
        from container.serving import metrics  # only now: see there

        return Response(metrics.exposition(scoreboard), content_type=metrics.CONTENT_TYPE)

    app.register_error_handler(Exception, _error_reply)
    fast_path = FastPath(app, "invocations", worker.answer)
    app.wsgi_app = AccessLog(fast_path, slot)  # type: ignore[method-assign]
    return app


def _joined(settings: Settings) -> tuple[Scoreboard, Slot]:
    """Return the scoreboard of all workers, or a new one for a single app, and a slot on it."""
    if settings.scoreboard is not None:
        scoreboard = Scoreboard.open(settings.scoreboard)
        return scoreboard, scoreboard.claim()
    with tempfile.TemporaryDirectory(prefix="serve-") as directory:
        scoreboard = Scoreboard.create(Path(directory) / "scoreboard", 1)
        return scoreboard, scoreboard.claim()  # both keep the file open after its removal


class _Worker:
    """Service of this worker, or the reason why there is none; publishes it on the scoreboard."""

    def __init__(self, settings: Settings, slot: Slot, executor: Executor | None) -> None:
        self._settings = settings
        self._slot = slot
        self._executor = executor
        self._service: Service | ModelNotReady = ModelNotReady("The model is being loaded.")
        self.admission = Admission(report_queued=slot.queued, request_bytes=settings.request_bytes)

    def start(self, load: Callable[[Settings], Service], scoreboard: Scoreboard) -> None:
        """Load the service, in the executor if there is one; later if other workers died of it."""
        if reason := scoreboard.why_given_up():
            self._fail(f"{reason} Now there is {self._settings.workers_reason}.", EXIT_NO_MODEL)
            return
        time.sleep(scoreboard.crashes())  # in seconds: memory may be short for a moment
        executor = self._executor
        if executor is None:
            self._load(lambda: load(self._settings))
        else:
            executor.start(lambda: self._load(lambda: executor.call(lambda: load(self._settings))))

    def answer(self, environ: Environ) -> Answer:
        """Return the response to an invocation; raises ContainerError or HTTPException."""
        service = self._service
        if isinstance(service, ModelNotReady):
            raise service
        self._slot.begin()
        try:
            answer = self._admit(service, environ)
        finally:
            self._slot.finish()
        environ[OUTCOME].n_rows = answer.n_rows
        return answer

    def _admit(self, service: Service, environ: Environ) -> Answer:
        n_bytes = int(environ["CONTENT_LENGTH"]) if environ.get("CONTENT_LENGTH") else None
        with self.admission.admitted(n_bytes):
            body = concurrency.read(environ["wsgi.input"], n_bytes, self._settings.request_bytes)
            if n_bytes not in (None, len(body)):
                raise ClientDisconnected
            environ[OUTCOME].n_bytes = len(body)
            middleware.refuse_encoding(environ)
            invocation = Invocation(
                body,
                environ.get("CONTENT_TYPE"),
                environ.get("HTTP_ACCEPT"),
                environ.get(_ATTRIBUTES),
            )
            return self._call(lambda: service.answer(invocation), body)

    def _call(self, work: Callable[[], Answer], body: bytes) -> Answer:
        if self._executor is None:
            return concurrency.call(work, body)
        return self._executor.call(work, self._settings.timeout_seconds)

    def _load(self, load: Callable[[], Service]) -> None:
        try:
            self._service = load()
        except SettingsError as error:
            self._fail(str(error), error.exit_code)
        except ModelNotReady as error:
            self._fail(f"{error}{paths.why_unreadable(error)}", EXIT_NO_MODEL)
        except Exception as error:
            logger.error("the model cannot be loaded", exc_info=error)
            self._fail(f"{_reason(error)}{paths.why_unreadable(error)}", EXIT_NO_MODEL)
        else:
            self._slot.ready()
            logger.info("worker is ready with the model in %s", self._settings.paths.model)

    def _fail(self, reason: str, exit_code: int) -> None:
        logger.error("%s", reason)
        self._service = ModelNotReady(reason)
        self._slot.failed(reason, exit_code)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError | MemoryError):
        return f"The model cannot be used: {type(error).__name__}: {error}."
    return f"{fault('predictor.py', error)}; its traceback is in the log."


def _execution_parameters(settings: Settings) -> str:
    """Return how the platform should split a batch.

    BatchStrategy is left out. Its default is MULTI_RECORD, but the local mode of the SDK rejects
    that name.
    """
    transforms, megabytes = settings.max_concurrent_transforms, settings.mini_batch_megabytes
    return json.dumps({"MaxConcurrentTransforms": transforms, "MaxPayloadInMB": megabytes})


def _error_reply(error: Exception) -> Response:
    """Return the JSON response to any error; the only place that builds one."""
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
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        request.environ[OUTCOME].refuse(name, error, message)
    body = reply_body(name, message, row, column, request.headers.get(REQUEST_ID))
    response = Response(body, status=status, content_type="application/json")
    if isinstance(error, ServerBusy):
        response.headers["Retry-After"] = "1"
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _log_failure(error: BaseException) -> None:
    logger.error("a request failed", exc_info=error, extra={log.FIELDS: ids(request.environ)})
