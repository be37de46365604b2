"""gunicorn worker for a user's program, without gevent's replacements in the standard library."""

import os
from functools import partial
from typing import Any

from gevent import socket

from container import signals
from container.serving import gunicorn_conf


class ScriptWorker(gunicorn_conf.Worker):
    """gevent worker that uses gevent's sockets and does not patch the standard library.

    With a patched library, a program in its own thread could not start processes, and its threads
    would be greenlets.

    Source: gunicorn/workers/ggevent.py (patch) and
    https://www.gevent.org/api/gevent.subprocess.html
    """

    def patch(self) -> None:
        """Replace the listeners by gevent's sockets."""
        self.sockets: list[Any] = [
            socket.socket(listener.FAMILY, socket.SOCK_STREAM, fileno=listener.sock.detach())
            for listener in self.sockets
        ]

    def init_signals(self) -> None:
        """Install gunicorn's handlers, but not in processes that the program forks.

        With these handlers, the processes of a pool would not end on SIGTERM, and the program
        would wait for them forever.
        """
        super().init_signals()
        os.register_at_fork(after_in_child=partial(signals.restore, self.SIGNALS))
