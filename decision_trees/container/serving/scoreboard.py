"""Shared-memory scoreboard: each worker publishes its state; `serve` and all workers read it.

The scoreboard is a file that all of them map: a page with the expected number of workers, then one
page for each slot. A worker writes only to its own slot. Readers have a read-only map. Nobody waits
for anybody else.

A worker holds a lock on its slot. The kernel releases the lock when the process exits, in whatever
way, so a slot without a lock is free. (A child forked from the worker would keep the lock.) Process
ids would not do: a process exists until its parent has waited for it, and an id may be reused.
The next owner of a slot continues its counters, so the totals never decrease.
"""

import fcntl
import mmap
import os
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container.errors import PlatformError
from container.serving.slot import PAGE_BYTES, Clock, Counters, Slot, SlotReader, State

HEARTBEAT_SECONDS = 5.0
"""Maximum age of the last heartbeat of a worker that counts as ready.

The event loop that handles requests also publishes the heartbeat, once a second. Whatever blocks
the loop, such as compiled code that holds the interpreter's lock, blocks all requests and pings.
"""

MAX_CRASHES = 3
"""Number of workers that may die while they load the model; then no other one tries."""

_NANOSECONDS = 1_000_000_000
_UNLOCKED = struct.pack("h", fcntl.F_UNLCK)


@dataclass(frozen=True)
class Health:
    """Whether all workers are ready; otherwise `reason` is a sentence for the body of a 503."""

    ready: bool
    reason: str = ""


_READY = Health(ready=True)


@dataclass(frozen=True)
class Gauges:
    """Numbers of the present moment, over all living workers."""

    workers: int
    """Workers that are expected."""

    ready: int
    """Workers that answer requests."""

    loaded: bool
    """Whether at least one worker has loaded the model."""

    in_progress: int
    """Invocations that are being read, are queued or are computed."""

    queued: int
    """Large invocations that wait for admission."""


class Scoreboard:
    """Reader of all slots; `claim` returns a slot to write to."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._map = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        (self._n_workers,) = struct.unpack_from("q", self._map)
        self._starts = range(PAGE_BYTES, len(self._map), PAGE_BYTES)
        with memoryview(self._map) as pages:
            self._slots = [SlotReader(pages[start : start + PAGE_BYTES]) for start in self._starts]
        self._questions = [_flock(fcntl.F_RDLCK, start) for start in self._starts]

    @classmethod
    def create(cls, file: Path, n_workers: int, clock: Clock = time.monotonic_ns) -> Self:
        """Create the file and open it; the workers may run as another user.

        There are twice as many slots as workers, because a reload of gunicorn starts the new
        workers before it stops the old ones, and two spare slots.

        Raises:
            PlatformError: the file cannot be created, or the disk is full.
        """
        size = PAGE_BYTES * (1 + 2 * n_workers + 2)
        try:
            _allocate(file, size, n_workers)
        except OSError as error:
            raise PlatformError(
                f"{file} cannot be created ({error.strerror}); serve needs {size} bytes there."
            ) from error
        return cls(file, clock)

    @classmethod
    def open(cls, file: Path, clock: Clock = time.monotonic_ns) -> Self:
        """Open a file that another process has created; raises OSError if it does not exist."""
        return cls(file, clock)

    def claim(self) -> Slot:
        """Take a slot that no living process owns; its state is LOADING.

        Raises:
            PlatformError: living processes own all slots.
        """
        for start in self._starts:
            with suppress(BlockingIOError):
                return Slot(_lock_and_map(self._file, start), self._clock)
        raise PlatformError(
            f"Living processes own all {len(self._slots)} slots of {self._file}, which is made for "
            f"{self._n_workers} workers; stop the other processes."
        )

    def health(self) -> Health:
        """Return whether as many workers as expected are ready and publish heartbeats."""
        living = self._living()
        loaded = [slot for slot in living if slot.state == State.READY]
        late = [slot for slot in loaded if self._is_late(slot)]
        if len(loaded) - len(late) >= self._n_workers:
            return _READY
        for slot in living:
            if slot.state == State.FAILED:
                return Health(ready=False, reason=slot.reason)
        for slot in late:
            age = self._age_seconds(slot)
            return Health(False, f"Worker {slot.pid} has not answered for {age:.0f} s; try again.")
        count = f"{len(loaded)} of {self._n_workers} workers"
        return Health(False, f"The model is loaded in {count}; try again.")

    def all_failed(self) -> bool:
        """Return whether all expected workers exist and none of them can use the model."""
        states = [slot.state for slot in self._living()]
        return len(states) >= self._n_workers and set(states) == {State.FAILED}

    def crashes(self) -> int:
        """Return how many workers have died while they loaded the model, since one could."""
        return sum(slot.crashes for slot in self._slots)

    def why_given_up(self) -> str:
        """Return why no other worker should load the model; nothing if one should."""
        n_crashes = self.crashes()
        if n_crashes < MAX_CRASHES:
            return ""
        return (
            f"{n_crashes} workers died while they loaded the model; the signal or exit code is in "
            "the log. SIGKILL most likely means that a worker ran out of memory: use an instance "
            "type with more memory, or fewer workers (MODEL_SERVER_WORKERS)."
        )

    def is_loading(self) -> bool:
        """Return whether a worker is absent, or has neither loaded the model nor failed."""
        settled = [slot for slot in self._living() if slot.state != State.LOADING]
        return bool(len(settled) < self._n_workers)

    def was_ready(self) -> bool:
        """Return whether a worker is ready, or was when it exited."""
        return any(slot.state == State.READY for slot in self._slots)

    def exit_code(self) -> int:
        """Return the exit code of the container when all workers have failed; 0 before that."""
        return max((slot.exit_code for slot in self._living()), default=0)

    def totals(self) -> Counters:
        """Add up the counters of all workers, including those that have exited."""
        return Counters.sum_of([slot.counters for slot in self._slots])

    def gauges(self) -> Gauges:
        """Return the numbers of the present moment."""
        living = self._living()
        loaded = [slot for slot in living if slot.state == State.READY]
        return Gauges(
            workers=self._n_workers,
            ready=sum(not self._is_late(slot) for slot in loaded),
            loaded=bool(loaded),
            in_progress=sum(slot.in_progress for slot in living),
            queued=sum(slot.queued for slot in living),
        )

    def close(self) -> None:
        """Close the file; claimed slots stay claimed."""
        for slot in self._slots:
            slot.close()
        self._map.close()
        os.close(self._descriptor)

    def _living(self) -> list[SlotReader]:
        """Return the slots whose lock a process holds."""
        return [
            slot
            for slot, question in zip(self._slots, self._questions, strict=True)
            if slot.state
            and fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, question)[:2] != _UNLOCKED
        ]

    def _age_seconds(self, slot: SlotReader) -> float:
        return (self._clock() - slot.beat) / _NANOSECONDS

    def _is_late(self, slot: SlotReader) -> bool:
        return self._age_seconds(slot) > HEARTBEAT_SECONDS


def _allocate(file: Path, size: int, n_workers: int) -> None:
    """Create the file with all its blocks, so that no later store fails on a full disk (SIGBUS)."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o666)
        os.posix_fallocate(descriptor, 0, size)
        os.write(descriptor, struct.pack("q", n_workers))
    finally:
        os.close(descriptor)


def _lock_and_map(file: Path, start: int) -> mmap.mmap:
    """Lock a slot and map it writable; raises BlockingIOError if another process owns it.

    The lock belongs to the open file description, which the map keeps open. So the lock ends with
    the map, and no other file that the process closes releases it.

    Source: https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK, start))
        return mmap.mmap(descriptor, PAGE_BYTES, offset=start)
    finally:
        os.close(descriptor)


def _flock(kind: int, start: int) -> bytes:
    """Return a `struct flock` for one slot; source as above."""
    return struct.pack("hhqqi0q", kind, os.SEEK_SET, start, PAGE_BYTES, 0)
