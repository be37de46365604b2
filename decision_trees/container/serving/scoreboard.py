"""The board: what each worker says of itself, for process 1 and for every other worker.

A file that all of them map: a page that says how many workers there are to be, then one page a
slot. A worker writes its own slot only, and maps nothing else to write to; readers map the file
to read. Neither waits for the other: every number is one aligned store of 8 bytes, and no reader
relies on two of them being of the same moment. So a worker may be killed between any two stores.

A worker holds a lock on its slot. The kernel takes the lock from a process that ends, in whatever
way, so a slot without one is free (only a child forked from the worker would keep it). A process
id would seem alive while nobody has waited for it, or when another process has got it. The
counters of a slot go on with its next owner, so that the totals never fall.
"""

import fcntl
import mmap
import os
import struct
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self

from container.errors import PlatformError
from container.serving.metrics import BOUNDS_SECONDS, N_COUNTERS, Totals

BEAT_SECONDS = 1.0
"""How often a worker that is ready gives a heartbeat."""

HEARTBEAT_SECONDS = 5.0
"""A worker whose last heartbeat is older does not answer.

The heartbeat comes from the loop that also takes the requests. Whatever holds that loop up, such
as compiled code that keeps the interpreter's lock, keeps every request waiting too, and pings.
"""

REASON_BYTES = 600

_PAGE = mmap.ALLOCATIONGRANULARITY
_PID, _STATE, _BEAT, _REASON_LENGTH, _EXIT_CODE, _COUNTERS = range(
    6
)  # cells of 8 bytes within a slot
_SUCCEEDED, _CLIENT_ERRORS, _SERVER_ERRORS, _ROWS, _BYTES_IN, _BYTES_OUT, _TIME, _BUCKETS = range(
    _COUNTERS, _COUNTERS + 8
)
_REASON = 8 * (_COUNTERS + N_COUNTERS)  # the offset of its text, in bytes
_NANOSECONDS = 1_000_000_000

Clock = Callable[[], int]
"""Gives nanoseconds, the same in all processes of a container, as CLOCK_MONOTONIC does."""


class State(IntEnum):
    """How far a worker has come."""

    EMPTY = 0
    LOADING = 1
    READY = 2
    FAILED = 3


@dataclass(frozen=True)
class Health:
    """Whether all workers answer; if not, `reason` is a sentence for the body of a 503."""

    ready: bool
    reason: str = ""


_READY = Health(ready=True)


class Slot:
    """What a worker writes about itself. All calls must come from one thread.

    The slot is the worker's until it ends, or until `close`.
    """

    def __init__(self, pages: mmap.mmap, clock: Clock) -> None:
        self._pages = pages
        self._clock = clock
        self._cells = memoryview(pages).cast("q")
        self.loading()  # first of all, since the owner before may have been ready
        self._cells[_PID] = os.getpid()

    def loading(self) -> None:
        """Say that the model is being loaded; a heartbeat is not expected meanwhile."""
        self._cells[_STATE] = State.LOADING

    def ready(self) -> None:
        """Say that requests are answered from now on."""
        self.beat()
        self._cells[_STATE] = State.READY

    def failed(self, reason: str, exit_code: int) -> None:
        """Say why the model cannot be used, and with which code the container is to end.

        Of a long reason REASON_BYTES are kept.
        """
        text = reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
        self._pages[_REASON : _REASON + len(text)] = text
        self._cells[_REASON_LENGTH] = len(text)
        self._cells[_EXIT_CODE] = exit_code
        self._cells[_STATE] = State.FAILED

    def beat(self) -> None:
        """Say that the worker is still there; to be called each BEAT_SECONDS."""
        self._cells[_BEAT] = self._clock()

    def count(self, status: int, rows: int, bytes_in: int, bytes_out: int, seconds: float) -> None:
        """Count one answer."""
        cells = self._cells
        cells[_status_counter(status)] += 1
        cells[_ROWS] += rows
        cells[_BYTES_IN] += bytes_in
        cells[_BYTES_OUT] += bytes_out
        cells[_TIME] += int(seconds * 1_000_000)
        cells[_BUCKETS + bisect_left(BOUNDS_SECONDS, seconds)] += 1

    def close(self) -> None:
        """Give the slot back."""
        self._cells.release()
        self._pages.close()


class Scoreboard:
    """The slots, to read; `claim` gives a worker one to write to."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._pages = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        self._cells = memoryview(self._pages).cast("q")
        self._n_workers = self._cells[0]
        starts = range(_PAGE, len(self._pages), _PAGE)
        self._slots = [(start // 8, flock(fcntl.F_RDLCK, start, _PAGE)) for start in starts]

    @classmethod
    def create(cls, file: Path, n_workers: int, clock: Clock = time.monotonic_ns) -> Self:
        """Make the file and open it; the workers may be another user's processes.

        There are slots for twice the workers, since a reload of gunicorn starts the new ones
        before it ends the old ones, and two to spare.

        Raises:
            PlatformError: the file cannot be made, or the disk is full.
        """
        size = _PAGE * (1 + 2 * n_workers + 2)
        try:
            _allocate(file, size, n_workers)
        except OSError as error:
            raise PlatformError(
                f"{file} cannot be made ({error.strerror}); serve needs {size} bytes there."
            ) from error
        return cls(file, clock)

    @classmethod
    def open(cls, file: Path, clock: Clock = time.monotonic_ns) -> Self:
        """Open what another process has made; raises OSError when it is not there."""
        return cls(file, clock)

    def claim(self) -> Slot:
        """Take a slot that belongs to no living process, and say that the model is being loaded.

        Raises:
            PlatformError: all slots belong to living processes.
        """
        for start in range(_PAGE, len(self._pages), _PAGE):
            with suppress(BlockingIOError):
                return Slot(_lock_and_map(self._file, start), self._clock)
        raise PlatformError(
            f"All {len(self._slots)} slots of {self._file} are taken by living processes, and "
            f"there are to be {self._n_workers} workers; end the others."
        )

    def health(self) -> Health:
        """Say whether as many workers as there are to be are ready and give heartbeats."""
        living = self._living()
        ready = [slot for slot in living if self._cells[slot + _STATE] == State.READY]
        late = {slot: age for slot in ready if (age := self._age(slot)) > HEARTBEAT_SECONDS}
        if len(ready) - len(late) >= self._n_workers:
            return _READY
        for slot in living:
            if self._cells[slot + _STATE] == State.FAILED:
                return Health(ready=False, reason=self._reason(slot))
        for slot, age in late.items():
            pid = self._cells[slot + _PID]
            return Health(False, f"Worker {pid} has not answered for {age:.0f} s; try again.")
        loaded = f"{len(ready)} of {self._n_workers} workers"
        return Health(False, f"The model is loaded in {loaded}; try again.")

    def all_failed(self) -> bool:
        """Say whether every worker is there, and says that the model cannot be used."""
        states = [self._cells[slot + _STATE] for slot in self._living()]
        return len(states) >= self._n_workers and set(states) == {State.FAILED}

    def exit_code(self) -> int:
        """Return with which code the container is to end when all have failed; 0 before that."""
        codes = [self._cells[slot + _EXIT_CODE] for slot in self._living()]
        return max(codes, default=0)

    def totals(self) -> Totals:
        """Add up what the workers have counted, those that have ended too."""
        counters = [
            self._cells[slot + _COUNTERS : slot + _COUNTERS + N_COUNTERS].tolist()
            for slot, _ in self._slots
        ]
        return Totals.from_counters([sum(column) for column in zip(*counters, strict=True)])

    def close(self) -> None:
        """Let go of the file; slots that were claimed stay claimed."""
        self._cells.release()
        self._pages.close()
        os.close(self._descriptor)

    def _living(self) -> list[int]:
        """Return the first cell of each slot whose lock a process holds."""
        return [
            slot
            for slot, question in self._slots
            if self._cells[slot + _STATE]
            and fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, question)[:2] != _UNLOCKED
        ]

    def _age(self, slot: int) -> float:
        """Return the seconds since the last heartbeat."""
        return (self._clock() - self._cells[slot + _BEAT]) / _NANOSECONDS

    def _reason(self, slot: int) -> str:
        start = 8 * slot + _REASON
        length = min(max(self._cells[slot + _REASON_LENGTH], 0), REASON_BYTES)
        return self._pages[start : start + length].decode(errors="replace")


def flock(kind: int, start: int, n_bytes: int) -> bytes:
    """Return a `struct flock`: a lock of this kind on some bytes of a file.

    Source: https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html
    """
    return struct.pack("hhqqi0q", kind, os.SEEK_SET, start, n_bytes, 0)


def _status_counter(status: int) -> int:
    if status < 400:
        return _SUCCEEDED
    return _CLIENT_ERRORS if status < 500 else _SERVER_ERRORS


def _allocate(file: Path, size: int, n_workers: int) -> None:
    """Make the file with all its blocks, so that no later store finds the disk full (SIGBUS)."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o666)
        os.posix_fallocate(descriptor, 0, size)
        os.write(descriptor, struct.pack("q", n_workers))
    finally:
        os.close(descriptor)


def _lock_and_map(file: Path, start: int) -> mmap.mmap:
    """Lock a slot and map it to write; raises BlockingIOError when it is taken.

    The lock is one of an open file, which the mapping keeps open: it ends with the mapping, and
    with nothing else that the process opens or closes.

    Source: https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, flock(fcntl.F_WRLCK, start, _PAGE))
        return mmap.mmap(descriptor, _PAGE, offset=start)
    finally:
        os.close(descriptor)


_UNLOCKED = struct.pack("h", fcntl.F_UNLCK)
