"""Hosts of a job as threads of one process, each with its own address."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from container.distributed import rendezvous
from container.distributed.communicator import Communicator
from container.distributed.peer import Hosts
from container.errors import HostError
from support.processes import DEADLINE_SECONDS, free_port

NAMES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""Loopback addresses as host names; they need no name server."""


@dataclass
class Machine:
    """One host: its communicator, and the failures that it has received."""

    name: str
    port: int
    names: Sequence[str] = NAMES
    limit_seconds: float = 60.0
    failures: queue.SimpleQueue[HostError] = field(default_factory=queue.SimpleQueue)

    def connect(self) -> None:
        """Wait for the other hosts."""
        self.context = rendezvous.connect(
            Hosts(tuple(self.names), self.name), self.limit_seconds, self.failures.put, self.port
        )
        self.communicator = self.context.__enter__()

    def die(self) -> None:
        """Close all connections without a message, as a killed process does."""
        if communicator := getattr(self, "communicator", None):
            communicator._has_failed.set()  # otherwise it would report that the others have exited
            for peer in communicator._peers.values():
                peer.cut()


@contextmanager
def connected(names: Sequence[str] = NAMES) -> Iterator[list[Machine]]:
    """Yield connected hosts, and disconnect them."""
    port = free_port()
    found = [Machine(name, port, names) for name in names]
    with ThreadPoolExecutor(len(found)) as pool:
        list(pool.map(Machine.connect, found))
    try:
        yield found
    finally:
        for machine in found:
            machine.die()


def on_all(found: Sequence[Machine], work: Callable[[Communicator], Any]) -> list[Any]:
    """Call `work` for every host at the same time; return the results.

    An error of one host is raised at once, without waiting for the threads of the others.
    """
    results: list[Future[Any]] = [Future() for _ in found]
    for machine, result in zip(found, results, strict=True):
        arguments = (result, work, machine.communicator)
        threading.Thread(target=_resolve, args=arguments, daemon=True).start()
    done, _ = wait(results, DEADLINE_SECONDS, FIRST_EXCEPTION)
    for result in done:
        result.result()
    return [result.result(timeout=0) for result in results]


def _resolve(
    result: Future[Any], work: Callable[[Communicator], Any], communicator: Communicator
) -> None:
    """Set a result or an error, including a failed assertion."""
    try:
        result.set_result(work(communicator))
    except BaseException as error:  # noqa: BLE001 - it is raised by `on_all`
        result.set_exception(error)
