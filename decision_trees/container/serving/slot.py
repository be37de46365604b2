"""Slot of one worker on the scoreboard: its state, its heartbeat, its gauges and its counters.

A slot is one page of a shared memory map. Every number is one aligned store of 8 bytes. No reader
relies on two numbers of the same moment, so a worker may be killed between any two stores.
"""

import mmap
import os
from bisect import bisect_left
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, Self

PAGE_BYTES = mmap.ALLOCATIONGRANULARITY

REASON_BYTES = 600
"""Maximum length of the reason of a failure, in bytes."""

_STEPS = (1, 1.5, 2.2, 3.3, 4.7, 6.8)
BOUNDS_SECONDS = (*(float(f"{step}e{ten}") for ten in range(-4, 2) for step in _STEPS), 100.0)
"""Upper bounds of the buckets of the latency histogram; one more bucket takes slower requests.

Each bound is about 1.5 times the one before (series E6 of IEC 60063).
"""

N_BUCKETS = len(BOUNDS_SECONDS) + 1

Clock = Callable[[], int]
"""Returns nanoseconds, the same in all processes of a container, as CLOCK_MONOTONIC does."""


class State(IntEnum):
    """State of a worker."""

    EMPTY = 0
    LOADING = 1
    READY = 2
    FAILED = 3


class Counters(NamedTuple):
    """Numbers of answered requests since the server started; none of them ever decreases.

    A reader may come between two steps of `Slot.count`, so the numbers may differ by the requests
    that are being counted at that moment.
    """

    succeeded: int = 0
    """Requests with a status below 400."""

    client_errors: int = 0
    server_errors: int = 0
    rows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    microseconds: int = 0
    """Sum of the latencies."""

    buckets: tuple[int, ...] = (0,) * N_BUCKETS
    """Requests by latency: bucket i is above bound i - 1 and at most bound i."""

    @classmethod
    def sum_of(cls, all_counters: list[list[int]]) -> Self:
        """Add up lists as `SlotReader.counters` returns them."""
        sums = [sum(column) for column in zip(*all_counters, strict=True)]
        succeeded, client, server, rows, bytes_in, bytes_out, microseconds, *buckets = sums
        return cls(
            succeeded, client, server, rows, bytes_in, bytes_out, microseconds, tuple(buckets)
        )


# The cells of 8 bytes within a slot. The counters have the order of `Counters`.
_PID, _STATE, _BEAT, _REASON_LENGTH, _EXIT_CODE, _IN_PROGRESS, _QUEUED = range(7)
_CRASHES, _COUNTERS = range(7, 9)
_SUCCEEDED, _CLIENT_ERRORS, _SERVER_ERRORS, _ROWS, _BYTES_IN, _BYTES_OUT, _TIME, _BUCKETS = range(
    _COUNTERS, _COUNTERS + len(Counters._fields)
)
_END = _BUCKETS + N_BUCKETS
_REASON = 8 * _END  # the offset of the text, in bytes


class Slot:
    """Writer of a slot: the worker that owns it. All calls must come from one thread.

    The worker owns the slot until it exits, or until `close`.
    """

    def __init__(self, page: mmap.mmap, clock: Clock) -> None:
        self._page = page
        self._clock = clock
        self._cells = memoryview(page).cast("q")
        self._cells[_CRASHES] += self._cells[_STATE] == State.LOADING  # so the last owner died
        self.loading()  # first, because the previous owner may have been ready
        self._cells[_PID] = os.getpid()
        self._cells[_IN_PROGRESS] = self._cells[_QUEUED] = 0

    def loading(self) -> None:
        """Report that the model is being loaded; no heartbeat is expected meanwhile."""
        self._cells[_STATE] = State.LOADING

    def ready(self) -> None:
        """Report that the worker answers requests from now on."""
        self.beat()
        self._cells[_CRASHES] = 0
        self._cells[_STATE] = State.READY

    def failed(self, reason: str, exit_code: int) -> None:
        """Report why the model cannot be used, and the exit code that the container should have.

        A longer reason is cut to REASON_BYTES.
        """
        whole = reason.encode(errors="backslashreplace")
        text = whole[:REASON_BYTES].decode(errors="ignore").encode()
        self._page[_REASON : _REASON + len(text)] = text
        self._cells[_REASON_LENGTH] = len(text)
        self._cells[_EXIT_CODE] = exit_code
        self._cells[_STATE] = State.FAILED

    def beat(self) -> None:
        """Publish a heartbeat; to be called once a second."""
        self._cells[_BEAT] = self._clock()

    def begin(self) -> None:
        """Report that an invocation is in progress."""
        self._cells[_IN_PROGRESS] += 1

    def finish(self) -> None:
        """Report that an invocation is no longer in progress."""
        self._cells[_IN_PROGRESS] -= 1

    def queued(self, number: int) -> None:
        """Report the number of large requests that are queued."""
        self._cells[_QUEUED] = number

    def count(self, status: int, rows: int, bytes_in: int, bytes_out: int, seconds: float) -> None:
        """Count one answered request."""
        cells = self._cells
        errors = _CLIENT_ERRORS if status < 500 else _SERVER_ERRORS
        cells[_SUCCEEDED if status < 400 else errors] += 1
        cells[_ROWS] += rows
        cells[_BYTES_IN] += bytes_in
        cells[_BYTES_OUT] += bytes_out
        cells[_TIME] += int(seconds * 1_000_000)
        cells[_BUCKETS + bisect_left(BOUNDS_SECONDS, seconds)] += 1

    def close(self) -> None:
        """Release the slot."""
        self._cells.release()
        self._page.close()


class SlotReader:
    """Reader of a slot. It may hold any bytes if its owner died between two stores."""

    def __init__(self, page: memoryview) -> None:
        self._page = page
        self._cells = page.cast("q")

    @property
    def pid(self) -> int:
        """Process id of the owner."""
        return self._cells[_PID]

    @property
    def state(self) -> int:
        """One of `State`."""
        return self._cells[_STATE]

    @property
    def beat(self) -> int:
        """Time of the last heartbeat, in nanoseconds."""
        return self._cells[_BEAT]

    @property
    def exit_code(self) -> int:
        """Exit code that the container should have, 0 without a failure."""
        return self._cells[_EXIT_CODE]

    @property
    def crashes(self) -> int:
        """Number of owners in succession that died while they loaded the model."""
        return self._cells[_CRASHES]

    @property
    def in_progress(self) -> int:
        """Number of invocations in progress."""
        return self._cells[_IN_PROGRESS]

    @property
    def queued(self) -> int:
        """Number of large requests that are queued."""
        return self._cells[_QUEUED]

    @property
    def reason(self) -> str:
        """Why the model cannot be used."""
        length = min(max(self._cells[_REASON_LENGTH], 0), REASON_BYTES)
        return bytes(self._page[_REASON : _REASON + length]).decode(errors="replace")

    @property
    def counters(self) -> list[int]:
        """Counters of all owners of this slot, in the order of `Counters`."""
        return self._cells[_COUNTERS:_END].tolist()

    def close(self) -> None:
        """Release the memory."""
        self._cells.release()
        self._page.release()
