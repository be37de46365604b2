"""WSGI middleware around the Flask app: the access log, and a fast path for invocations.

The access log counts each request and writes one line without the payload. It is no Flask hook,
because a hook would look the request up a dozen times.

The fast path answers a successful POST /invocations without Flask's routing and contexts, which
take more CPU time than the prediction of a tree. Flask answers all errors, and all requests once
the app has hooks or listeners.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import flask.signals
from flask import Flask

from container import log
from container.errors import MESSAGE_CHARACTERS, UnsupportedMediaType
from container.serving.slot import Slot

OUTCOME = "endpoint.outcome"
"""Key of the `Outcome` in the environ, which the app fills in."""

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
REQUEST_ID = "X-Request-Id"

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]
Headers = list[tuple[str, str]]

logger = logging.getLogger(__name__)


def key(header: str) -> str:
    """Return the key of a header in the environ."""
    return "HTTP_" + header.upper().replace("-", "_")


_ECHOED = [(key(header), header) for header in (ATTRIBUTES, INFERENCE_ID)]
_ENCODING = key("Content-Encoding")
_IDS = [
    (key(REQUEST_ID), "request_id"),
    (key(INFERENCE_ID), "inference_id"),
    (key(ATTRIBUTES), "custom_attributes"),
]


def refuse_encoding(environ: Environ) -> None:
    """Raise UnsupportedMediaType for a request body that is compressed."""
    encoding = environ.get(_ENCODING)
    if encoding and {name.strip().lower() for name in encoding.split(",")} - {"", "identity"}:
        raise UnsupportedMediaType(
            f"The content encoding is {encoding!r:.60}; send the body uncompressed."
        )


class Outcome:
    """Sizes of a request, and why it was refused; the app sets them."""

    __slots__ = ("n_bytes", "n_rows", "refusal")

    def __init__(self) -> None:
        self.n_bytes = self.n_rows = 0
        self.refusal: dict[str, Any] = {}

    def refuse(self, name: str, error: Exception, message: str) -> None:
        """Set the fields of the access log for a refused request: the reason without values."""
        text = message[:MESSAGE_CHARACTERS]
        reason = log.without_values(text) if getattr(error, "may_be_logged", True) else None
        place = {field: getattr(error, field, None) for field in ("row", "column")}
        fields = {"error": name, "reason": reason, **place}
        self.refusal = {field: value for field, value in fields.items() if value is not None}


class AccessLog:
    """Middleware that counts each request in the worker's slot and logs it."""

    def __init__(self, app: App, slot: Slot) -> None:
        self._app = app
        self._slot = slot

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Return the response of the app, and echo the headers that belong to the client.

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
        """
        start = time.perf_counter()
        environ[OUTCOME] = Outcome()

        def start_noted(status: str, headers: Headers, *exc_info: Any) -> Any:
            echoed = [(header, environ[name]) for name, header in _ECHOED if name in environ]
            self._note(environ, int(status[:3]), headers, time.perf_counter() - start)
            return start_response(status, headers + echoed, *exc_info)

        return self._app(environ, start_noted)

    def _note(self, environ: Environ, status: int, headers: Headers, seconds: float) -> None:
        """Count and log a request, except a successful ping."""
        path = environ["PATH_INFO"]
        is_ping = path == "/ping"
        if is_ping and status == 200:
            return
        outcome = environ[OUTCOME]
        n_bytes_out = int(dict(headers).get("Content-Length", 0))
        if not is_ping:  # each start has failed pings
            self._slot.count(status, outcome.n_rows, outcome.n_bytes, n_bytes_out, seconds)
        fields = {
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "status": status,
            "rows": outcome.n_rows,
            "bytes_in": outcome.n_bytes,
            "bytes_out": n_bytes_out,
            "milliseconds": round(seconds * 1000, 3),
            **ids(environ),
            **outcome.refusal,
        }
        level = logging.INFO if status < 400 else logging.WARNING
        logger.log(level, "request", extra={log.FIELDS: fields})


def ids(environ: Environ) -> dict[str, Any]:
    """Return the ids that the client or the platform gave the request."""
    return {field: environ[name] for name, field in _IDS if name in environ}


_ERROR = "endpoint.error"
_SIGNALS = (
    flask.signals.appcontext_pushed,
    flask.signals.request_started,
    flask.signals.request_finished,
    flask.signals.request_tearing_down,
)


class FastPath:
    """Middleware that answers one route, by POST, without Flask."""

    def __init__(
        self, app: Flask, endpoint: str, answer: Callable[[Environ], tuple[bytes, str, int]]
    ) -> None:
        """Wrap `app.wsgi_app`.

        Args:
            app: the Flask app; the view of the route begins with `raise_failed`.
            endpoint: Flask's name of the route; its path is the name with a slash before it.
            answer: returns body, media type and number of rows; raises errors that the error
                handlers of the app accept.
        """
        self._flask = app
        self._endpoint = endpoint
        self._path = f"/{endpoint}"
        self._view = app.view_functions[endpoint]
        self._answer = answer
        self._wsgi_app = app.wsgi_app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Return the same response as Flask would."""
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
        """Return whether the app has hooks or listeners, or another view for the route."""
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
    """Raise the error of the fast path, if there was one."""
    if _ERROR in environ:
        raise environ[_ERROR]
