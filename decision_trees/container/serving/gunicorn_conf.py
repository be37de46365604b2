"""gunicorn's workers, as its command line cannot say them: serving.py names this module there."""

import gc
import signal
import sys
from contextlib import suppress
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
_FIRST_BYTES = 64 * 1024  # of a larger body no more is copied


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """A gevent worker that refuses what it cannot read in JSON, as every other error is told."""

    def init_process(self) -> None:
        """Let threads that work on large bodies give way to the loop soon; then run."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        super().init_process()

    def patch(self) -> None:
        """Let gevent replace what blocks in the standard library, and ask no plugins about it.

        To find them it would read the metadata of every package, 25 times in each worker: longer
        than all else that a worker does before it is ready.

        Source: gevent/events.py (notify_and_call_entry_points).
        """
        events.notify_and_call_entry_points = events.notify
        super().patch()

    def notify(self) -> None:
        """Give a heartbeat to gunicorn's master, as each second, and to the board; tidy up."""
        super().notify()
        if self.wsgi is not None:
            self.wsgi.extensions["slot"].beat()
            self.wsgi.extensions["admission"].give_back()

    def handle_request(self, listener_name: str, req: Any, sock: Any, addr: Any) -> None:
        """Answer a request; a worker that is killed meanwhile leaves no head without its body."""
        reader = req.body.reader
        if isinstance(reader, LengthReader) and reader.length >= LARGE_BODY_BYTES:
            req.body = _LargeBody(reader)
        joined = _OneWrite(sock)
        super().handle_request(listener_name, req, joined, addr)
        joined.flush()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Log the error as gunicorn does, and send its status with a body of JSON."""
        page = _Page()
        super().handle_error(req, page, addr, exc)
        with suppress(OSError):  # the client has gone
            client.sendall(_reply(HTTPStatus(page.status)))


class _LargeBody(Body):  # type: ignore[misc]
    """A body whose pieces are received to where they stay; gunicorn copies each five times.

    Source: gunicorn/http/body.py (Body.read), gunicorn/http/unreader.py (Unreader.read).
    """

    def read(self, size: int | None = None) -> bytes:
        """Return the next `size` bytes, or fewer when the client has gone.

        Between the pieces of the whole body other requests have their turn.
        """
        if not size or size != self.reader.length or self.buf.tell():
            part: bytes = super().read(size)
            return part
        reader, unreader = self.reader, self.reader.unreader
        body = BytesIO(bytes(size))  # more than 32 MB the system clears page by page, as it comes
        reader.length -= body.write(unreader.take_buffered())
        with body.getbuffer() as place:
            while found := unreader.sock.recv_into(place[size - reader.length :]):
                reader.length -= found
                gevent.sleep(0)
        body.truncate(size - reader.length)
        return body.getvalue()


class _OneWrite:
    """A socket that sends the head of a reply together with its body, which gunicorn does not.

    nginx would pass on the head alone, as a reply whose body is empty, when the worker is killed
    between the two.

    Source: gunicorn/http/wsgi.py (Response.send_headers, Response.write).
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._head: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, data: bytes) -> None:
        """Keep the head; send everything else at once, the head before it."""
        if self._head is None:
            self._head = data
            return
        first = self._head + data[:_FIRST_BYTES]
        self._head = b""
        self._client.sendall(first)
        if len(data) > _FIRST_BYTES:
            self._client.sendall(memoryview(data)[_FIRST_BYTES:])

    def flush(self) -> None:
        """Send the head of a reply that has no body."""
        if self._head:
            self._client.sendall(self._head)


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


class Log(Logger):  # type: ignore[misc]
    """gunicorn's log without its line for each request: the app writes one."""

    access_log_enabled = False  # gunicorn would make the line up, and then drop it


logconfig_dict = log.gunicorn_logging()
logger_class = Log


def when_ready(arbiter: Any) -> None:
    """Fork the workers at once; gunicorn would pause up to 0.1 s after each.

    A stop that comes to a worker, these or later ones, while it is forked is not lost: the master
    would wait for that worker until the graceful time-out.

    Source: gunicorn/arbiter.py (spawn_workers, spawn_worker, kill_workers).
    """
    arbiter.spawn_worker = signals.blocked()(arbiter.spawn_worker)
    for _ in range(arbiter.num_workers):
        arbiter.spawn_worker()


def worker_exit(arbiter: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn names the arguments
    """Let what came before the fork be cleared in order, while there is all that it needs."""
    gc.unfreeze()


def post_fork(arbiter: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn names the arguments
    """Let a worker that has just been forked end on SIGTERM, before it has its own handlers.

    Until then it has the master's handler, which puts the signal into a queue that no worker reads.

    Source: gunicorn/arbiter.py (spawn_worker, signal), gunicorn/workers/base.py (init_signals).
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signals.unblock()
