"""Admission: how many large bodies a worker takes at once, how many wait, and who comes again."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from gevent.lock import BoundedSemaphore

from container import numbers
from container.errors import ServerBusy
from container.offload import LARGE_BODY_BYTES
from container.resources import give_memory_back

AT_ONCE = 2
"""So many large bodies are in a worker's memory: one is read while the other is worked on."""

AT_ONCE_SHARED = 1
"""The same where the workers are more than the cores: others work while this one reads.

A second body would wait for its turn until the caches have forgotten it.
"""

WAITING = 64
"""So many more wait in a worker, their bodies with nginx, which keeps the largest in files."""

QUIET_BEATS = 5
"""So many heartbeats without a large body pass before memory is given back: others may follow."""

_OPEN = nullcontext()


class Admission:
    """The door of one worker."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._free = BoundedSemaphore(at_once)
        self._may_wait = waiting
        self._waiting = 0
        self._quiet_beats = QUIET_BEATS

    def admitted(self, n_bytes: int | None) -> AbstractContextManager[None]:
        """Return what waits until there is room for a body of `n_bytes`, None if that is not known.

        Small bodies have room at once. Entering it raises ServerBusy when too many wait already.
        """
        is_small = n_bytes is not None and n_bytes < LARGE_BODY_BYTES
        return _OPEN if is_small else self._in_turn()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
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
            self._quiet_beats = 0

    def give_back(self) -> None:
        """Give the memory of large bodies back to the system, at the QUIET_BEATS-th call after.

        Fresh memory would cost each of them half its time again.
        """
        self._quiet_beats += 1
        if self._quiet_beats == QUIET_BEATS:
            numbers.forget()
            give_memory_back()
