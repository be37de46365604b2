"""Communicator between the hosts of a job: collective operations, and failure on all hosts at once.

Every host is connected with the first one. A failure or death of a host is reported to all others
immediately, even while they compute. Messages are JSON or plain numbers; nothing is unpickled.
"""

import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.distributed import rendezvous
from container.distributed.hosts import THIS_ONE, Hosts
from container.distributed.rendezvous import Peer
from container.errors import EXIT_INTERNAL, HostError, UserError
from container.progress import phase

CAUSE_SECONDS = 5.0
"""Time to wait for the cause from another host after a computation has failed, in seconds."""

_LENGTH = np.dtype(np.int64)

Reduction = Callable[[list[bytes]], bytes]

logger = logging.getLogger(__name__)


class Communicator:
    """Communicator between the hosts of a job.

    `gather`, `sum`, `maximum` and `minimum` are collective: all hosts call them in the same order,
    and all receive the same result.
    """

    def __init__(
        self,
        hosts: Hosts,
        peers: Sequence[Peer] = (),
        fail: Callable[[HostError], object] = str,
    ) -> None:
        """Start one thread for each peer; it calls `fail` if another host fails or dies."""
        self.hosts = hosts
        self._peers = {peer.name: peer for peer in peers}
        self._fail = fail
        self._inbox: dict[str, queue.SimpleQueue[bytes]] = {
            name: queue.SimpleQueue() for name in self._peers
        }
        self._lock = threading.Lock()
        self._has_failed = threading.Event()
        self._is_over = threading.Event()
        self._is_leaving = False
        for peer in peers:
            threading.Thread(target=self._receive, args=(peer,), daemon=True).start()

    @property
    def rank(self) -> int:
        """Index of this host, from 0."""
        return self.hosts.rank

    def __len__(self) -> int:
        return len(self.hosts.names)

    @property
    def address(self) -> str:
        """On the first of several hosts: the address at which the others reach it."""
        return next(iter(self._peers.values())).own_address

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all hosts, in the order of the hosts; they must be JSON."""
        return [json.loads(part) for part in self.gather_bytes(json.dumps(value).encode())]

    def gather_bytes(self, value: bytes) -> list[bytes]:
        """Return the bytes of all hosts, in the order of the hosts."""
        whole = self._reduce(value, _concatenate)
        n_bytes = len(self) * _LENGTH.itemsize
        ends = np.cumsum(np.frombuffer(whole[:n_bytes], _LENGTH)) + n_bytes
        return [whole[start:end] for start, end in zip([n_bytes, *ends[:-1]], ends, strict=True)]

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all hosts of arrays of one shape and dtype."""
        return self._combine(values, np.add)

    def maximum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the element-wise maximum over all hosts."""
        return self._combine(values, np.maximum)

    def minimum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the element-wise minimum over all hosts."""
        return self._combine(values, np.minimum)

    def _combine(self, values: NDArray[Any], by: np.ufunc) -> NDArray[Any]:
        def reduction(parts: list[bytes]) -> bytes:
            total = np.frombuffer(parts[0], values.dtype).copy()
            for part in parts[1:]:
                by(total, np.frombuffer(part, values.dtype), out=total)
            return total.tobytes()

        whole = self._reduce(values.tobytes(), reduction)
        return np.frombuffer(whole, values.dtype).reshape(values.shape).copy()

    def _reduce(self, part: bytes, reduction: Reduction) -> bytes:
        """Return `reduction` of the parts of all hosts; the first host computes and sends it."""
        if self.rank:
            (leader,) = self._peers.values()
            leader.send({"kind": "value"}, part)
            return self._inbox[leader.name].get()
        others = self.hosts.names[1:]
        whole = reduction([part, *(self._inbox[name].get() for name in others)])
        for name in others:
            self._peers[name].send({"kind": "value"}, whole)
        return whole

    @contextmanager
    def naming_host(self) -> Iterator[None]:
        """Add the name of this host to an error of its own, such as that of a file.

        Raises:
            UserError: of the class that was raised, with the name of the host.
        """
        try:
            yield
        except UserError as error:
            if len(self) == 1:
                raise
            raise type(error)(f"On the host {self.hosts.current}: {error}") from error

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Disconnect at the end; after an error, report it to the other hosts first."""
        try:
            yield
        except UserError as error:
            self._fail_first(str(error), error.exit_code)
            raise
        except Exception as error:
            # If another host has died, this error is a consequence, and the cause arrives soon.
            self._has_failed.wait(CAUSE_SECONDS if self._peers else 0)
            text = f"On the host {self.hosts.current}: {type(error).__name__}: {error}"
            self._fail_first(text, EXIT_INTERNAL)
            raise
        else:
            for peer in self._peers.values():
                with suppress(OSError):
                    peer.send({"kind": "end"})
        finally:
            self._is_leaving = True
            for peer in self._peers.values():
                peer.cut()

    def _receive(self, peer: Peer) -> None:
        """Handle the messages of a peer until it disconnects; runs in a thread of its own."""
        has_left, reason = False, "its connection was closed"
        try:
            for header, payload in peer.messages():
                if header["kind"] == "failure":
                    self._fail_after(header)
                elif header["kind"] == "end":
                    has_left = True
                else:
                    self._inbox[peer.name].put(payload)
        except OSError as error:
            reason = str(error)
        peer.close()
        if has_left or self._is_leaving:
            return
        text = (
            f"The host {peer.name} has exited or can no longer be reached ({reason}), so all hosts "
            f"of the job exit; see the log and the failure of {peer.name}."
        )
        self._fail_after({"message": text, "code": EXIT_INTERNAL})

    def _fail_after(self, failure: dict[str, Any]) -> None:
        """Fail because another host has failed; runs in the thread that received the failure."""
        if self._broadcast(failure):
            self._fail(HostError(failure["message"], failure["code"]))
            self._is_over.set()

    def _fail_first(self, message: str, code: int) -> None:
        """Fail before all others; if another host was first, wait until `fail` has ended this."""
        if not self._broadcast({"message": message, "code": code}):
            self._is_over.wait(CAUSE_SECONDS)

    def _broadcast(self, failure: dict[str, Any]) -> bool:
        """Send a failure to the other hosts; return whether it is the first."""
        with self._lock:
            if self._has_failed.is_set():
                return False
            self._has_failed.set()
        for peer in self._peers.values():
            with suppress(OSError):
                peer.send({"kind": "failure", **failure})
        return True


def _concatenate(parts: list[bytes]) -> bytes:
    return np.array([len(part) for part in parts], dtype=_LENGTH).tobytes() + b"".join(parts)


ALONE = Communicator(THIS_ONE)
"""Communicator of a job on one host."""


@contextmanager
def connect(
    hosts: Hosts, limit_seconds: float, fail: Callable[[HostError], object]
) -> Iterator[Communicator]:
    """Connect the hosts of a job, and disconnect them at the end.

    Args:
        hosts: all hosts of the job.
        limit_seconds: how long to wait for the other hosts.
        fail: called in another thread if another host fails or dies.

    Raises:
        HostError: a host has not connected within `limit_seconds`.
    """
    logger.info("hosts: %s; this is %s", ", ".join(hosts.names), hosts.current)
    with phase("waiting for the other hosts"):
        peers = rendezvous.connect(hosts.names, hosts.current, limit_seconds)
    communicator = Communicator(hosts, peers, fail)
    with communicator.closing():
        yield communicator
