"""The stacks that are compared, and how each is started, without Docker.

Nothing here, nor in what it imports, may load a library that the servers load too: pages that
this process shared with them would count less in their PSS.
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

# Bytecode is kept from one start to the next, as images have it.
_NOT_INHERITED = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}

DEADLINE_SECONDS = 60.0
_PAUSE_SECONDS = 0.002


class BenchmarkError(Exception):
    """Something went wrong, so that no figure can be trusted."""


@dataclass(frozen=True)
class Stack:
    """One of the columns: a folder with `serve`, and the environment of its interpreter."""

    name: str
    program_dir: Path
    venv: Path

    def environment(self, base: Path, **variables: str) -> dict[str, str]:
        """Return the environment of a program; `base` stands in for /opt/ml."""
        path = os.pathsep.join([f"{self.venv}/bin", f"{VENV}/bin", os.environ["PATH"]])
        inherited = {n: value for n, value in os.environ.items() if n not in _NOT_INHERITED}
        return inherited | {"PATH": path, "SAGEMAKER_BASE_DIR": str(base)} | variables

    def train(self, base: Path) -> None:
        """Run the program `train`; raises BenchmarkError when it fails."""
        program = self.program_dir / "train"
        ended = subprocess.run(
            [program], env=self.environment(base), check=False, capture_output=True, text=True
        )
        if ended.returncode:
            raise BenchmarkError(f"{program} failed: {ended.stdout[-500:]}{ended.stderr[-500:]}")


@dataclass(frozen=True)
class Server:
    """A stack that runs."""

    stack: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        """Return all processes of the stack."""
        return _tree(self.process.pid)

    def await_ready(self) -> None:
        """Return at the first 200 on /ping; raises BenchmarkError with the log's end without."""
        try:
            await_ready(self.port, self.process)
        except BenchmarkError as error:
            raise self.failed(str(error)) from error

    def failed(self, what: str) -> BenchmarkError:
        """Return an error that tells what went wrong, and the end of the log."""
        last = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return BenchmarkError(f"{self.stack}: {what}; its log ends:\n{last}")


def make_stacks(scratch: Path) -> dict[str, Stack]:
    """Return the three stacks; the floor is our program with another wsgi.py.

    Ours is a copy too, so that nobody who edits the program meanwhile changes what is measured.
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
def running(stack: Stack, base: Path, workers: int) -> Iterator[Server]:
    """Run `serve` of a stack until it is no longer needed; it is ready when it is yielded."""
    with starting(stack, base, workers) as server:
        server.await_ready()
        yield server


@contextmanager
def starting(stack: Stack, base: Path, workers: int) -> Iterator[Server]:
    """Start `serve`, which is not ready yet; it is stopped in the end. Its log is in `base`."""
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
        yield Server(stack.name, port, process, log)
    finally:
        _stop(process)


def await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return at the first 200 on /ping.

    Raises:
        BenchmarkError: it does not come in time, or the process fails.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not _is_ready(port):
        if process.poll() or time.monotonic() > deadline:
            raise BenchmarkError(f"no 200 on /ping (exit code {process.returncode})")
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
        raise BenchmarkError(f"process {process.pid} did not end on SIGTERM") from error
