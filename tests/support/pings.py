"""Pings while there is a load.

Run as a program it pings a server until its standard input ends, then writes what came back: in a
process of its own, since threads that make a load would make the pings look slow.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support.load import Call, Connection
from support.processes import launch, wait_for

_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Pings:
    """What pings brought: `others` are the statuses, 0 for no answer, that were not 200."""

    milliseconds: list[float]
    others: list[int]

    @property
    def p99(self) -> float:
        """The milliseconds that 99 of 100 pings did not exceed."""
        return sorted(self.milliseconds)[(len(self.milliseconds) - 1) * 99 // 100]


def ping_on(port: int) -> Pings:
    """Ping on new connections, as the platform does, until standard input ends."""
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
    """Send one request on a new connection; return the status, 0 without an answer."""
    try:
        connection = Connection(port)
    except OSError:
        return 0
    answer = connection.ask(call)[1]
    connection.close()
    return 0 if answer is None else answer.status


@contextmanager
def pinging(port: int) -> Iterator[Callable[[], Pings]]:
    """Ping a server all the while; what is yielded returns what came back, afterwards."""
    found: list[Pings] = []
    process = launch(
        [sys.executable, __file__, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield lambda: found[0]
    found.append(Pings(**json.loads(wait_for(process).log)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vars(ping_on(int(sys.argv[1])))))
