"""Admission: how many large bodies a worker takes at once, how many wait, and who comes again.

A large body is read and worked on so that others do not wait for it: the work has a thread.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from typing import IO, TypeVar

import gevent
from gevent.lock import BoundedSemaphore
from gevent.util import wrap_errors

from container.errors import ServerBusy, UserError
from container.formats import numeric
from container.resources import give_memory_back

AT_ONCE = 2
"""So many large bodies are in a worker's memory: one is read while the other is worked on."""

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
            numeric.forget()
            give_memory_back()


LARGE_BODY_BYTES = 32 * 1024
"""A body of this size takes longer than a millisecond or two."""

_PIECE_BYTES = 128 * 1024

T = TypeVar("T")


def read(stream: IO[bytes], n_bytes: int | None) -> bytes:
    """Return all of a body of `n_bytes`, None where that is not known.

    Between the pieces of a large one other requests have their turn; workers.py sees to that where
    it is known how large it is.
    """
    if n_bytes is not None:
        return stream.read(n_bytes)
    body = BytesIO()
    while piece := stream.read(_PIECE_BYTES):
        body.write(piece)
        if len(piece) == _PIECE_BYTES:
            gevent.sleep(0)
    return body.getvalue()  # without a copy, unlike a join of pieces


def call(work: Callable[[], T], body: bytes) -> T:
    """Return `work()`; for a large body it runs in gevent's pool of native threads.

    Raises:
        UserError: as `work` does, and whatever else it raises.
    """
    if len(body) < LARGE_BODY_BYTES:
        return work()
    pool = gevent.get_hub().threadpool
    # The pool would log the traceback of a caller's mistake, so it gets it as a value.
    result: T | UserError = pool.apply(wrap_errors(UserError, work))
    if isinstance(result, UserError):
        raise result
    return result
