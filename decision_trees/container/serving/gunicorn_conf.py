"""Configuration module of gunicorn: its worker class, its logger and its server hooks.

Four places rely on private parts of gunicorn and gevent, each with a test that fails when they
change. `Worker.init_process` sets the time of gunicorn's heartbeat. `_LargeBody` uses gunicorn's
reader of a body. `_OneWrite` and `_Page` rely on the order in which gunicorn writes to a socket.
`Worker.patch` replaces gevent's search for plugins.

Source of the hooks: https://docs.gunicorn.org/en/stable/settings.html#server-hooks
"""

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Any

import gevent
from gevent import events
from gunicorn.glogging import Logger
from gunicorn.http.body import Body, LengthReader
from gunicorn.workers.ggevent import GeventWorker

from container import log, signals
from container.errors import UNEXPECTED, reply_body
from container.serving.concurrency import LARGE_BODY_BYTES

_SWITCH_SECONDS = 0.001
_LOADING_SECONDS = 7 * 86_400  # more than any setting
_FIRST_BYTES = 64 * 1024  # of a larger body no more is copied


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """A gevent worker that responds in JSON to a request that it cannot read."""

    def init_process(self) -> None:
        """Make threads that compute large requests yield to the event loop soon; then run.

        gunicorn's time-out begins when the app has been loaded: the next heartbeat is then now.
        Until then `serve` watches.

        Source: gunicorn/arbiter.py (murder_workers), gunicorn/workers/workertmp.py
        """
        sys.setswitchinterval(_SWITCH_SECONDS)
        later = time.monotonic() + _LOADING_SECONDS
        os.utime(self.tmp.fileno(), (later, later))
        super().init_process()

    def patch(self) -> None:
        """Replace the blocking parts of the standard library by gevent's, without its plugins.

        To find plugins, gevent reads the metadata of every package 25 times in each worker.

        Source: gevent/events.py (notify_and_call_entry_points).
        """
        events.notify_and_call_entry_points = events.notify
        super().patch()

    def notify(self) -> None:
        """Publish a heartbeat to gunicorn's master and the scoreboard, once a second."""
        super().notify()
        if self.wsgi is not None:
            self.wsgi.extensions["slot"].beat()
            self.wsgi.extensions["admission"].give_back()

    def handle_request(self, listener_name: str, req: Any, sock: Any, addr: Any) -> None:
        """Answer a request; a worker that is killed meanwhile leaves no head without a body."""
        reader = req.body.reader
        if isinstance(reader, LengthReader) and reader.length >= LARGE_BODY_BYTES:
            req.body = _LargeBody(reader)
        joined = _OneWrite(sock)
        super().handle_request(listener_name, req, joined, addr)
        joined.flush()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Log the error as gunicorn does, and send its status with a JSON body."""
        page = _Page()
        super().handle_error(req, page, addr, exc)
        with suppress(OSError):  # the client has gone
            client.sendall(_reply(HTTPStatus(page.status)))


class _LargeBody(Body):  # type: ignore[misc]
    """A body whose pieces are received in their final place; gunicorn copies each five times.

    Source: gunicorn/http/body.py (Body.read), gunicorn/http/unreader.py (Unreader.read).
    """

    def read(self, size: int | None = None) -> bytes:
        """Return the next `size` bytes, or fewer if the client closes the connection.

        Other requests run between the pieces of a whole body.
        """
        if not size or size != self.reader.length or self.buf.tell():
            part: bytes = super().read(size)
            return part
        reader, unreader = self.reader, self.reader.unreader
        body = BytesIO(bytes(size))  # above 32 MB the system allocates a page when it is written
        reader.length -= body.write(unreader.take_buffered())
        with body.getbuffer() as place:
            while found := unreader.sock.recv_into(place[size - reader.length :]):
                reader.length -= found
                gevent.sleep(0)
        body.truncate(size - reader.length)
        return body.getvalue()


class _OneWrite:
    """A socket that sends the head of a response together with its body.

    gunicorn sends them separately. If the worker were killed between the two, nginx would forward
    the head without the body.

    Source: gunicorn/http/wsgi.py (Response.send_headers, Response.write).
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._head: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, data: bytes) -> None:
        """Keep the head, which comes first, and send it with the first part of the body."""
        if self._head is None:
            self._head = data
            return
        first = self._head + data[:_FIRST_BYTES]
        self._head = b""
        self._client.sendall(first)
        if len(data) > _FIRST_BYTES:
            self._client.sendall(memoryview(data)[_FIRST_BYTES:])

    def flush(self) -> None:
        """Send the head of a response without a body."""
        if self._head:
            self._client.sendall(self._head)


class _Page:
    """Replacement of the client's socket: keeps the status of gunicorn's HTML page."""

    status = 500

    def gettimeout(self) -> float:
        """Return the time-out of a socket that never waits."""
        return 0.0

    def sendall(self, page: bytes) -> None:
        """Read the status from the first line, such as `HTTP/1.1 400 Bad Request`."""
        self.status = int(page.split(maxsplit=2)[1])


def _reply(status: HTTPStatus) -> bytes:
    message = UNEXPECTED
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        message = f"The request cannot be read ({status.phrase}); correct its address or headers."
    name = "".join(filter(str.isalpha, status.phrase))
    if status == HTTPStatus.REQUEST_URI_TOO_LONG:
        name = "UriTooLong"  # as in nginx.conf; the phrase depends on the version of Python
    body = reply_body(name, message)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Log(Logger):  # type: ignore[misc]
    """gunicorn's logger without an access log, which the app writes."""

    access_log_enabled = False  # otherwise gunicorn formats each line and drops it


logconfig_dict = log.gunicorn_logging()
logger_class = Log


def on_starting(arbiter: Any) -> None:  # noqa: ARG001 - gunicorn names the arguments
    """Block stop signals in this process while it forks a worker.

    The worker inherits the block and ends it in `post_fork`. Otherwise a stop signal that reaches
    it before it has its own handlers would be lost, and the master would wait for it until the
    graceful time-out.

    Source: gunicorn/arbiter.py (spawn_worker, kill_workers)
    """
    master = os.getpid()

    def mask(how: int) -> None:
        if os.getpid() == master:  # a worker inherits this function
            signal.pthread_sigmask(how, signals.STOP)

    os.register_at_fork(
        before=partial(mask, signal.SIG_BLOCK), after_in_parent=partial(mask, signal.SIG_UNBLOCK)
    )


def post_fork(arbiter: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn names the arguments
    """Make a new worker exit on SIGTERM until it has its own handlers.

    Until then it has the master's handler, which puts the signal into a queue that no worker reads.

    Source: gunicorn/arbiter.py (spawn_worker, signal), gunicorn/workers/base.py (init_signals)
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signals.unblock()


def when_ready(arbiter: Any) -> None:
    """Fork all workers at once; gunicorn would pause up to 0.1 s after each.

    Source: gunicorn/arbiter.py (spawn_workers)
    """
    for _ in range(arbiter.num_workers):
        arbiter.spawn_worker()


def worker_exit(arbiter: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn names the arguments
    """Allow the objects from before the fork to be collected, while what they need still exists."""
    gc.unfreeze()
