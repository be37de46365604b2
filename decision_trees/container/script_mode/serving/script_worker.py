"""gunicorn's worker for a user's program: Python's threads and sockets stay what they are."""

import os
from functools import partial
from typing import Any

from gevent import socket

from container import signals
from container.serving import gunicorn_conf


class ScriptWorker(gunicorn_conf.Worker):
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

    def init_signals(self) -> None:
        """Take gunicorn's handlers, but not for what a program forks, such as a pool of processes.

        With them it would not end when it is told to, and the program wait for it for ever.
        """
        super().init_signals()
        os.register_at_fork(after_in_child=partial(signals.restore, self.SIGNALS))
