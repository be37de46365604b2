"""Turns: all workers together work on no more large bodies at once than there are cores.

More of them would only push each other's rows out of the caches, and do less in the same time.
"""

import fcntl
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from container.serving.scoreboard import flock


class Turns:
    """So many locks on a file that all workers know; a lock ends with the process that holds it.

    Source: https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html
    """

    def __init__(self, file: Path, number: int) -> None:
        """Take the first `number` bytes of the file to lock; nothing is written to them."""
        self._file = file
        self._locks = [flock(fcntl.F_WRLCK, byte, 1) for byte in range(number)]
        self._to_wait_for = itertools.cycle(self._locks)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, which keeps the thread but not the interpreter, and hold it."""
        with FileIO(self._file, "r+") as own:
            if not any(_is_free(own, lock) for lock in self._locks):
                fcntl.fcntl(own, fcntl.F_OFD_SETLKW, next(self._to_wait_for))
            yield


def _is_free(file: FileIO, lock: bytes) -> bool:
    """Say whether a turn was free; it is taken then."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    except BlockingIOError:
        return False
    return True
