"""Progress of long phases: a line in the log at regular intervals and at the end."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

INTERVAL_SECONDS = 10.0
"""Default interval between two lines."""

_MEGABYTE = 1_000_000

logger = logging.getLogger(__name__)


@dataclass
class Counter:
    """Number of files, rows and bytes that were read."""

    files: int = 0
    rows: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        files = "1 file" if self.files == 1 else f"{self.files} files"
        return f"{files}, {self.rows} rows, {self.bytes / _MEGABYTE:.1f} MB"


@contextmanager
def phase(
    name: str, state: Callable[[], object] = str, interval_seconds: float = INTERVAL_SECONDS
) -> Iterator[None]:
    """Log every `interval_seconds` that a phase continues, and its duration when it succeeds.

    `state` returns what was done so far. It is called from another thread, so that lines also
    appear while compiled code runs, if that code releases the GIL.
    """
    start = time.monotonic()
    ended = threading.Event()

    def report(verb: str) -> None:
        details = f"{state()}, " if str(state()) else ""
        logger.info("%s %s: %s%.1f s", name, verb, details, time.monotonic() - start)

    def repeat() -> None:
        while not ended.wait(interval_seconds):
            report("goes on")

    thread = threading.Thread(target=repeat, name=f"progress of {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    report("done")
