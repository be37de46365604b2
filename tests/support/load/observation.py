"""What the long tests watch a server with: its memory, its log, its counters."""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

from support.processes import Server, await_condition, children_of

StartServe = Callable[[], "LoggedServer"]

_LOOK_SECONDS = 0.1


class LoggedServer(Server):
    """A running `serve` whose log is a file."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        super().__init__(process, port)
        self.log = log

    def invocations(self) -> int:
        """Return how many requests for predictions the log tells of."""
        return self.log.read_text().count('"path": "/invocations"')


class Memory:
    """The memory of a server and of all that it has started."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def bytes(self) -> int:
        """Return the proportional set size of all processes: shared pages count once.

        Source: https://docs.kernel.org/filesystems/proc.html (smaps_rollup).
        """
        return sum(_proportional_bytes(pid) for pid in _family(self._server.process.pid))

    def peak(self, done: threading.Event) -> int:
        """Return the largest of what it was until an event."""
        most = self.bytes()
        while not done.wait(_LOOK_SECONDS):
            most = max(most, self.bytes())
        return most


def app_requests(server: Server) -> int:
    """Return the requests that the workers have counted."""
    lines = server.request("/metrics").lines()
    counts = [line.split()[1] for line in lines if line.startswith("model_server_requests_total{")]
    assert len(counts) == 3, lines
    return sum(map(int, counts))


def await_end(pid: int) -> None:
    """Return when a process has ended and somebody has waited for it."""
    await_condition(lambda: not Path(f"/proc/{pid}").exists(), "the end of a process")


def chance(seed: int) -> Random:
    """Return what draws lots, the same for the same seed."""
    return Random(seed)  # noqa: S311 - nothing here is a secret


def workers(server: Server) -> set[int]:
    """Return the processes that answer: the children of both masters."""
    masters = server.children("gunicorn") + server.children("nginx")
    return {worker for master in masters for worker in children_of(master)}


def _family(pid: int) -> list[int]:
    return [pid, *(one for child in children_of(pid) for one in _family(child))]


def _proportional_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
