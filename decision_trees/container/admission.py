"""Admission: how many large bodies a worker takes at once, how many wait, and who comes again."""

from collections.abc import Iterator
from contextlib import contextmanager

from gevent.lock import BoundedSemaphore

from container.errors import ServerBusy
from container.offload import LARGE_BODY_BYTES

AT_ONCE = 2
"""So many large bodies are in a worker's memory: one is read while the other is worked on."""

WAITING = 64
"""So many more wait in a worker, their bodies with nginx, where they cost a file and no memory."""


class Admission:
    """The door of one worker."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._free = BoundedSemaphore(at_once)
        self._may_wait = waiting
        self._waiting = 0

    @contextmanager
    def admitted(self, n_bytes: int | None) -> Iterator[None]:
        """Wait until there is room for a body of `n_bytes`, None where that is not known.

        Small bodies have room at once.

        Raises:
            ServerBusy: too many wait already.
        """
        if n_bytes is not None and n_bytes < LARGE_BODY_BYTES:
            yield
            return
        if self._free.locked() and self._waiting >= self._may_wait:
            raise ServerBusy(
                f"{self._waiting} large requests wait already; come again, or send fewer at once."
            )
        self._waiting += 1
        try:
            self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
