"""Progress: what a long phase says of itself, so that nobody wonders whether it hangs."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

INTERVAL_SECONDS = 10.0
"""How often a phase that goes on is heard of."""

_MEGABYTE = 1_000_000

logger = logging.getLogger(__name__)


@dataclass
class Counter:
    """What has been read so far."""

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
    """Log that a phase goes on, every `interval_seconds`, and how long it took when it ends well.

    `state` says what has been done so far. It is asked from another thread, so that a phase
    inside compiled code is heard of too, as long as that code gives up the interpreter's lock.
    """
    start = time.monotonic()
    ended = threading.Event()

    def speak(verb: str) -> None:
        details = f"{state()}, " if str(state()) else ""
        logger.info("%s %s: %s%.1f s", name, verb, details, time.monotonic() - start)

    def repeat() -> None:
        while not ended.wait(interval_seconds):
            speak("goes on")

    thread = threading.Thread(target=repeat, name=f"progress of {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    speak("done")
