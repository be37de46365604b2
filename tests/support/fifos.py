"""FIFOs as in Pipe mode: one for each epoch of a channel, written by another thread."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.material import OptMl
from support.processes import DEADLINE_SECONDS


def pipe_of(opt_ml: OptMl, channel: str, epoch: int = 0) -> Path:
    """Return the path of the FIFO of an epoch, and create its directory."""
    directory = opt_ml.base / "input/data"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{channel}_{epoch}"


@contextmanager
def fed(pipe: Path, content: bytes, piece_bytes: int = 1 << 16) -> Iterator[Callable[[], bool]]:
    """Write `content` into a FIFO during the context, piece by piece.

    Yield a function that returns whether everything was read. A reader that stops early is no
    error.
    """
    os.mkfifo(pipe)
    taken = threading.Event()

    def feed() -> None:
        with pipe.open("wb", buffering=0) as writer:
            try:
                for start in range(0, len(content), piece_bytes):
                    writer.write(content[start : start + piece_bytes])
            except BrokenPipeError:
                return
        taken.set()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    yield taken.is_set
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive(), f"nobody reads {pipe}"
