"""Pipes as the platform makes them: one FIFO an epoch of a channel, fed from another thread."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.material import OptMl
from support.processes import DEADLINE_SECONDS


def pipe_of(opt_ml: OptMl, channel: str, epoch: int = 0) -> Path:
    """Return where the pipe of an epoch is, in a directory that exists."""
    directory = opt_ml.base / "input/data"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{channel}_{epoch}"


@contextmanager
def fed(pipe: Path, content: bytes, piece_bytes: int = 1 << 16) -> Iterator[Callable[[], bool]]:
    """Write `content` into a pipe, in pieces, while the context lasts.

    Yields what says whether all of it was taken. A reader that stops early is no error.
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
