"""gunicorn's worker for a user's program: Python's threads and sockets stay what they are."""

from typing import Any

from gevent import socket

from container import workers


class Worker(workers.Worker):
    """A gevent worker that serves by gevent's own sockets, and leaves the standard library alone.

    With the library replaced, a program in a thread of its own could start no process, and its
    threads would be none.

    Source: gunicorn/workers/ggevent.py (patch) and
    https://www.gevent.org/api/gevent.subprocess.html
    """

    def patch(self) -> None:
        """Make gevent's sockets of the listeners."""
        self.sockets: list[Any] = [
            socket.socket(listener.FAMILY, socket.SOCK_STREAM, fileno=listener.sock.detach())
            for listener in self.sockets
        ]
