"""The real `train` and `serve` as processes, spoken to over HTTP and by signals."""

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
"""Time after which something has hung. A slow or busy machine needs less."""

_GRACE_SECONDS = 10.0
_launched: list[subprocess.Popen[str]] = []
_reserved_ports: deque[socket.socket] = deque()


def await_condition(condition: Callable[[], bool], what: str) -> None:
    """Return when `condition` holds; fail when it does not within the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {DEADLINE_SECONDS} s"
        time.sleep(0.02)


def environment(opt_ml: OptMl, **variables: str) -> dict[str, str]:
    """Return the environment of a program: this interpreter, and /opt/ml elsewhere."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "SAGEMAKER_BASE_DIR": str(opt_ml.base)} | variables


def start(program: str | Path, opt_ml: OptMl, **variables: str) -> subprocess.Popen[str]:
    """Start `train` or `serve`; what it prints is kept for the test."""
    return launch(
        [PROGRAM_DIR / program],  # a path from the root stays as it is
        env=environment(opt_ml, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def launch(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
    """Start a program in a process group of its own, which `cleaned_up` ends."""
    options = {"stdin": subprocess.DEVNULL} | options
    process: subprocess.Popen[str] = subprocess.Popen(
        command, text=True, process_group=0, **options
    )
    _launched.append(process)
    return process


@contextmanager
def cleaned_up() -> Iterator[None]:
    """End all programs that are started in the context and still run when it is left."""
    n_before = len(_launched)
    yield
    while len(_launched) > n_before:
        end(_launched.pop())


def end(process: subprocess.Popen[Any]) -> None:
    """Stop a program, kill what is left of its process group, and close its pipes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:
        pass


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read what a process prints until a line has `words`."""
    assert process.stdout is not None
    watchdog = threading.Timer(DEADLINE_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        assert any(words in line for line in process.stdout), f"it never printed {words!r}"
    finally:
        watchdog.cancel()


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    log: str


def wait_for(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a program whose output nobody else reads; end it if it hangs."""
    try:
        log, _ = process.communicate(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        end(process)
        raise
    return Ended(process.returncode, log)


def train(opt_ml: OptMl, **variables: str) -> Ended:
    """Run `train` to its end."""
    return wait_for(start("train", opt_ml, **variables))


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in the program's folder, with an environment of no variables."""
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
    """An answer over HTTP."""

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
    """What answers HTTP on a port of this machine."""

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
        """Ask for predictions."""
        return self.request("/invocations", body, {"Content-Type": content_type})

    def answers(self) -> bool:
        """Say whether anything at all answers on the port."""
        try:
            self.request("/ping")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def await_ready(self) -> None:
        """Return when /ping is 200."""
        await_condition(
            lambda: self.answers() and self.request("/ping").status == 200, "a ping with status 200"
        )


class Server(Endpoint):
    """A running `serve`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        super().__init__(port)
        self.process = process

    def children(self, name: str) -> list[int]:
        """Return the processes that `serve` has started and whose command line has `name`."""
        return [pid for pid in children_of(self.process.pid) if name in command_line(pid)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> Ended:
        """Wait for the end."""
        return wait_for(self.process)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    """Return the command line of a process, empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def free_port() -> int:
    """Return a port that nothing listens on and that the kernel gives to nobody else.

    It stays bound, so that neither another program nor a connection gets it. A server that sets
    SO_REUSEADDR can listen on it all the same. Only the last 100 stay bound: each takes a file.

    Source: https://man7.org/linux/man-pages/man7/socket.7.html (SO_REUSEADDR)
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _reserved_ports.append(reserved)
    if len(_reserved_ports) > 100:
        _reserved_ports.popleft().close()
    port: int = reserved.getsockname()[1]
    return port
