"""The hosts of a job as a group: they agree on what they have found, and fail together.

Each is connected with the first, by which it learns at once of a failure on another host, or of its
death, also while it computes. What is said is JSON or plain numbers, and nothing is unpickled.
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
"""How long a host whose computation has failed listens for the cause from another host."""

_LENGTH = np.dtype(np.int64)

Reduction = Callable[[list[bytes]], bytes]

logger = logging.getLogger(__name__)


class Communicator:
    """All hosts of a job; what one method is given and returns, all hosts are and get."""

    def __init__(
        self,
        hosts: Hosts,
        peers: Sequence[Peer] = (),
        fail: Callable[[HostError], object] = str,
    ) -> None:
        """Take connected peers; `fail` is called, in another thread, when another host fails."""
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
            threading.Thread(target=self._listen, args=(peer,), daemon=True).start()

    @property
    def rank(self) -> int:
        """The place of this host; the first is 0."""
        return self.hosts.rank

    def __len__(self) -> int:
        return len(self.hosts.names)

    @property
    def address(self) -> str:
        """On the first host of several: the address by which the others reach it."""
        return next(iter(self._peers.values())).own_address

    def gather(self, value: Any) -> list[Any]:
        """Return what each host gives, JSON, in the order of the hosts."""
        return [json.loads(part) for part in self.gather_bytes(json.dumps(value).encode())]

    def gather_bytes(self, value: bytes) -> list[bytes]:
        """Return the bytes that each host gives, in the order of the hosts."""
        found = self._reduced(value, _joined)
        n_bytes = len(self) * _LENGTH.itemsize
        ends = np.cumsum(np.frombuffer(found[:n_bytes], _LENGTH)) + n_bytes
        return [found[start:end] for start, end in zip([n_bytes, *ends[:-1]], ends, strict=True)]

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all hosts of arrays of one shape and dtype."""
        return self._combined(values, np.add)

    def maximum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the largest of all hosts, element by element."""
        return self._combined(values, np.maximum)

    def minimum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the smallest of all hosts, element by element."""
        return self._combined(values, np.minimum)

    def _combined(self, values: NDArray[Any], by: np.ufunc) -> NDArray[Any]:
        def reduction(parts: list[bytes]) -> bytes:
            total = np.frombuffer(parts[0], values.dtype).copy()
            for part in parts[1:]:
                by(total, np.frombuffer(part, values.dtype), out=total)
            return total.tobytes()

        found = self._reduced(values.tobytes(), reduction)
        return np.frombuffer(found, values.dtype).reshape(values.shape).copy()

    def _reduced(self, part: bytes, reduction: Reduction) -> bytes:
        """Return what the first host makes of the parts of all, in the order of the hosts."""
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
    def reporting(self) -> Iterator[None]:
        """Name this host in an error that is its own, such as that of a file.

        Raises:
            UserError: one of the kind that was raised, which names the host.
        """
        try:
            yield
        except UserError as error:
            if len(self) == 1:
                raise
            raise type(error)(f"On the host {self.hosts.current}: {error}") from error

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Leave the group at the end: in peace, or telling the others of an error."""
        try:
            yield
        except UserError as error:
            self._fail_first(str(error), error.exit_code)
            raise
        except Exception as error:
            # Where another host has died, this is but a consequence, and its cause arrives now.
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

    def _listen(self, peer: Peer) -> None:
        """Be the thread that hears what a peer says, to its end."""
        has_left, reason = False, "its connection was closed"
        try:
            for header, payload in peer.messages():
                if header["kind"] == "failure":
                    self._heard(header)
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
            f"The host {peer.name} has ended, or cannot be reached any more ({reason}), so all "
            f"others end too; the log and the failure of {peer.name} say why."
        )
        self._heard({"message": text, "code": EXIT_INTERNAL})

    def _heard(self, failure: dict[str, Any]) -> None:
        """Fail with another host, in the thread that has heard of it."""
        if self._told(failure):
            self._fail(HostError(failure["message"], failure["code"]))
            self._is_over.set()

    def _fail_first(self, message: str, code: int) -> None:
        """Fail before the others; after another, wait for the end of this process."""
        if not self._told({"message": message, "code": code}):
            self._is_over.wait(CAUSE_SECONDS)

    def _told(self, failure: dict[str, Any]) -> bool:
        """Tell the other hosts of a failure; say whether it is the first."""
        with self._lock:
            if self._has_failed.is_set():
                return False
            self._has_failed.set()
        for peer in self._peers.values():
            with suppress(OSError):
                peer.send({"kind": "failure", **failure})
        return True


def _joined(parts: list[bytes]) -> bytes:
    return np.array([len(part) for part in parts], dtype=_LENGTH).tobytes() + b"".join(parts)


ALONE = Communicator(THIS_ONE)


@contextmanager
def joined(
    hosts: Hosts, limit_seconds: float, fail: Callable[[HostError], object]
) -> Iterator[Communicator]:
    """Connect the hosts of a job, and disconnect them at the end.

    Args:
        hosts: all hosts of the job.
        limit_seconds: how long to wait for the other hosts.
        fail: called in another thread when another host fails or dies.

    Raises:
        HostError: not all hosts have come within `limit_seconds`.
    """
    logger.info("hosts: %s; this is %s", ", ".join(hosts.names), hosts.current)
    with phase("waiting for the other hosts"):
        connected = rendezvous.meet(hosts, limit_seconds)
    group = Communicator(hosts, connected, fail)
    with group.ending():
        yield group
