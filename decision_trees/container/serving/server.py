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
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from container import log, signals
from container.errors import PlatformError, SettingsError, exit_code
from container.paths import PROGRAM_DIR
from container.resources import MEBIBYTE, may_change_user
from container.serving.scoreboard import Scoreboard
from container.settings import BOARD_VARIABLE, SCRATCH, Settings

STOP_SECONDS = 25.0
"""Within this time accepted requests are answered; the platform kills after 30.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

EXIT_SERVER_ENDED = 1
"""A server ended by itself and said that all was well; the container has failed all the same."""

NO_MODEL_SECONDS = 10.0
"""So long /ping tells why the model cannot be used, before the container ends."""

BOARD = "board"
_OF_WORKERS = "workers"
"""A directory that is theirs: gunicorn removes its socket from it, and may write heartbeats."""


_NO_MODEL = "no model"
_LOOK_SECONDS = 0.5
_ASK_SECONDS = 1.0
_GUNICORN_SECONDS = 5.0  # what is left for gunicorn when a client has held up nginx
_BACKLOG = 2048
_PROXY_MARGIN_SECONDS = 5  # gunicorn's time-out must strike first, since it says why in the log
_KEEPALIVE_SECONDS = 15  # longer than nginx keeps idle connections: see nginx.conf

_TMPDIR_CHARACTERS = 107 - len("/serve-12345678/workers/http")
"""What the path of a socket, 107 characters at most, leaves to the directory above.

Source: https://man7.org/linux/man-pages/man7/unix.7.html (sun_path)
"""

_NGINX_MALLOC = f"MALLOC_MMAP_THRESHOLD_={128 * 1024}"
"""The least that glibc gives back at once: said outright it stays so, and no body's memory is kept.

Source: https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

_WORKERS_MALLOC = (
    "MALLOC_ARENA_MAX=1",
    f"MALLOC_MMAP_THRESHOLD_={32 * MEBIBYTE}",
    f"MALLOC_TRIM_THRESHOLD_={64 * MEBIBYTE}",
)
"""Let one large body use the memory of the one before: fresh memory would cost its half again.

`admission.give_back` ends that, and reaches all of it, as threads have no arenas of their own.
"""

logger = logging.getLogger(__name__)

Children = dict[str, subprocess.Popen[bytes]]


def main() -> int:
    """Be the program `serve`; return its exit code (see `serve`)."""
    log.configure(as_json=True)
    try:
        settings = Settings.from_environ()
        log.configure(settings.log_level, as_json=True)
        return serve(settings)
    except PlatformError as error:
        logger.error("%s", error)
        return error.exit_code


def nginx_conf(template: str, settings: Settings, runtime: Path) -> str:
    """Return nginx's configuration; all that nginx writes lies in `runtime`."""
    values = {
        "runtime": runtime,
        "socket": _socket(runtime),
        "port": settings.port,
        "workers": min(settings.workers, settings.cores),
        "max_payload_bytes": settings.max_payload_bytes,
        "body_buffer_bytes": settings.body_buffer_bytes,
        "proxy_seconds": settings.timeout_seconds + _PROXY_MARGIN_SECONDS,
        "user_directive": _user_directive(settings),
        "shutdown_seconds": int(STOP_SECONDS - _GUNICORN_SECONDS),
    }
    return re.sub(r"@\{(\w+)\}", lambda match: str(values[match[1]]), template)


def write_nginx_conf(settings: Settings, runtime: Path) -> None:
    """Write the configuration that `nginx_command` names."""
    template = (PROGRAM_DIR / "nginx.conf").read_text(encoding="utf-8")
    conf = nginx_conf(template, settings, runtime)
    (runtime / "nginx.conf").write_text(conf, encoding="utf-8")


def nginx_command(runtime: Path) -> list[str]:
    """Return the command line that starts nginx."""
    command = ["env", _NGINX_MALLOC, "nginx", "-p", str(runtime)]
    return [*command, "-c", str(runtime / "nginx.conf"), "-e", "stderr"]


def gunicorn_command(
    settings: Settings, listener: int, heartbeats: Path, runtime: Path
) -> list[str]:
    """Return the command line that starts gunicorn on the open socket `listener`.

    It is to be started as the user whom the workers are to be: what it loads before their fork
    is none of root's business. Each worker makes its app by itself, after its fork.
    """
    command = ["env", *_WORKERS_MALLOC, f"{BOARD_VARIABLE}={runtime / BOARD}"]
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
    """Return where gunicorn's workers show that they live: in memory where that is possible.

    Source: https://docs.gunicorn.org/en/stable/faq.html (blocking os.fchmod).
    """
    if candidate.is_dir() and os.access(candidate, os.W_OK | os.X_OK):
        return candidate
    return fallback


def serve(settings: Settings) -> int:
    """Run both servers until a signal asks to stop or one of them ends; return the exit code.

    Returns:
        0 after a stop in which every accepted request was answered. When a server has ended by
        itself, its exit code, 128 + its signal, or EXIT_SERVER_ENDED in place of 0. When no
        worker could use the model for NO_MODEL_SECONDS, EXIT_NO_MODEL, or the code of a
        SettingsError where settings do not fit the model.

    Raises:
        PlatformError: nginx is not installed, or there is no place for sockets and buffers.
    """
    if shutil.which("nginx") is None:
        raise PlatformError("nginx is not on PATH; install it, or use the image, which has it.")
    with signals.Inbox() as inbox, ExitStack() as stack:
        logger.info("starting %s", settings.workers_reason)
        try:
            runtime = stack.enter_context(_runtime_directory())
            board = Scoreboard.create(runtime / BOARD, settings.workers)
            children = _start_both(settings, runtime)
        except OSError as error:
            raise PlatformError(
                f"The servers cannot be started ({error}); they need a directory to write to, "
                f"whose path has no more than {_TMPDIR_CHARACTERS} characters: mount one at /tmp, "
                "or name it by TMPDIR."
            ) from error
        logger.info(
            "serving %s on port %d: %d s for an answer, bodies up to %d bytes",
            settings.paths.model,
            settings.port,
            settings.timeout_seconds,
            settings.max_payload_bytes,
        )
        watch = _Watch(children, inbox, board)
        why = watch.until_the_end()
        code = _end(children, inbox, why if why in children else None)
        return watch.exit_code or code


def _socket(runtime: Path) -> Path:
    return runtime / _OF_WORKERS / "http"


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


def _make_for_workers(directory: Path, settings: Settings, mode: int) -> None:
    """Make a directory that belongs to the workers."""
    directory.mkdir(mode=mode)
    if (worker := _worker_identity(settings)) is not None:
        shutil.chown(directory, *worker)


def _start_both(settings: Settings, runtime: Path) -> Children:
    """Start both servers. Their socket is there before either, so that no connection fails."""
    write_nginx_conf(settings, runtime)
    if settings.has_program:
        _make_for_workers(runtime / SCRATCH, settings, 0o700)
    own = runtime / _OF_WORKERS
    _make_for_workers(own, settings, 0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(_socket(runtime)))
        _socket(runtime).chmod(0o666)
        listener.listen(_BACKLOG)
        number = listener.fileno()
        gunicorn = gunicorn_command(settings, number, heartbeat_directory(own), runtime)
        return {
            "gunicorn": _start(gunicorn, pass_fds=(number,), **_as_worker(settings)),
            "nginx": _start(nginx_command(runtime)),
        }


def _as_worker(settings: Settings) -> dict[str, Any]:
    """Return what starts a process as the user whom the workers are to be."""
    worker = _worker_identity(settings)
    if worker is None or not may_change_user():
        return {}
    return {"user": worker[0], "group": worker[1], "extra_groups": []}


def _start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a server in its own process group, so that Ctrl-C in a terminal reaches only us."""
    return subprocess.Popen(command, cwd=PROGRAM_DIR, process_group=0, **options)  # noqa: S603 - our own words


class _Watch:
    """Looks at both servers and the board until there is a reason to end."""

    def __init__(self, children: Children, inbox: signals.Inbox, board: Scoreboard) -> None:
        self._children = children
        self._inbox = inbox
        self._board = board
        self._no_model_since: float | None = None
        self._was_ready = False
        self.exit_code = 0

    def until_the_end(self) -> str | None:
        """Return the name of the server that has ended, _NO_MODEL, or None after a stop signal."""
        while True:
            for name, child in self._children.items():
                if child.poll() is not None:
                    return name
            if self._has_no_model():
                return _NO_MODEL
            self._tell_ready()
            if self._inbox.wait(_LOOK_SECONDS):
                logger.info("a signal asks to stop; accepted requests are answered first")
                return None

    def _tell_ready(self) -> None:
        ready = self._board.health().ready
        if ready != self._was_ready:
            logger.info("ready: every worker answers" if ready else "not ready: see /ping")
        self._was_ready = ready

    def _has_no_model(self) -> bool:
        now = time.monotonic()
        if not self._board.all_failed():
            self._no_model_since = None
        elif self._no_model_since is None:
            self._no_model_since = now
        elif now - self._no_model_since > NO_MODEL_SECONDS:
            self.exit_code = self._board.exit_code()
            logger.error("ending, since waiting would not help: %s", self._board.health().reason)
            return True
        return False


def _end(children: Children, inbox: signals.Inbox, first: str | None) -> int:
    """Stop what still runs, nginx first, and return the exit code of the program."""
    if first is not None:
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
    """End a server and its workers: by a signal, at the deadline by force; return its exit code.

    The signal is sent again and again, as it may be lost: nginx forgets one that comes when it has
    its handlers, and does not wait for signals yet.

    Source: https://github.com/nginx/nginx/blob/master/src/os/unix/ngx_process_cycle.c
    """
    asked = child.poll() is None
    while child.poll() is None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            logger.error("process %d did not end in time and is killed", child.pid)
            child.kill()
            child.wait()
        else:
            child.send_signal(number)
            inbox.wait(min(remaining, _ASK_SECONDS))
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # workers that outlived their master
    if asked and child.returncode == -number:
        return 0  # it ended before it had a handler, so it had accepted nothing
    return exit_code(child.returncode)
