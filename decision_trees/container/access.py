"""The access log: each request is counted, and one line tells of it, without its payload.

It stands around the Flask app: hooks inside would look the request up a dozen times.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from container import log
from container.board import Slot

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
