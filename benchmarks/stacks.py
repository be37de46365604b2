"""Stacks to compare, and functions to start their servers without Docker.

This module and its imports must not load a library that the servers load as well: pages shared
with this process would reduce their PSS.
"""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import CLASSIC, FLOOR, OURS

ROOT = Path(__file__).resolve().parent.parent
PROGRAM_DIR = ROOT / "decision_trees"
CLASSIC_DIR = ROOT / "benchmarks/classic"
FLOOR_WSGI = ROOT / "benchmarks/floor/wsgi.py"
VENV = ROOT / ".venv"
CLASSIC_VENV = VENV / "classic"

# Without PYTHONDONTWRITEBYTECODE, later starts find the bytecode, as in the images.
_NOT_INHERITED = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}

DEADLINE_SECONDS = 60.0
_PAUSE_SECONDS = 0.002


class BenchmarkError(Exception):
    """A measurement failed; its figures cannot be trusted."""


@dataclass(frozen=True)
class Stack:
    """Column of the table: a folder with `train` and `serve`, and a virtual environment."""

    name: str
    program_dir: Path
    venv: Path

    def environment(self, base: Path, **variables: str) -> dict[str, str]:
        """Return the environment variables of a program; `base` replaces /opt/ml."""
        path = os.pathsep.join([f"{self.venv}/bin", f"{VENV}/bin", os.environ["PATH"]])
        inherited = {n: value for n, value in os.environ.items() if n not in _NOT_INHERITED}
        return inherited | {"PATH": path, "SAGEMAKER_BASE_DIR": str(base)} | variables

    def train(self, base: Path) -> None:
        """Run the program `train`.

        Raises:
            BenchmarkError: it failed.
        """
        program = self.program_dir / "train"
        ended = subprocess.run(
            [program], env=self.environment(base), check=False, capture_output=True, text=True
        )
        if ended.returncode:
            raise BenchmarkError(f"{program} failed: {ended.stdout[-500:]}{ended.stderr[-500:]}")


@dataclass(frozen=True)
class StackServer:
    """Running stack."""

    stack: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        """Return the ids of all processes of the stack."""
        return _tree(self.process.pid)

    def await_ready(self) -> None:
        """Wait for the first 200 of /ping.

        Raises:
            BenchmarkError: it did not arrive in time; the message contains the end of the log.
        """
        try:
            await_ready(self.port, self.process)
        except BenchmarkError as error:
            raise self.failed(str(error)) from error

    def failed(self, what: str) -> BenchmarkError:
        """Return an error with this message and the end of the log."""
        last = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return BenchmarkError(f"{self.stack}: {what}; its log ends:\n{last}")


def make_stacks(scratch: Path) -> dict[str, Stack]:
    """Return the three stacks; the floor is this container's program with another wsgi.py.

    Ours is a copy as well, so that edits during a run do not change what is measured.
    """
    ours, floor = scratch / OURS, scratch / FLOOR
    for copy in (ours, floor):
        shutil.copytree(PROGRAM_DIR, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(FLOOR_WSGI, floor / "wsgi.py")
    return {
        CLASSIC: Stack(CLASSIC, CLASSIC_DIR, CLASSIC_VENV),
        OURS: Stack(OURS, ours, VENV),
        FLOOR: Stack(FLOOR, floor, VENV),
    }


@contextmanager
def running(stack: Stack, base: Path, workers: int) -> Iterator[StackServer]:
    """Run `serve` of a stack; yield the server when it is ready, and stop it at the end."""
    with starting(stack, base, workers) as server:
        server.await_ready()
        yield server


@contextmanager
def starting(stack: Stack, base: Path, workers: int) -> Iterator[StackServer]:
    """Start `serve` of a stack; yield the server at once, and stop it at the end."""
    port = free_port()
    variables = {"MODEL_SERVER_WORKERS": str(workers), "SAGEMAKER_BIND_TO_PORT": str(port)}
    log = base / f"{stack.name}-{port}.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [stack.program_dir / "serve"],
            env=stack.environment(base, **variables),
            stdout=written,
            stderr=written,
        )
    try:
        yield StackServer(stack.name, port, process, log)
    finally:
        _stop(process)


def await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for the first 200 of /ping.

    Raises:
        BenchmarkError: it did not arrive in time, or the process failed.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not _is_ready(port):
        if process.poll() or time.monotonic() > deadline:
            raise BenchmarkError(f"/ping did not return 200 (exit code {process.returncode})")
        time.sleep(_PAUSE_SECONDS)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(process for child in children for process in _tree(int(child)))]


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise BenchmarkError(f"process {process.pid} did not exit after SIGTERM") from error
