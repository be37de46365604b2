"""Start-up of a user's program: install its requirements once.

All workers share a scratch directory. The first worker installs the packages there.
"""

import fcntl
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
