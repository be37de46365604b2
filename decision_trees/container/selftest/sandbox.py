"""A directory that stands in for /opt/ml, and the programs of the image that run in it.

Rows for a job that only shows that all parts fit together: made on the spot, always the same.
"""

import http.client
import math
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from container import signals
from container.errors import PlatformError
from container.paths import PROGRAM_DIR

RUN_SECONDS = 120.0
"""So long a program may run, and a server may take to start."""

STOP_SECONDS = 30.0
"""So long the platform waits after SIGTERM, and then it kills.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

_SHOWN_LINES = 12
"""So many lines of a log are shown from its start, where reasons are, and as many from its end."""

_REPLY_SECONDS = 60.0
_LOOK_SECONDS = 0.05

Process = subprocess.Popen[bytes]


class Failure(PlatformError):
    """Something is not as it must be; the message says what was found and what to do."""


class HttpReply(NamedTuple):
    """An answer over HTTP."""

    status: int
    text: str


class Sandbox:
    """Runs programs with a log that all of them share."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.base = directory / "ml"
        self.log = directory / "log"
        self._reserved = _reserve_port()
        self.port = self._reserved.getsockname()[1]
        self.environ = {
            **environ,
            "SAGEMAKER_BASE_DIR": str(self.base),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
        }
        self.log.touch()
        self._started: list[Process] = []
        self._last_start = 0

    def end(self) -> None:
        """Stop every program that still runs."""
        for process in self._started:
            stop(process)

    def close(self) -> None:
        """Stop every program that still runs, and give the port back."""
        self.end()
        self._reserved.close()

    def find(self, program: str) -> str | None:
        """Return the path of our `train` or `serve`, None when there is none.

        Raises:
            Failure: it would not be run by its name: it is not executable, or PATH finds another.
        """
        own = PROGRAM_DIR / program
        if not own.is_file():
            return None
        if not os.access(own, os.X_OK):
            raise Failure(f"{own} is not executable; run `chmod a+x {own}` in the build.")
        found = shutil.which(program, path=self.environ.get("PATH"))
        if found is None or not own.samefile(found):
            raise Failure(
                f"On PATH {program} is {found or 'not to be found'}, and ours is {own}; "
                f"put {PROGRAM_DIR} first on PATH."
            )
        return found

    def start(self, command: list[str], output: Path | None = None) -> Process:
        """Start a program; what it prints goes to `output`, or to the log as its errors do.

        A signal meanwhile is not lost, and leaves no program that `end` does not know.
        """
        self._last_start = self.log.stat().st_size
        with (
            self.log.open("ab") as log,
            (output or self.log).open("ab") as printed,
            signals.blocked(),
        ):
            process = subprocess.Popen(  # noqa: S603 - our own words
                command,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=log,
                preexec_fn=signals.unblock,  # noqa: PLW1509 - there are no threads
            )
            self._started.append(process)
        return process

    def run(self, command: list[str], output: Path | None = None) -> int:
        """Run a program to its end, and return its exit code; raises Failure when it has none."""
        process = self.start(command, output)
        try:
            return process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired as error:
            words = " ".join(command)
            raise Failure(f"{words} did not end within {RUN_SECONDS:g} s; see the log.") from error
        finally:
            stop(process)

    def request(self, path: str, body: str | None = None, accept: str = "*/*") -> HttpReply:
        """Send a GET, or a POST of CSV, to the server; raises OSError or HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_REPLY_SECONDS)
        headers = {"Content-Type": "text/csv", "Accept": accept}
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            response = connection.getresponse()
            return HttpReply(response.status, response.read().decode(errors="replace").strip())
        finally:
            connection.close()

    def await_ping(self, server: Process, status: int, words: str) -> None:
        """Return when /ping has this status and these words; raises Failure."""
        deadline = time.monotonic() + RUN_SECONDS
        last = "no answer"
        while server.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                reply = self.request("/ping")
                if reply.status == status and words in reply.text:
                    return
                last = f"{reply.status} {reply.text}"
            if time.monotonic() > deadline:
                raise Failure(f"/ping gives {last} after {RUN_SECONDS:g} s; it must be {status}.")
            time.sleep(_LOOK_SECONDS)
        raise Failure(f"serve ended by itself, exit code {server.returncode}; /ping gave {last}.")

    def excerpt(self) -> str:
        """Return what the program started last has logged, without the middle when it is long."""
        logged = self.log.read_bytes()[self._last_start :].decode(errors="replace")
        lines = logged.splitlines()
        n_left_out = len(lines) - 2 * _SHOWN_LINES
        if n_left_out > 0:
            lines[_SHOWN_LINES:-_SHOWN_LINES] = [f"... {n_left_out} lines left out ..."]
        return "".join(f"    {line}\n" for line in lines)


def stop(process: Process) -> int | None:
    """Stop a process as the platform does; return its exit code, None when it had to be killed."""
    process.terminate()  # does nothing to one that has ended
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _reserve_port() -> socket.socket:
    """Return a socket on a port that nobody else is given; nginx may listen there all the same.

    Source: https://man7.org/linux/man-pages/man7/socket.7.html (SO_REUSEADDR)
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


N_ROWS = 150
N_FEATURES = 4

_SEED = 0


@dataclass(frozen=True)
class Sample:
    """A small table that any algorithm of its task can learn."""

    task: str
    features: list[list[float]]
    labels: list[float]
    """0 and 1 for classification, far apart; positive numbers for regression."""

    def training_csv(self) -> str:
        """Return a training file: the label is the first cell of each row."""
        pairs = zip(self.labels, self.lines(), strict=True)
        return "".join(f"{label:g},{line}\n" for label, line in pairs)

    def lines(self) -> list[str]:
        """Return each row as a request has it: without its label."""
        return [",".join(f"{cell:g}" for cell in row) for row in self.features]

    def is_answer(self, line: str) -> bool:
        """Say whether a line of a reply is what such a model can say of a row."""
        try:
            value = float(line)
        except ValueError:
            return False
        return math.isfinite(value) if self.task == "regression" else value in self.labels


def make(task: str) -> Sample:
    """Return a table for `task`, classification or regression."""
    source = random.Random(_SEED)  # noqa: S311 - no secret
    labels = [float(row % 2) for row in range(N_ROWS)]
    features = [
        [round(source.uniform(0, 1) + 3 * label, 3) for _ in range(N_FEATURES)] for label in labels
    ]
    if task == "regression":
        labels = [round(1 + sum(row), 3) for row in features]
    return Sample(task, features, labels)
