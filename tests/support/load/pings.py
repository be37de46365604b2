"""Measure /ping while a server is under load.

The pings run in their own process, because threads that generate load would delay them. As a
program, this module pings a server until its standard input ends, and prints the results as JSON.
It must not import a library that a server loads (see benchmarks/stacks.py).
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.load.connections import Call, Connection

_PAUSE_SECONDS = 0.02
_TESTS = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Pings:
    """Results of pings: `others` are the statuses other than 200, 0 for no response."""

    milliseconds: list[float]
    others: list[int]

    @property
    def p99(self) -> float:
        """99th percentile of the latency in milliseconds."""
        return sorted(self.milliseconds)[(len(self.milliseconds) - 1) * 99 // 100]


def ping_on(port: int) -> Pings:
    """Ping, each time on a new connection as the platform does, until standard input ends."""
    call = Call(b"GET /ping HTTP/1.1\r\nHost: load\r\n\r\n")
    pings = Pings([], [])
    while not select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0]:
        begun = time.perf_counter()
        status = _status_of(port, call)
        pings.milliseconds.append((time.perf_counter() - begun) * 1000)
        if status != 200:
            pings.others.append(status)
    return pings


def _status_of(port: int, call: Call) -> int:
    """Send one request on a new connection; return the status, 0 without a response."""
    try:
        connection = Connection(port)
    except OSError:
        return 0
    answer = connection.ask(call)[1]
    connection.close()
    return 0 if answer is None else answer.status


@contextmanager
def pinging(port: int) -> Iterator[Callable[[], Pings]]:
    """Ping a server during the context; yield a function that returns the results afterwards."""
    found: list[Pings] = []
    command = [sys.executable, "-m", "support.load.pings", str(port)]
    with subprocess.Popen(
        command, cwd=_TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield lambda: found[0]
        finally:
            output, _ = process.communicate()
    found.append(Pings(**json.loads(output)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vars(ping_on(int(sys.argv[1])))))
