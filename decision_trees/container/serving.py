"""nginx in front of gunicorn: start both, watch both, stop both.

Nothing heavy is imported here: this is process 1 of the container, and it should be up at once.
"""

import grp
import logging
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from container import log, signals
from container.errors import PlatformError, SettingsError
from container.resources import may_change_user
from container.settings import PROGRAM_DIR, Settings

STOP_SECONDS = 25.0
"""Within this time accepted requests are answered; the platform kills after 30.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

EXIT_SERVER_ENDED = 1
"""A server ended by itself and said that all was well; the container has failed all the same."""

_BACKLOG = 2048
_PROXY_MARGIN_SECONDS = 5  # gunicorn's time-out must strike first, since it says why in the log
_KEEPALIVE_SECONDS = 15  # longer than nginx keeps idle connections: see nginx.conf

logger = logging.getLogger(__name__)

Children = dict[str, subprocess.Popen[bytes]]


def main() -> int:
    """Be the program `serve`; return its exit code (see `serve`)."""
    log.configure()
    try:
        return serve(Settings.from_environ())
    except PlatformError as error:
        logger.error("%s", error)
        return error.exit_code


def nginx_conf(template: str, settings: Settings, runtime: Path) -> str:
    """Return nginx's configuration; all that nginx writes lies in `runtime`."""
    values = {
        "runtime": runtime,
        "socket": _socket(runtime),
        "port": settings.port,
        "workers": settings.workers,
        "max_payload_bytes": settings.max_payload_bytes,
        "proxy_seconds": settings.timeout_seconds + _PROXY_MARGIN_SECONDS,
        "user_directive": _user_directive(settings),
    }
    return re.sub(r"@\{(\w+)\}", lambda match: str(values[match[1]]), template)


def nginx_command(runtime: Path) -> list[str]:
    """Return the command line that starts nginx."""
    return ["nginx", "-p", str(runtime), "-c", str(runtime / "nginx.conf"), "-e", "stderr"]


def gunicorn_command(settings: Settings, listener: int, heartbeats: Path) -> list[str]:
    """Return the command line that starts gunicorn on the open socket `listener`.

    Each worker imports the app by itself, after its fork.
    """
    command = [sys.executable, "-m", "gunicorn", "wsgi:app"]
    command += ["--worker-class", "container.workers.Worker", "--workers", str(settings.workers)]
    command += ["--timeout", str(settings.timeout_seconds)]
    command += ["--graceful-timeout", str(int(STOP_SECONDS))]
    command += ["--keep-alive", str(_KEEPALIVE_SECONDS)]
    command += ["--bind", f"fd://{listener}", "--worker-tmp-dir", str(heartbeats)]
    command += ["--config", "python:container.workers"]
    command += ["--no-control-socket", "--log-level", "warning"]
    if (worker := _worker_identity(settings)) is not None:
        command += ["--user", worker[0], "--group", worker[1]]
    return command


def heartbeat_directory(candidate: Path = Path("/dev/shm")) -> Path:  # noqa: S108 - no file is named
    """Return where gunicorn's workers show that they live: in memory where that is possible.

    Source: https://docs.gunicorn.org/en/stable/faq.html (blocking os.fchmod).
    """
    if candidate.is_dir() and os.access(candidate, os.W_OK | os.X_OK):
        return candidate
    return Path(tempfile.gettempdir())


def serve(settings: Settings) -> int:
    """Run both servers until a signal asks to stop or one of them ends; return the exit code.

    Returns:
        0 after a stop in which every accepted request was answered. When a server has ended by
        itself, its exit code, 128 + its signal, or EXIT_SERVER_ENDED in place of 0.

    Raises:
        PlatformError: nginx is not installed.
    """
    if shutil.which("nginx") is None:
        raise PlatformError("nginx is not on PATH; install it, or use the image, which has it.")
    with _runtime_directory() as runtime, signals.Inbox() as inbox:
        children = _start_both(settings, runtime)
        logger.info(
            "serving %s on port %d: %d workers, %d s for an answer, bodies up to %d bytes",
            settings.paths.model,
            settings.port,
            settings.workers,
            settings.timeout_seconds,
            settings.max_payload_bytes,
        )
        first = _watch(children, inbox)
        return _end(children, inbox, first)


def _socket(runtime: Path) -> Path:
    return runtime / "gunicorn.sock"


def _user_directive(settings: Settings) -> str:
    worker = _worker_identity(settings)
    return "" if worker is None else f"user {worker[0]} {worker[1]};"


def _worker_identity(settings: Settings) -> tuple[str, str] | None:
    """Return user and group of the workers; None when `serve` is not root.

    Root without its capabilities cannot become anybody else, so its workers stay root too.
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


@contextmanager
def _runtime_directory() -> Iterator[Path]:
    """Yield a new directory that the workers may enter; it goes when the servers have ended."""
    with tempfile.TemporaryDirectory(prefix="serve-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _start_both(settings: Settings, runtime: Path) -> Children:
    """Start both servers. Their socket is there before either, so that no connection fails."""
    template = (PROGRAM_DIR / "nginx.conf").read_text(encoding="utf-8")
    conf = nginx_conf(template, settings, runtime)
    (runtime / "nginx.conf").write_text(conf, encoding="utf-8")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(_socket(runtime)))
        _socket(runtime).chmod(0o666)
        listener.listen(_BACKLOG)
        gunicorn = gunicorn_command(settings, listener.fileno(), heartbeat_directory())
        return {
            "gunicorn": _start(gunicorn, keep=(listener.fileno(),)),
            "nginx": _start(nginx_command(runtime)),
        }


def _start(command: list[str], keep: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a server in its own process group, so that Ctrl-C in a terminal reaches only us."""
    return subprocess.Popen(  # noqa: S603 - our own words
        command, cwd=PROGRAM_DIR, process_group=0, pass_fds=keep
    )


def _watch(children: Children, inbox: signals.Inbox) -> str | None:
    """Wait; return the name of the server that has ended, or None when a signal asks to stop."""
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                return name
        if inbox.wait():
            return None


def _end(children: Children, inbox: signals.Inbox, first: str | None) -> int:
    """Stop what still runs, nginx first, and return the exit code of the program."""
    if first is None:
        logger.info("a signal asks to stop; accepted requests are answered first")
    else:
        logger.error("%s has ended by itself (%s)", first, children[first].returncode)
    deadline = time.monotonic() + STOP_SECONDS
    # nginx: SIGQUIT closes the port and answers what was accepted; SIGTERM would cut it off.
    graceful = signal.SIGTERM if first else signal.SIGQUIT
    codes = {
        "nginx": _stop(children["nginx"], graceful, inbox, deadline),
        "gunicorn": _stop(children["gunicorn"], signal.SIGTERM, inbox, deadline),
    }
    if first is not None:
        return codes[first] or EXIT_SERVER_ENDED
    logger.info("stopped")
    return max(codes.values())


def _stop(
    child: subprocess.Popen[bytes], number: signal.Signals, inbox: signals.Inbox, deadline: float
) -> int:
    """End a server and its workers: by a signal, at the deadline by force; return its exit code."""
    asked = child.poll() is None
    if asked:
        child.send_signal(number)
    while child.poll() is None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            logger.error("process %d did not end in time and is killed", child.pid)
            child.kill()
            child.wait()
        else:
            inbox.wait(remaining)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # workers that outlived their master
    if asked and child.returncode == -number:
        return 0  # it ended before it had a handler, so it had accepted nothing
    return child.returncode if child.returncode >= 0 else 128 - child.returncode
