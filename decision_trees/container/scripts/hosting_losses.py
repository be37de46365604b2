"""Workers that a program has ended while it was loaded: after some of them no more are tried."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from container.errors import ModelNotReady

MOST = 3

_PROC = Path("/proc")


@contextmanager
def noted(scratch: Path) -> Iterator[None]:
    """Note that this process loads a program, until it is loaded or an error says why not.

    Args:
        scratch: a directory that all workers share; what is noted there of a process that has
            ended tells that it had no time for either; the next that is loaded makes up for it.

    Raises:
        ModelNotReady: MOST processes have ended so.
    """
    notes = scratch / "loading"
    notes.mkdir(exist_ok=True)
    lost = _lost(notes)
    if len(lost) >= MOST:
        raise ModelNotReady(
            f"The program has ended {len(lost)} workers while it was loaded; the log says by which "
            "signal or exit code. SIGKILL means most likely that the memory ran out."
        )
    own = notes / str(os.getpid())
    own.touch()
    try:
        yield
    finally:
        own.unlink(missing_ok=True)
    for note in _lost(notes):
        note.unlink(missing_ok=True)


def _lost(notes: Path) -> list[Path]:
    return [note for note in notes.iterdir() if not (_PROC / note.name).exists()]
