"""gunicorn's workers, as its command line cannot say them: serving.py names this module there."""

import signal
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.workers.ggevent import GeventWorker

from container.errors import UNEXPECTED, reply_body


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """A gevent worker that refuses what it cannot read in JSON, as every other error is told."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Log the error as gunicorn does, and send its status with a body of JSON."""
        page = _Page()
        super().handle_error(req, page, addr, exc)
        with suppress(OSError):  # the client has gone
            client.sendall(_reply(HTTPStatus(page.status)))


class _Page:
    """Stands in for the client while gunicorn writes its page of HTML; keeps the status."""

    status = 500

    def gettimeout(self) -> float:
        """Say that writing needs no waiting."""
        return 0.0

    def sendall(self, page: bytes) -> None:
        """Read the status from the first line, such as `HTTP/1.1 400 Bad Request`."""
        self.status = int(page.split(maxsplit=2)[1])


def _reply(status: HTTPStatus) -> bytes:
    message = UNEXPECTED
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        message = f"The request cannot be read ({status.phrase}); correct its address or headers."
    name = "".join(filter(str.isalpha, status.phrase))
    body = reply_body(name, message)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def post_fork(arbiter: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn names the arguments
    """Let a worker that has just been forked end on SIGTERM, before it has its own handlers.

    Until then it has the master's handler, which puts the signal into a queue that no worker
    reads: the worker would go on, and the master wait for it until the graceful time-out.

    Source: gunicorn/arbiter.py (spawn_worker, signal), gunicorn/workers/base.py (init_signals).
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while not arbiter.SIG_QUEUE.empty():
        if arbiter.SIG_QUEUE.get_nowait() == signal.SIGTERM:
            sys.exit(0)
