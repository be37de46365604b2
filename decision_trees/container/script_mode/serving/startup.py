"""requirements.txt beside a program that answers: installed once, for all workers.

Workers that a program has ended while it was loaded: after some of them no more are tried.
"""

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from container.errors import ModelNotReady, ScriptError
from container.paths import environment
from container.script_mode import packages
from container.script_mode.entry_point import EntryPointKind, Program

REQUIREMENTS = "requirements.txt"

logger = logging.getLogger(__name__)


@contextmanager
def turn(scratch: Path) -> Iterator[None]:
    """Let one worker after the other in: what the first has made, the others use."""
    with (scratch / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(program: Path, scratch: Path) -> None:
    """Install what requirements.txt beside `program` names, if it is there; only in a `turn`.

    Args:
        program: the file of the program.
        scratch: where the packages go; the next workers find them there.

    Raises:
        ModelNotReady: there is no pip, or it has failed, as it does without a network.
    """
    if not (program.parent / REQUIREMENTS).is_file():
        return
    overlay, done = scratch / "packages", scratch / "installed"
    if not done.exists():
        _install(program, scratch)
        done.touch()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.path.insert(0, str(overlay / "lib" / version / "site-packages"))


def _install(program: Path, scratch: Path) -> None:
    """Run pip; what it says is for the log alone, as it may tell of a private index."""
    file = program.parent / REQUIREMENTS
    remedy = "build the packages into the image, and leave out the file"
    if find_spec("pip") is None:
        raise ModelNotReady(f"There is {file}, and this image has no pip to install it; {remedy}.")
    try:
        packages.install(
            Program(program.name, program.parent, EntryPointKind.PYTHON), scratch, environment()
        )
    except ScriptError as error:
        logger.error("%s", error)
        raise ModelNotReady(
            f"{file} cannot be installed, and the log has what pip says; correct it, or, where "
            f"there is no network, {remedy}."
        ) from error


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
