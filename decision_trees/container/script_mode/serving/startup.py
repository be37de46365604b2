"""Start-up of a user's program: install its requirements once, and give up after crashes.

All workers share a scratch directory. The first worker installs the packages there, and each
worker records there that it loads the program.
"""

import fcntl
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

MAX_CRASHES = 3
"""Number of workers that may crash while they load the program; then no other one tries."""

_PROC = Path("/proc")


@contextmanager
def locked(scratch: Path) -> Iterator[None]:
    """Hold the lock of the scratch directory: one worker at a time adds files for all of them."""
    with (scratch / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(program: Path, scratch: Path) -> None:
    """Install requirements.txt next to `program`, if it exists; call it inside `locked`.

    Raises:
        ModelNotReady: there is no pip, or pip failed, for example without network access.
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
    """Run pip; its output is only logged, because it may name a private index."""
    file = program.parent / REQUIREMENTS
    remedy = "add the packages to the image and remove the file"
    if find_spec("pip") is None:
        raise ModelNotReady(f"{file} cannot be installed: this image has no pip; {remedy}.")
    try:
        packages.install(
            Program(program.name, program.parent, EntryPointKind.PYTHON), scratch, environment()
        )
    except ScriptError as error:
        raise ModelNotReady(
            f"{file} cannot be installed, and pip's output is in the log; correct the file, or, "
            f"without network access, {remedy}."
        ) from error


@contextmanager
def crashes_limited(scratch: Path) -> Iterator[None]:
    """Record that this process loads a program, and give up after several crashes.

    The record is removed when the program is loaded or an exception is raised. A record of a
    process that no longer exists is therefore a crash. A successful load removes all records of
    crashes.

    Raises:
        ModelNotReady: MAX_CRASHES processes have crashed.
    """
    records = scratch / "loading"
    records.mkdir(exist_ok=True)
    crashed = _crashed(records)
    if len(crashed) >= MAX_CRASHES:
        raise ModelNotReady(
            f"The program ended {len(crashed)} workers while they loaded it; the signal or exit "
            "code is in the log. SIGKILL most likely means that a worker ran out of memory."
        )
    own = records / str(os.getpid())
    own.touch()
    try:
        yield
    finally:
        own.unlink(missing_ok=True)
    for record in _crashed(records):
        record.unlink(missing_ok=True)


def _crashed(records: Path) -> list[Path]:
    return [record for record in records.iterdir() if not (_PROC / record.name).exists()]
