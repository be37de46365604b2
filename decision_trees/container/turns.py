"""Turns: all workers together work on no more large bodies at once than there are cores.

More of them would only push each other's rows out of the caches, and do less in the same time.
For the same reason a worker that has waited for its turn keeps it for a few bodies.
"""

import fcntl
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from gevent import monkey

from container.board import flock

MOST = 4
"""A worker keeps a turn for so many bodies, where the others come at once: its memory is warm."""

_Lock = monkey.get_original("threading", "Lock")  # threads wait for it, not greenlets


class Turns:
    """So many locks on a file that all workers know; a lock ends with the process that holds it.

    Source: https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html
    """

    def __init__(self, file: Path, number: int) -> None:
        """Take the first `number` bytes of the file to lock; nothing is written to them."""
        self._file = file
        self._locks = [flock(fcntl.F_WRLCK, byte, 1) for byte in range(number)]
        self._to_wait_for = itertools.cycle(self._locks)
        self._n_coming = 0
        self._one_waits = _Lock()
        self._kept = self._open()
        self._kept.close()  # none yet
        self._n_left = 0

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Say that a body is read and worked on; a turn may be kept for it meanwhile."""
        self._n_coming += 1
        try:
            yield
        finally:
            self._n_coming -= 1
            if self._n_coming == 0:
                self._kept.close()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, which keeps the thread but not the interpreter, and hold it."""
        with self._open() as own:
            if any(_is_free(own, lock) for lock in self._locks):
                yield
                return
        with self._one_waits:
            if self._kept.closed:
                self._wait()
            try:
                yield
            finally:
                self._n_left -= 1
                if self._n_left == 0 or self._n_coming <= 1:
                    self._kept.close()

    def _open(self) -> FileIO:
        return FileIO(self._file, "r+")

    def _wait(self) -> None:
        """Wait for a turn that this worker may keep."""
        turn = self._open()
        fcntl.fcntl(turn, fcntl.F_OFD_SETLKW, next(self._to_wait_for))
        self._kept, self._n_left = turn, MOST


def _is_free(file: FileIO, lock: bytes) -> bool:
    """Say whether a turn was free; it is taken then."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    except BlockingIOError:
        return False
    return True
