"""Run the real `train` and `serve` as processes; send them HTTP requests and signals."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.material import PROGRAM_DIR, OptMl

DEADLINE_SECONDS = 180.0
"""Time after which a program is considered to hang; a slow or busy machine needs less."""

_GRACE_SECONDS = 10.0
_launched: list[subprocess.Popen[str]] = []
_reserved_ports: deque[socket.socket] = deque()


def await_condition(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` is true; fail after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {DEADLINE_SECONDS} s"
        time.sleep(0.02)


def environment(opt_ml: OptMl, **variables: str) -> dict[str, str]:
    """Return the environment of a program: this interpreter, and another directory as /opt/ml."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "SAGEMAKER_BASE_DIR": str(opt_ml.base)} | variables


def start(program: str | Path, opt_ml: OptMl, **variables: str) -> subprocess.Popen[str]:
    """Start `train` or `serve`; its output is kept for the test."""
    return launch(
        [PROGRAM_DIR / program],  # an absolute path stays unchanged
        env=environment(opt_ml, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def launch(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
    """Start a program in its own process group, which `cleaned_up` stops."""
    options = {"stdin": subprocess.DEVNULL} | options
    process: subprocess.Popen[str] = subprocess.Popen(
        command, text=True, process_group=0, **options
    )
    _launched.append(process)
    return process


@contextmanager
def cleaned_up() -> Iterator[None]:
    """Stop all programs that were started during the context and still run at its end."""
    n_before = len(_launched)
    yield
    while len(_launched) > n_before:
        end(_launched.pop())


def end(process: subprocess.Popen[Any]) -> None:
    """Stop a program, kill the rest of its process group, and close its pipes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:
        pass


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read the output of a process until a line contains `words`."""
    assert process.stdout is not None
    watchdog = threading.Timer(DEADLINE_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        assert any(words in line for line in process.stdout), f"it never printed {words!r}"
    finally:
        watchdog.cancel()


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a program."""

    code: int
    log: str


def wait_for(process: subprocess.Popen[str]) -> Ended:
    """Wait until a program exits, and read its output; stop it if it hangs."""
    try:
        log, _ = process.communicate(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        end(process)
        raise
    return Ended(process.returncode, log)


def train(opt_ml: OptMl, **variables: str) -> Ended:
    """Run `train` until it exits."""
    return wait_for(start("train", opt_ml, **variables))


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in the program's folder, without environment variables."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=PROGRAM_DIR,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


@dataclass(frozen=True)
class Reply:
    """HTTP response."""

    status: int
    content_type: str | None
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        assert self.content_type == "application/json"
        return json.loads(self.body)

    def lines(self) -> list[str]:
        """Return the lines of the body."""
        return self.body.decode().splitlines()


@dataclass
class Endpoint:
    """HTTP server on a port of this machine."""

    port: int

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)

    def request(
        self,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> Reply:
        """Send one request on a new connection."""
        connection = self.connect()
        content = body.encode() if isinstance(body, str) else body
        verb = method or ("GET" if body is None else "POST")
        try:
            connection.request(verb, path, content, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, response.headers["Content-Type"], response.read())
        finally:
            connection.close()

    def invoke(self, body: bytes | str, content_type: str = "text/csv") -> Reply:
        """Send a request for predictions."""
        return self.request("/invocations", body, {"Content-Type": content_type})

    def answers(self) -> bool:
        """Return whether anything responds on the port."""
        try:
            self.request("/ping")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def await_ready(self) -> None:
        """Wait until /ping returns 200."""
        await_condition(
            lambda: self.answers() and self.request("/ping").status == 200, "a ping with status 200"
        )


class Server(Endpoint):
    """Running `serve`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        super().__init__(port)
        self.process = process

    def children(self, name: str) -> list[int]:
        """Return the child processes of `serve` whose command line contains `name`."""
        return [pid for pid in children_of(self.process.pid) if name in command_line(pid)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send a signal, and wait until it exits."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> Ended:
        """Wait until it exits."""
        return wait_for(self.process)


def children_of(pid: int) -> list[int]:
    """Return the running child processes of a process."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    """Return the command line of a process, empty if it has exited."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def free_port() -> int:
    """Return a port that nothing listens on and that the kernel will not assign.

    A bound socket reserves it, so that no other program or connection receives it. A server that
    sets SO_REUSEADDR can still listen on it. Only the last 100 sockets stay open, because each
    needs a file descriptor.

    Source: https://man7.org/linux/man-pages/man7/socket.7.html (SO_REUSEADDR)
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("", 0))
    _reserved_ports.append(reserved)
    if len(_reserved_ports) > 100:
        _reserved_ports.popleft().close()
    port: int = reserved.getsockname()[1]
    return port
