"""The access log: each request is counted, and one line tells of it, without its payload.

It stands around the Flask app: hooks inside would look the request up a dozen times.

Past Flask: an invocation that goes well needs neither its routing nor its contexts.

They cost more than a tree does. Whatever goes wrong is told by Flask, like every other error, and
as soon as somebody hangs something into the app, every request goes its way.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import flask.signals
from flask import Flask

from container import log
from container.serving.scoreboard import Slot

SIZES = "endpoint.sizes"
"""The key of the environ under which the app finds the `Sizes` to fill in."""

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
REQUEST_ID = "X-Request-Id"

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]
Headers = list[tuple[str, str]]

logger = logging.getLogger(__name__)


def key(header: str) -> str:
    """Return what WSGI calls a header in the environ."""
    return "HTTP_" + header.upper().replace("-", "_")


_ECHOED = [(key(header), header) for header in (ATTRIBUTES, INFERENCE_ID)]
_IDS = [
    (key(REQUEST_ID), "request_id"),
    (key(INFERENCE_ID), "inference_id"),
    (key(ATTRIBUTES), "custom_attributes"),
]


class Sizes:
    """How much a request brought: the app sets both."""

    __slots__ = ("n_bytes", "n_rows")

    def __init__(self) -> None:
        self.n_bytes = self.n_rows = 0


class AccessLog:
    """A WSGI app around another; the counts go to the slot of the worker."""

    def __init__(self, app: App, slot: Slot) -> None:
        self._app = app
        self._slot = slot

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer as the app does, and give back the headers that are the client's own.

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
        """
        start = time.perf_counter()
        environ[SIZES] = Sizes()

        def start_noted(status: str, headers: Headers, *exc_info: Any) -> Any:
            echoed = [(header, environ[name]) for name, header in _ECHOED if name in environ]
            self._note(environ, int(status[:3]), headers, time.perf_counter() - start)
            return start_response(status, headers + echoed, *exc_info)

        return self._app(environ, start_noted)

    def _note(self, environ: Environ, status: int, headers: Headers, seconds: float) -> None:
        """Count a request and write its line; a good ping is worth none."""
        path = environ["PATH_INFO"]
        is_ping = path == "/ping"
        if is_ping and status == 200:
            return
        sizes = environ[SIZES]
        n_bytes_out = next((int(size) for name, size in headers if name == "Content-Length"), 0)
        if not is_ping:  # its failures are part of each start
            self._slot.count(status, sizes.n_rows, sizes.n_bytes, n_bytes_out, seconds)
        fields = {
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "status": status,
            "rows": sizes.n_rows,
            "bytes_in": sizes.n_bytes,
            "bytes_out": n_bytes_out,
            "milliseconds": round(seconds * 1000, 3),
            **ids(environ),
        }
        _write(logging.INFO if status < 400 else logging.WARNING, fields)


def ids(environ: Environ) -> dict[str, Any]:
    """Return what tells a request from others, as far as it came with it."""
    return {field: environ[name] for name, field in _IDS if name in environ}


def _write(level: int, fields: dict[str, Any]) -> None:
    """Log a line as `logger.log` does, which would look for the caller on each request."""
    if logger.isEnabledFor(level):
        record = logging.LogRecord(logger.name, level, "", 0, "request", (), None)
        setattr(record, log.FIELDS, fields)
        logger.handle(record)


_ERROR = "endpoint.error"
_SIGNALS = (
    flask.signals.appcontext_pushed,
    flask.signals.request_started,
    flask.signals.request_finished,
    flask.signals.request_tearing_down,
)


class Shortcut:
    """A WSGI app before that of Flask, for one route and method of it."""

    def __init__(
        self, app: Flask, endpoint: str, answer: Callable[[Environ], tuple[bytes, str, int]]
    ) -> None:
        """Take the place of `app.wsgi_app`.

        Args:
            app: it has the route; its view begins with `raise_failed`.
            endpoint: what Flask calls the route; its path is the same with a slash, for POST.
            answer: makes the body of a reply, its media type, and the number of its rows; raises
                what Flask's error handlers know.
        """
        self._flask = app
        self._endpoint = endpoint
        self._path = f"/{endpoint}"
        self._view = app.view_functions[endpoint]
        self._answer = answer
        self._wsgi_app = app.wsgi_app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer as Flask would, if it would."""
        is_ours = environ["PATH_INFO"] == self._path and environ["REQUEST_METHOD"] == "POST"
        if not is_ours or self._is_changed():
            return self._wsgi_app(environ, start_response)
        try:
            body, media_type, _ = self._answer(environ)
        except Exception as error:  # noqa: BLE001 - the view raises it again
            environ[_ERROR] = error
            return self._wsgi_app(environ, start_response)
        headers = [("Content-Type", media_type), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    def _is_changed(self) -> bool:
        """Say whether anybody has to hear of a request, or answers it."""
        app = self._flask
        hooks = (
            app.before_request_funcs
            or app.after_request_funcs
            or app.teardown_request_funcs
            or app.teardown_appcontext_funcs
            or app.url_value_preprocessors
            or any(signal.receivers for signal in _SIGNALS)
        )
        return bool(hooks) or app.view_functions[self._endpoint] is not self._view


def raise_failed(environ: Environ) -> None:
    """Raise what has kept the shortcut from an answer, if anything has."""
    if _ERROR in environ:
        raise environ[_ERROR]
