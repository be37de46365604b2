"""Command lines of nginx and gunicorn, and the configuration of nginx. They start nothing."""

import grp
import os
import pwd
import re
import sys
from pathlib import Path
from typing import Any

from container.errors import SettingsError
from container.paths import PROGRAM_DIR
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

_NOT_READY = "No worker answers: the model server is starting, or a worker has exited; retry later."

_KEEPALIVE_SECONDS = 15  # longer than nginx keeps idle connections: see nginx.conf


def nginx_conf(template: str, settings: Settings, runtime: Path, failure: str = "") -> str:
    """Return nginx's configuration; nginx writes only below the directory `runtime`.

    With a `failure`, a text without quotes, it answers every request with 503 and this text.

    Raises:
        SettingsError: the user of the workers does not exist.
    """
    values = {
        "runtime": _in_quotes(runtime),
        "socket": _in_quotes(runtime / (SOCKET if not failure else "absent")),
        "not_ready": failure or _NOT_READY,
        "port": settings.port,
        "workers": min(settings.workers, settings.cores),
        "max_payload_bytes": settings.max_payload_bytes,
        "body_buffer_bytes": settings.body_buffer_bytes,
        "proxy_seconds": settings.timeout_seconds + PROXY_MARGIN_SECONDS,
        "user_directive": _user_directive(settings),
        "shutdown_seconds": int(STOP_SECONDS - _GUNICORN_SECONDS),
    }
    return re.sub(r"@\{(\w+)\}", lambda match: str(values[match[1]]), template)


def _in_quotes(path: Path) -> str:
    return re.sub(r'(["\\\\])', r"\\\1", str(path))


def write_nginx_conf(settings: Settings, runtime: Path, failure: str = "") -> None:
    """Write the configuration file that `nginx_command` names; see `nginx_conf`."""
    template = (PROGRAM_DIR / "nginx.conf").read_text(encoding="utf-8")
    text = nginx_conf(template, settings, runtime, failure)
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
