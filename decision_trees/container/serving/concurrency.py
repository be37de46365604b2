"""Concurrency of one worker: limits on large requests, and the thread pool that computes them.

Small requests are computed in the event loop. A large one would block it, so it is computed in a
native thread, and other requests and pings are answered meanwhile.
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
from container.payloads.limits import refuse_body
from container.resources import CONCURRENT_BODIES, UNKNOWN_REQUEST_BYTES, give_memory_back

LARGE_BODY_BYTES = 32 * 1024
"""Minimum size of a large body; a smaller one takes less than about 2 ms."""

MAX_QUEUED = 64
"""Maximum number of queued large requests in a worker. nginx keeps their bodies."""

QUIET_BEATS = 5
"""Number of heartbeats without a large request after which a worker releases its free memory."""

_PIECE_BYTES = 128 * 1024
_UNLIMITED = nullcontext()

T = TypeVar("T")


def _ignore(_: int) -> None:
    """Report nothing."""


class Admission:
    """Admission control of one worker: limits concurrent and queued large requests."""

    def __init__(
        self,
        max_concurrent: int = CONCURRENT_BODIES,
        max_queued: int = MAX_QUEUED,
        report_queued: Callable[[int], None] = _ignore,
        request_bytes: int = UNKNOWN_REQUEST_BYTES,
    ) -> None:
        """Set the limits; `report_queued` receives the number of queued requests at each change."""
        self._request_bytes = request_bytes
        self._free = BoundedSemaphore(max_concurrent)
        self._max_queued = max_queued
        self._report_queued = report_queued
        self._n_queued = 0
        self._quiet_beats = QUIET_BEATS

    def admitted(self, n_bytes: int | None) -> AbstractContextManager[None]:
        """Return a context for a request with a body of `n_bytes`, None if the size is unknown.

        A small request enters it at once. A large one waits until fewer than `max_concurrent` are
        inside; it raises ServerBusy if `max_queued` are waiting.

        Raises:
            PayloadTooLarge: the body is too large for the memory of the worker.
        """
        if n_bytes is not None and n_bytes < LARGE_BODY_BYTES:
            return _UNLIMITED
        refuse_body(n_bytes or 0, self._request_bytes)
        return self._limited()

    @contextmanager
    def _limited(self) -> Iterator[None]:
        if self._free.locked() and self._n_queued >= self._max_queued:
            raise ServerBusy(
                f"{self._n_queued} large requests are already queued; retry later or send fewer "
                "at once."
            )
        self._add_queued(1)
        try:
            self._free.acquire()
        finally:
            self._add_queued(-1)
        try:
            yield
        finally:
            self._free.release()
            self._quiet_beats = 0

    def _add_queued(self, number: int) -> None:
        self._n_queued += number
        self._report_queued(self._n_queued)

    def give_back(self) -> None:
        """Release the memory of large requests at the QUIET_BEATS-th call after the last one.

        Until then it stays, because fresh memory would make the next one take half as long again.
        """
        self._quiet_beats += 1
        if self._quiet_beats == QUIET_BEATS:
            numeric.forget()
            give_memory_back()


def read(
    stream: IO[bytes], n_bytes: int | None, request_bytes: int = UNKNOWN_REQUEST_BYTES
) -> bytes:
    """Return the whole body of `n_bytes`, None if the size is unknown.

    Other requests run between the pieces of a body of unknown size. `gunicorn_conf` does the same
    for a large body of known size.

    Raises:
        PayloadTooLarge: a body of unknown size is too large.
    """
    if n_bytes is not None:
        return stream.read(n_bytes)
    body = BytesIO()
    while piece := stream.read(_PIECE_BYTES):
        refuse_body(body.tell() + len(piece), request_bytes)
        body.write(piece)
        if len(piece) == _PIECE_BYTES:
            gevent.sleep(0)
    return body.getvalue()  # no copy, unlike a join of pieces


def call(work: Callable[[], T], body: bytes) -> T:
    """Return `work()`; for a large body it runs in gevent's pool of native threads.

    Raises:
        UserError: as `work` does; any other exception of `work` is raised as well.
    """
    if len(body) < LARGE_BODY_BYTES:
        return work()
    pool = gevent.get_hub().threadpool
    # The pool logs the traceback of every exception. A caller's mistake deserves none.
    result: T | UserError = pool.apply(wrap_errors(UserError, work))
    if isinstance(result, UserError):
        raise result
    return result
