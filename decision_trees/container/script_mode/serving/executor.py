"""The one thread of a worker in which a user's program runs: one call at a time, beside the loop.

Such code may take seconds, and may not bear two calls at once. In a thread of its own it keeps
neither /ping nor the heartbeat waiting, and the thread that loads the model also asks it.
"""

import logging
import os
from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool
from gevent.util import wrap_errors

from container.errors import ServerBusy
from container.script_mode.serving.failures import CallTimeout

_LAST_WORDS_SECONDS = 0.5  # for the reply that says why

T = TypeVar("T")

logger = logging.getLogger(__name__)


class OneThread:
    """Calls come in turn."""

    def __init__(self, end: Callable[[], None] = lambda: os._exit(1)) -> None:
        """Make the thread; `end` ends the process when a call does not come back."""
        self._pool = ThreadPool(1)
        self._free = BoundedSemaphore(1)
        self._end = end

    def start(self, task: Callable[[], None]) -> None:
        """Run a task in the loop, beside the requests."""
        gevent.spawn(task)

    def call(self, work: Callable[[], T], seconds: float | None = None, /) -> T:
        """Return `work()`, computed in the thread when all calls before it are done.

        Args:
            work: what to compute.
            seconds: how long to wait for the turn, and then for the result; None for ever.

        Raises:
            ServerBusy: the calls before it have taken too long.
            CallTimeout: the call has taken too long. As no thread can be stopped, the worker ends
                after the reply, and gunicorn starts another.
        """
        if not self._free.acquire(timeout=seconds):
            raise ServerBusy(
                f"The requests before this one have taken {seconds:g} s; come again, or run more "
                "workers with MODEL_SERVER_WORKERS."
            )
        with gevent.Timeout(seconds, False):
            # The pool would log the traceback of a caller's mistake, so it gets it as a value.
            result: T | BaseException = self._pool.apply(wrap_errors(BaseException, work))
            self._free.release()
            if isinstance(result, BaseException):
                raise result
            return result
        raise self._overdue(seconds)

    def _overdue(self, seconds: float | None) -> CallTimeout:
        """End the worker soon; the turn of the others never comes."""
        message = f"The program has not answered within {seconds:g} s"
        logger.error("%s; this worker ends, and another takes its place", message)
        gevent.spawn_later(_LAST_WORDS_SECONDS, self._end)
        return CallTimeout(f"{message}; send fewer rows at once, or raise MODEL_SERVER_TIMEOUT.")
