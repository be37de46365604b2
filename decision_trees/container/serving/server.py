"""Server of the container: start nginx and gunicorn, watch both, stop both.

This is process 1 of the container. It imports no heavy package, so that it starts at once.
"""

import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from container import log, signals
from container.errors import PlatformError, exit_code
from container.paths import PROGRAM_DIR, environment
from container.serving import commands
from container.serving.scoreboard import Scoreboard
from container.serving.supervision import copies
from container.serving.supervision.monitor import Children, Monitor
from container.settings import SCRATCH, Settings

EXIT_SERVER_ENDED = 1
"""Exit code if nginx or gunicorn exits by itself with 0: the container has failed all the same."""

_SIGNAL_SECONDS = 1.0  # between two signals to a process that does not exit
_BACKLOG = 2048

_TMPDIR_CHARACTERS = 107 - len(f"/serve-12345678/{commands.SOCKET}")
"""Maximum length of the directory for temporary files: a socket's path has at most 107 characters.

Source: https://man7.org/linux/man-pages/man7/unix.7.html (sun_path)
"""

logger = logging.getLogger(__name__)


def main() -> int:
    """Entry point of the program `serve`; return its exit code (see `serve`)."""
    log.configure(as_json=True)
    try:
        settings = Settings.from_environ()
        log.configure(settings.log_level, as_json=True)
        return serve(settings)
    except PlatformError as error:
        logger.error("%s", error)
        return error.exit_code


def serve(settings: Settings) -> int:
    """Run nginx and gunicorn until a stop signal arrives or one of them exits.

    Returns:
        0 after a stop in which every accepted request was answered. If nginx or gunicorn exits by
        itself: its exit code, 128 + its signal, or EXIT_SERVER_ENDED instead of 0. If no worker can
        use the model for NO_MODEL_SECONDS: EXIT_NO_MODEL, or the exit code of SettingsError if the
        settings do not fit the model.

    Raises:
        PlatformError: nginx is not installed, or there is no place for sockets and buffers.
    """
    if shutil.which("nginx") is None:
        raise PlatformError("nginx is not on PATH; install it, or use the image, which has it.")
    with signals.Inbox() as inbox, ExitStack() as stack:
        logger.info("starting %s", settings.workers_reason)
        try:
            runtime = stack.enter_context(_runtime_directory())
            scoreboard = Scoreboard.create(runtime / commands.SCOREBOARD, settings.workers)
            children = _start_both(settings, runtime)
        except OSError as error:
            raise PlatformError(
                f"The servers cannot be started ({error}); they need a writable directory whose "
                f"path has at most {_TMPDIR_CHARACTERS} characters: mount one at /tmp, or name it "
                "by TMPDIR."
            ) from error
        logger.info(
            "serving %s on port %d: %d s for an answer, bodies up to %d bytes",
            settings.paths.model,
            settings.port,
            settings.timeout_seconds,
            settings.max_payload_bytes,
        )
        monitor = Monitor(children, inbox, scoreboard, settings, runtime)
        code = _stop_both(children, inbox, monitor.wait())
        return monitor.exit_code or code


@contextmanager
def _runtime_directory() -> Iterator[Path]:
    """Yield a new directory that the workers may enter, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="serve-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _make_for_workers(directory: Path, settings: Settings, mode: int) -> None:
    """Create a directory that belongs to the user of the workers."""
    directory.mkdir(mode=mode)
    if (account := commands.worker_account(settings)) is not None:
        shutil.chown(directory, *account)


def _start_both(settings: Settings, runtime: Path) -> Children:
    """Start both servers. Their socket exists before either, so that no connection fails."""
    commands.write_nginx_conf(settings, runtime)
    variables = environment() | copies.variables(settings, runtime / "copies")
    if settings.has_program:
        _make_for_workers(runtime / SCRATCH, settings, 0o700)
    path = runtime / commands.SOCKET
    _make_for_workers(path.parent, settings, 0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(_BACKLOG)
        number = listener.fileno()
        heartbeats = commands.heartbeat_directory(path.parent)
        gunicorn = commands.gunicorn_command(settings, number, heartbeats, runtime)
        options = commands.user_options(settings)
        return {
            "gunicorn": _start(gunicorn, env=variables, pass_fds=(number,), **options),
            "nginx": _start_nginx(runtime),
        }


def _start_nginx(runtime: Path) -> subprocess.Popen[bytes]:
    """Start nginx, and log its error output, which quotes the headers of requests as they are."""
    nginx = _start(commands.nginx_command(runtime), stderr=subprocess.PIPE)
    threading.Thread(target=_log_lines, args=(nginx.stderr,), daemon=True).start()
    return nginx


def _log_lines(output: IO[bytes]) -> None:
    for line in output:
        level = logging.WARNING if b"[error]" in line else logging.ERROR  # of one request, or worse
        logger.log(level, "nginx: %s", line.decode(errors="replace").rstrip())


def _start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a server in its own process group, so that Ctrl-C reaches only this process."""
    return subprocess.Popen(command, cwd=PROGRAM_DIR, process_group=0, **options)  # noqa: S603 - our own words


def _stop_both(children: Children, inbox: signals.Inbox, first: str | None) -> int:
    """Stop what still runs, nginx first, and return the exit code of the program.

    Args:
        children: both servers.
        inbox: stop signals that arrive meanwhile.
        first: the server that exited by itself, if one did.
    """
    if first is not None:
        logger.error("%s exited by itself (%s)", first, children[first].returncode)
    deadline = time.monotonic() + commands.STOP_SECONDS
    # SIGQUIT: nginx closes the port and finishes accepted requests. SIGTERM would cut them off.
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
    """Stop a server and its workers: by a signal, at the deadline by SIGKILL; return its exit code.

    The signal is repeated, because it may be lost: nginx drops a signal that arrives after it has
    installed its handlers and before it waits for signals.

    Source: https://github.com/nginx/nginx/blob/master/src/os/unix/ngx_process_cycle.c
    """
    was_running = child.poll() is None
    while child.poll() is None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            logger.error("process %d did not exit in time and is killed", child.pid)
            child.kill()
            child.wait()
        else:
            child.send_signal(number)
            inbox.wait(min(remaining, _SIGNAL_SECONDS))
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # workers that outlived their master
    if was_running and child.returncode == -number:
        return 0  # it exited before it had a handler, so it had accepted nothing
    return exit_code(child.returncode)
