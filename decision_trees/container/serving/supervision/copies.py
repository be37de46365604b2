"""Copies of a model and its code for workers that cannot read the originals."""

import grp
import logging
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from container.errors import PlatformError
from container.paths import PROGRAM_DIR, is_readable
from container.serving.commands import user_options, worker_account
from container.settings import Settings

logger = logging.getLogger(__name__)


def variables(settings: Settings, directory: Path) -> dict[str, str]:
    """Copy model and code if only root can read them; return variables that name the copies.

    Process 1 copies the bytes and does not interpret them. The workers cannot change the copies.

    Args:
        settings: the settings that name the originals.
        directory: the directory for the copies; it is created if there are any.

    Raises:
        PlatformError: a copy cannot be written, or the workers cannot enter the directory above.
    """
    if not (options := user_options(settings)):
        return {}
    originals = {"SAGEMAKER_BASE_DIR": settings.paths.base_dir}
    submitted = PROGRAM_DIR / (settings.submit_directory or "").removeprefix("file://")
    if settings.submit_directory and os.access(submitted, os.F_OK):
        originals["SAGEMAKER_SUBMIT_DIRECTORY"] = submitted
    sources = sorted(
        path
        for path in {settings.paths.model, settings.paths.code, *originals.values()}
        if path != settings.paths.base_dir and os.access(path, os.F_OK)
    )
    private = _private(sources, settings)
    if not private:
        return {}
    for source, file in private.items():
        logger.info("%s cannot read %s; copying %s for it", options["user"], file, source)
    directory.mkdir()
    shutil.chown(directory, group=options["group"])
    directory.chmod(0o750)
    previous = os.umask(0o022)
    try:
        for source in sources:
            _provide(source, _below(directory, source), is_private=source in private)
    finally:
        os.umask(previous)
    return {name: str(_below(directory, path)) for name, path in originals.items()}


def _private(sources: list[Path], settings: Settings) -> dict[Path, Path]:
    """Return the sources that only root can read, each with the first such file in it."""
    listed = {source: [source, *_copyable(source)] for source in sources if is_readable(source)}
    with _acting_as_worker(settings) as user:
        if not is_readable(Path(tempfile.gettempdir())):
            raise PlatformError(
                f"The workers run as {user}, who cannot enter {tempfile.gettempdir()}: set TMPDIR "
                "to a directory that everybody may enter."
            )
        return {
            source: file
            for source, files in listed.items()
            for file in reversed(files)
            if not is_readable(file)
        }


@contextmanager
def _acting_as_worker(settings: Settings) -> Iterator[str]:
    """Give this process, which must have one thread, the permissions of the workers' user."""
    user, group = worker_account(settings) or ("root", "root")
    own = os.getgroups()
    os.setgroups([])
    os.setegid(grp.getgrnam(group).gr_gid)
    os.seteuid(pwd.getpwnam(user).pw_uid)
    try:
        yield user
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(own)


def _provide(source: Path, place: Path, *, is_private: bool) -> None:
    """Copy or link a source, unless it is part of one that has been copied."""
    if os.path.lexists(place):
        return
    try:
        if is_private:
            _copy_readable(source, place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(source)
    except OSError as error:
        raise PlatformError(
            f"{source} can be read by root only, and cannot be copied for the workers "
            f"({error.strerror}): allow others to read it (chmod -R a+rX {source}), set "
            f"MODEL_SERVER_USER to its owner, or make room in {tempfile.gettempdir()}."
        ) from error


def _below(directory: Path, path: Path) -> Path:
    return directory / os.path.normpath(path).lstrip("/")


def _copyable(path: Path) -> list[Path]:
    """Return the files and directories at and below a path that `_copy_readable` copies."""
    return [found for found in _contents(path) if _is_copyable(found)]


def _copy_readable(source: Path, target: Path) -> None:
    """Copy a file or directory, so that others can read the copy; the umask must allow it.

    Only regular files are copied. Anything else, and a link that leads out of the directory,
    becomes a link to the original, which has its own permissions.
    """
    top = source.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in _contents(source):
        place = target / path.relative_to(top)
        if path.is_symlink():
            found = Path(os.path.realpath(path))
            inside = found.is_relative_to(top)
            place.symlink_to(target / found.relative_to(top) if inside else found)
        elif not _is_copyable(path):
            place.symlink_to(path)
        elif path.is_dir():
            place.mkdir()
        else:
            shutil.copyfile(path, place)
            place.chmod(0o644 | path.stat().st_mode & 0o111)


def _contents(path: Path) -> list[Path]:
    """Return a path without links in it, and all that is below it, parents first."""
    top = path.resolve()
    return [top, *sorted(top.rglob("*"))]


def _is_copyable(path: Path) -> bool:
    return not path.is_symlink() and (path.is_dir() or path.is_file()) and is_readable(path)
