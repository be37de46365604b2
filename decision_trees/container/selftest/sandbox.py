"""Sandbox for `selftest`: a directory that replaces /opt/ml, its programs, and a small table."""

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

from container import signals
from container.errors import PlatformError
from container.log import escaped
from container.paths import PROGRAM_DIR

RUN_SECONDS = 120.0
"""Maximum time for a program to run, and for a server to start."""

STOP_SECONDS = 30.0
"""Time between SIGTERM and SIGKILL when the platform stops a container.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

_SHOWN_LINES = 12
"""Number of lines shown from the beginning of a log, and from its end."""

_REPLY_SECONDS = 60.0
_POLL_SECONDS = 0.05

Process = subprocess.Popen[bytes]


class CheckFailed(PlatformError):
    """A check has failed; the message has what was found and a remedy."""


class Sandbox:
    """Runs programs in a directory of their own, with a common log."""

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
        """Stop all programs that are still running."""
        for process in self._started:
            stop(process)

    def close(self) -> None:
        """Stop all programs that are still running, and release the port."""
        self.end()
        self._reserved.close()

    def find(self, program: str) -> str | None:
        """Return the path of our `train` or `serve`, None if there is none.

        Raises:
            CheckFailed: it is not executable, or it is not the one that PATH finds.
        """
        own = PROGRAM_DIR / program
        if not own.is_file():
            return None
        if not os.access(own, os.X_OK):
            raise CheckFailed(f"{own} is not executable; run `chmod a+x {own}` in the build.")
        found = shutil.which(program, path=self.environ.get("PATH"))
        if found is None or not own.samefile(found):
            raise CheckFailed(
                f"{program} on PATH is {found or 'missing'}, and not {own}; "
                f"put {PROGRAM_DIR} first on PATH."
            )
        return found

    def start(self, command: list[str], output: Path | None = None) -> Process:
        """Start a program; its output goes to `output`, or to the log like its error output.

        Signals are blocked during the start, so that `end` stops every program that was started.
        """
        self._last_start = self.log.stat().st_size
        with (
            self.log.open("ab") as log,
            (output or self.log).open("ab") as printed,
            signals.blocked(),
        ):
            process = subprocess.Popen(  # noqa: S603 - programs of the image
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
        """Run a program and return its exit code; raises CheckFailed if it takes too long."""
        process = self.start(command, output)
        try:
            return process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired as error:
            words = " ".join(command)
            raise CheckFailed(
                f"{words} did not exit within {RUN_SECONDS:g} s; see the log."
            ) from error
        finally:
            stop(process)

    def request(self, path: str, body: str | None = None, accept: str = "*/*") -> tuple[int, str]:
        """Send a GET, or a POST with CSV; return status and text; raises OSError, HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_REPLY_SECONDS)
        headers = {"Content-Type": "text/csv", "Accept": accept}
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace").strip()
        finally:
            connection.close()

    def await_ping(self, server: Process, status: int, words: str) -> None:
        """Wait until /ping returns this status with these words; raises CheckFailed."""
        deadline = time.monotonic() + RUN_SECONDS
        last = "no response"
        while server.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                found, text = self.request("/ping")
                if found == status and words in text:
                    return
                last = f"{found} {text}"
            if time.monotonic() > deadline:
                raise CheckFailed(
                    f"/ping gives {last} after {RUN_SECONDS:g} s; it must be {status}."
                )
            time.sleep(_POLL_SECONDS)
        raise CheckFailed(
            f"serve exited with code {server.returncode}; the last response of /ping was {last}."
        )

    def excerpt(self) -> str:
        """Return the log of the program that was started last; the middle of a long log is cut."""
        logged = self.log.read_bytes()[self._last_start :].decode(errors="replace")
        lines = [escaped(line) for line in logged.split("\n") if line]
        n_left_out = len(lines) - 2 * _SHOWN_LINES
        if n_left_out > 0:
            lines[_SHOWN_LINES:-_SHOWN_LINES] = [f"... {n_left_out} more lines ..."]
        return "".join(f"    {line}\n" for line in lines)


def stop(process: Process) -> int | None:
    """Stop a process as the platform does; return its exit code, None if it had to be killed."""
    process.terminate()  # no effect if it has exited
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _reserve_port() -> socket.socket:
    """Return a socket that reserves a port; nginx may listen there because of SO_REUSEADDR.

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
    """Small table that any algorithm for its task can learn."""

    task: str
    features: list[list[float]]
    labels: list[float]
    """0 and 1 for classification, far apart; positive numbers for regression."""

    def training_csv(self) -> str:
        """Return the rows of a training file, with the label first."""
        pairs = zip(self.labels, self.lines(), strict=True)
        return "".join(f"{label:g},{line}\n" for label, line in pairs)

    def lines(self) -> list[str]:
        """Return the rows of a request, without labels."""
        return [",".join(f"{cell:g}" for cell in row) for row in self.features]

    def is_answer(self, line: str) -> bool:
        """Return whether a line of a response is a valid prediction for the task."""
        try:
            value = float(line)
        except ValueError:
            return False
        return math.isfinite(value) if self.task == "regression" else value in self.labels


def make_sample(task: str) -> Sample:
    """Return a table for `task`, classification or regression; always the same rows."""
    source = random.Random(_SEED)  # noqa: S311 - no secret
    labels = [float(row % 2) for row in range(N_ROWS)]
    features = [
        [round(source.uniform(0, 1) + 3 * label, 3) for _ in range(N_FEATURES)] for label in labels
    ]
    if task == "regression":
        labels = [round(1 + sum(row), 3) for row in features]
    return Sample(task, features, labels)
