"""Executor with one thread for a user's program, next to the event loop of its worker.

The program may need seconds for a call and may not be thread-safe. In its own thread it delays
neither /ping nor the heartbeat, and the same thread loads the model and uses it.
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
from container.script_mode.serving.script_errors import CallTimeout

_REPLY_SECONDS = 0.5  # to send the reply before the process ends

T = TypeVar("T")

logger = logging.getLogger(__name__)


class SingleThreadExecutor:
    """Runs one call at a time, always in the same thread."""

    def __init__(self, end: Callable[[], None] = lambda: os._exit(1)) -> None:
        """Create the thread; `end` is called to end the process after a call that timed out."""
        self._pool = ThreadPool(1)
        self._free = BoundedSemaphore(1)
        self._end = end

    def start(self, task: Callable[[], None]) -> None:
        """Run a task in the event loop, concurrently with requests."""
        gevent.spawn(task)

    def call(self, work: Callable[[], T], seconds: float | None = None, /) -> T:
        """Return `work()`, computed in the thread after all earlier calls.

        Args:
            work: the call.
            seconds: maximum time to wait for the thread, and then for the result; None: no limit.

        Raises:
            ServerBusy: earlier calls took too long.
            CallTimeout: the call took too long. Because a thread cannot be stopped, the worker
                exits after the reply, and gunicorn starts a new one.
        """
        if not self._free.acquire(timeout=seconds):
            raise ServerBusy(
                f"Earlier requests took more than {seconds:g} s; retry later, or run more workers "
                "with MODEL_SERVER_WORKERS."
            )
        with gevent.Timeout(seconds, False):
            # Exceptions are returned as values, because the pool logs the traceback of each.
            result: T | BaseException = self._pool.apply(wrap_errors(BaseException, work))
            self._free.release()
            if isinstance(result, BaseException):
                raise result
            return result
        raise self._timed_out(seconds)

    def _timed_out(self, seconds: float | None) -> CallTimeout:
        """Schedule the end of the worker; calls that wait for the thread are not run."""
        message = f"The program did not answer within {seconds:g} s"
        logger.error("%s; this worker exits and is replaced", message)
        gevent.spawn_later(_REPLY_SECONDS, self._end)
        return CallTimeout(f"{message}; send fewer rows at once, or raise MODEL_SERVER_TIMEOUT.")
