"""gunicorn's configuration of what a command line cannot say: hooks in the life of a worker."""

import signal
import sys
from typing import Any


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
