"""Hosts of a job as threads of one process, each with its own address."""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from container.distributed import rendezvous
from container.distributed.communicator import Communicator
from container.distributed.hosts import Hosts
from container.errors import HostError
from support.processes import DEADLINE_SECONDS, free_port

NAMES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""A name that is an address is known to every network."""


def met(names: Sequence[str] = NAMES) -> list[list[rendezvous.Peer]]:
    """Return the peers of each host."""
    port = free_port()
    with ThreadPoolExecutor(len(names)) as pool:
        return list(
            pool.map(lambda name: rendezvous.connect(names, name, DEADLINE_SECONDS, port), names)
        )


@dataclass
class Machine:
    """One host: its group, its peers, and the failures of which it has heard."""

    name: str
    peers: list[rendezvous.Peer]
    failures: queue.SimpleQueue[HostError] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        """Join the group."""
        self.communicator = Communicator(Hosts(NAMES, self.name), self.peers, self.failures.put)

    def die(self) -> None:
        """Lose all connections, and say nothing, as a process that is killed."""
        self.communicator._has_failed.set()
        for peer in self.peers:
            peer.cut()


@contextmanager
def connected() -> Iterator[list[Machine]]:
    """Yield connected hosts, and disconnect them."""
    found = [Machine(name, theirs) for name, theirs in zip(NAMES, met(), strict=True)]
    try:
        yield found
    finally:
        for machine in found:
            machine.die()


def on_all(found: Sequence[Machine], work: Callable[[Communicator], Any]) -> list[Any]:
    """Let every host do the same; return what each gets."""
    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(lambda machine: work(machine.communicator), found))
