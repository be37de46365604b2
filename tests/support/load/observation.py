"""Observe a server under load: its memory, its log, its counters."""

import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

from support.processes import Server, await_condition, children_of
from support.servers import LoggedServer

StartServe = Callable[[], LoggedServer]

_INTERVAL_SECONDS = 0.1


class Memory:
    """Memory of a server and of all processes that it has started."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def bytes(self) -> int:
        """Return the proportional set size of all processes, which counts shared pages once.

        Source: https://docs.kernel.org/filesystems/proc.html (smaps_rollup).
        """
        return sum(_proportional_bytes(pid) for pid in _family(self._server.process.pid))

    def peak(self, done: threading.Event) -> int:
        """Return the maximum until an event."""
        most = self.bytes()
        while not done.wait(_INTERVAL_SECONDS):
            most = max(most, self.bytes())
        return most


def invocations(server: LoggedServer) -> int:
    """Return the number of requests for predictions in the log."""
    return sum(line.get("path") == "/invocations" for line in server.lines())


def app_requests(server: Server) -> int:
    """Return the number of requests that the workers have counted."""
    lines = server.request("/metrics").lines()
    counts = [line.split()[1] for line in lines if line.startswith("model_server_requests_total{")]
    assert len(counts) == 3, lines
    return int(sum(map(float, counts)))


def await_end(pid: int) -> None:
    """Wait until a process has exited and its parent has reaped it."""
    await_condition(lambda: not Path(f"/proc/{pid}").exists(), "the end of a process")


def chance(seed: int) -> Random:
    """Return a random number generator with this seed."""
    return Random(seed)  # noqa: S311 - not for cryptography


def workers(server: Server) -> set[int]:
    """Return the worker processes: the children of gunicorn's and nginx's masters."""
    masters = server.children("gunicorn") + server.children("nginx")
    return {worker for master in masters for worker in children_of(master)}


def _family(pid: int) -> list[int]:
    return [pid, *(one for child in children_of(pid) for one in _family(child))]


def _proportional_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
