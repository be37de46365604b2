"""Command lines of nginx and gunicorn, their configuration, and what their workers can read.

Nothing is started here.
"""

import grp
import logging
import os
import pwd
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from container.errors import PlatformError, SettingsError
from container.paths import PROGRAM_DIR, copy_readable, copyable, is_readable
from container.resources import MEBIBYTE, may_change_user
from container.settings import SCOREBOARD_VARIABLE, Settings

SCOREBOARD = "scoreboard"
"""File name of the scoreboard in the runtime directory."""

SOCKET = "workers/http"
"""Socket of gunicorn, in a directory that belongs to the workers: gunicorn removes the socket."""

STOP_SECONDS = 25.0
"""Time to answer accepted requests after a stop signal; the platform kills after 30.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

_GUNICORN_SECONDS = 5.0  # the part of it that is left to gunicorn if a client holds up nginx

PROXY_MARGIN_SECONDS = 5
"""Time that nginx waits longer than gunicorn, whose time-out should come first: it is logged."""

_NGINX_MALLOC = f"MALLOC_MMAP_THRESHOLD_={128 * 1024}"
"""The default threshold; setting it disables its growth, so that nginx keeps no body's memory.

Source: https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

_WORKERS_MALLOC = (
    "MALLOC_ARENA_MAX=1",
    f"MALLOC_MMAP_THRESHOLD_={32 * MEBIBYTE}",
    f"MALLOC_TRIM_THRESHOLD_={64 * MEBIBYTE}",
)
"""Allow one large body to use the memory of the one before: fresh memory costs half its time again.

`Admission.give_back` releases the memory, all of it, because threads have no arenas of their own.
"""

_KEEPALIVE_SECONDS = 15  # longer than nginx keeps idle connections: see nginx.conf

logger = logging.getLogger(__name__)


def nginx_conf(template: str, settings: Settings, runtime: Path) -> str:
    """Return nginx's configuration; nginx writes only below the directory `runtime`.

    Raises:
        SettingsError: the user of the workers does not exist.
    """
    values = {
        "runtime": runtime,
        "socket": runtime / SOCKET,
        "port": settings.port,
        "workers": min(settings.workers, settings.cores),
        "max_payload_bytes": settings.max_payload_bytes,
        "body_buffer_bytes": settings.body_buffer_bytes,
        "proxy_seconds": settings.timeout_seconds + PROXY_MARGIN_SECONDS,
        "user_directive": _user_directive(settings),
        "shutdown_seconds": int(STOP_SECONDS - _GUNICORN_SECONDS),
    }
    return re.sub(r"@\{(\w+)\}", lambda match: str(values[match[1]]), template)


def write_nginx_conf(settings: Settings, runtime: Path) -> None:
    """Write the configuration file that `nginx_command` names."""
    template = (PROGRAM_DIR / "nginx.conf").read_text(encoding="utf-8")
    text = nginx_conf(template, settings, runtime)
    (runtime / "nginx.conf").write_text(text, encoding="utf-8")


def nginx_command(runtime: Path) -> list[str]:
    """Return the command line that starts nginx."""
    program = ["env", _NGINX_MALLOC, "nginx", "-p", str(runtime)]
    return [*program, "-c", str(runtime / "nginx.conf"), "-e", "stderr"]


def gunicorn_command(
    settings: Settings, listener: int, heartbeats: Path, runtime: Path
) -> list[str]:
    """Return the command line that starts gunicorn on the open socket `listener`.

    It must be started as the user of the workers, because it loads the model before it forks them.
    Each worker makes its own app after the fork.
    """
    command = ["env", *_WORKERS_MALLOC, f"{SCOREBOARD_VARIABLE}={runtime / SCOREBOARD}"]
    command += [sys.executable, "gunicorn_master.py", "wsgi:make_app()"]
    worker_class = "container.serving.gunicorn_conf.Worker"
    if settings.has_program:
        worker_class = "container.script_mode.serving.script_worker.ScriptWorker"
    command += ["--worker-class", worker_class, "--workers", str(settings.workers)]
    command += ["--timeout", str(settings.timeout_seconds)]
    command += ["--graceful-timeout", str(int(STOP_SECONDS))]
    command += ["--keep-alive", str(_KEEPALIVE_SECONDS)]
    command += ["--bind", f"fd://{listener}", "--worker-tmp-dir", str(heartbeats)]
    command += ["--config", "python:container.serving.gunicorn_conf"]
    command += ["--no-control-socket", "--log-level", "warning"]
    return command


def heartbeat_directory(
    fallback: Path,
    candidate: Path = Path("/dev/shm"),  # noqa: S108 - no file is named
) -> Path:
    """Return the directory for the heartbeat files of gunicorn's workers: in memory if possible.

    Source: https://docs.gunicorn.org/en/stable/faq.html (blocking os.fchmod).
    """
    if candidate.is_dir() and os.access(candidate, os.W_OK | os.X_OK):
        return candidate
    return fallback


def worker_account(settings: Settings) -> tuple[str, str] | None:
    """Return user and group of the workers of nginx and gunicorn; None if `serve` is not root.

    Root without its capabilities cannot become another user, so its workers stay root.

    Raises:
        SettingsError: the user does not exist.
    """
    if os.geteuid() != 0:
        return None
    name = settings.worker_user if may_change_user() else None
    try:
        account = pwd.getpwnam(name or "root")
    except KeyError as error:
        raise SettingsError(
            f"MODEL_SERVER_USER is {name!r}, and there is no such user here."
        ) from error
    return account.pw_name, grp.getgrgid(account.pw_gid).gr_name


def user_options(settings: Settings) -> dict[str, Any]:
    """Return the options of Popen that start a process as the user of the workers."""
    account = worker_account(settings)
    if account is None or not may_change_user():
        return {}
    return {"user": account[0], "group": account[1], "extra_groups": []}


def _user_directive(settings: Settings) -> str:
    account = worker_account(settings)
    return "" if account is None else f"user {account[0]} {account[1]};"


def variables_of_copies(settings: Settings, directory: Path) -> dict[str, str]:
    """Copy model and code if only root can read them; return variables that name the copies.

    Process 1 copies the bytes and does not interpret them. The workers cannot change the copies.

    Args:
        settings: the settings that name the originals.
        directory: the directory for the copies; it is created if there are any.

    Raises:
        PlatformError: a copy cannot be written.
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
    listed = {source: [source, *copyable(source)] for source in sources if is_readable(source)}
    with _acting_as_worker(settings):
        return {
            source: file
            for source, files in listed.items()
            for file in reversed(files)
            if not is_readable(file)
        }


@contextmanager
def _acting_as_worker(settings: Settings) -> Iterator[None]:
    """Give this process, which must have one thread, the permissions of the workers."""
    user, group = worker_account(settings) or ("root", "root")
    own = os.getgroups()
    os.setgroups([])
    os.setegid(grp.getgrnam(group).gr_gid)
    os.seteuid(pwd.getpwnam(user).pw_uid)
    try:
        yield
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
            copy_readable(source, place)
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
