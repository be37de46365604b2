"""Communicator between the hosts of a job: collective operations, and failure on all hosts at once.

Every host is connected with the first one. A failure or death of a host is reported to all others
immediately, even while they compute. Messages are JSON or plain numbers; nothing is unpickled.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from queue import SimpleQueue
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from container.distributed.peer import THIS_ONE, Buffer, Hosts, Message, Peer
from container.errors import EXIT_INTERNAL, HostError, UserError
from container.resources import available_memory

CAUSE_SECONDS = 5.0
"""Time to wait for the cause from another host after a computation has failed, in seconds."""


class Communicator:
    """Communicator between the hosts of a job.

    `gather`, `gather_rows`, `sum`, `maximum` and `minimum` are collective: all hosts call them in
    the same order, and all receive the same result.
    """

    def __init__(self, hosts: Hosts, fail: Callable[[HostError], object] = str) -> None:
        """Create a communicator without peers; it calls `fail` if another host fails or dies."""
        self.hosts = hosts
        self.rank = hosts.rank
        self._peers: dict[str, Peer] = {}
        self._fail = fail
        self._inbox: dict[str, SimpleQueue[tuple[Message, bytearray]]] = {
            name: SimpleQueue() for name in hosts.names
        }
        self._n_operations = 0
        self._lock = threading.Lock()
        self._failure: HostError | None = None
        self._has_failed = threading.Event()
        self._is_over = threading.Event()
        self._is_leaving = False

    def __len__(self) -> int:
        return len(self.hosts.names)

    @property
    def address(self) -> str:
        """On the first of several hosts: the address at which the others reach it."""
        return next(iter(self._peers.values())).own_address

    def add(self, name: str, peer: Peer) -> bool:
        """Start the threads of a peer; return whether it is the first with this name."""
        with self._lock:
            if self._is_leaving or name in self._peers:
                return False
            peer.accept(name, available_memory() or sys.maxsize)
            self._peers[name] = peer
        threading.Thread(target=self._receive, args=(peer,), daemon=True).start()
        return True

    def missing(self) -> list[str]:
        """Return the names without a peer; raise HostError if a host has failed."""
        if self._failure:
            raise self._failure
        return [name for name in self.hosts.names[1:] if name not in self._peers]

    def gather(self, value: Any, kind: Any = Any) -> list[Any]:
        """Return the values of all hosts, in their order; they must be JSON of the type `kind`."""
        adapter, found = TypeAdapter(kind), []
        own = np.frombuffer(json.dumps(value).encode(), np.uint8)
        for name, part in zip(self.hosts.names, self.gather_rows(own), strict=True):
            try:
                found.append(adapter.validate_json(part.tobytes(), strict=True))
            except ValidationError as error:
                raise invalid(name, f"a bad value ({error.errors()[0]['msg']})") from error
        return found

    def gather_rows(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the arrays of all hosts, which may differ in their number of rows only."""
        return self._exchange("gather", values, None)

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all hosts of arrays of one shape and dtype."""
        return self._exchange("sum", values, np.add)[0]

    def maximum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the element-wise maximum over all hosts."""
        return self._exchange("maximum", values, np.maximum)[0]

    def minimum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the element-wise minimum over all hosts."""
        return self._exchange("minimum", values, np.minimum)[0]

    def _exchange(self, name: str, own: NDArray[Any], by: np.ufunc | None) -> list[NDArray[Any]]:
        """Return the arrays of all hosts, or a single one that the first host has reduced."""
        self._n_operations += 1
        shape = (-1, *own.shape[1:]) if by is None else own.shape
        operation = f"operation {self._n_operations}: {name} {own.dtype} {shape}"

        def receive(host: str) -> NDArray[Any]:
            payload = self.take(host, operation)
            try:
                return np.frombuffer(payload, own.dtype).reshape(shape)
            except ValueError as error:
                raise invalid(host, f"{len(payload)} bytes in {operation}") from error

        leader, *others = self.hosts.names
        if self.rank:
            self.send_to_all(operation, own.tobytes())
            return [receive(leader) for _ in (self.hosts.names if by is None else [leader])]
        arrays = [own, *map(receive, others)]
        if by is not None:
            arrays = [reduce(by, arrays[1:], own.copy())]
        for array in arrays:
            self.send_to_all(operation, array.tobytes())
        return arrays

    def send_to_all(self, operation: str, payload: Buffer = b"") -> None:
        """Send a value to all peers: from the first host to all others, or to the first host."""
        for peer in self._peers.values():
            peer.send(Message(kind="value", operation=operation), payload)

    def take(self, name: str, operation: str, seconds: float | None = None) -> bytearray:
        """Return the next value of a host; raise Empty after `seconds`, HostError if it is bad."""
        message, payload = self._inbox[name].get(timeout=seconds)
        if message.kind == "failure":
            raise HostError(message.message, message.code)
        if message.operation != operation:
            sent = message.operation or message.kind
            raise invalid(name, f"{sent!r} where {operation!r} is expected")
        return payload

    @contextmanager
    def limited(self, seconds: float, message: str) -> Iterator[None]:
        """Fail on all hosts if the context takes longer, even in compiled code."""
        failure = Message(kind="failure", message=message)
        timer = threading.Timer(seconds, self._fail_after, [failure])
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def naming_host(self) -> Iterator[None]:
        """Add the name of this host to a UserError of its own, such as that of a file."""
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
        except (UserError, HostError) as error:
            self._fail_first(str(error), error.exit_code)
            raise
        except Exception as error:
            # If another host has died, this error is a consequence, and the cause arrives soon.
            self._has_failed.wait(CAUSE_SECONDS if self._peers else 0)
            text = f"On the host {self.hosts.current}: {type(error).__name__}: {error}"
            self._fail_first(text, EXIT_INTERNAL)
            raise
        else:
            self._is_leaving = True
            self._send(Message(kind="end"))
        finally:
            self._is_leaving = True
            for peer in self._peers.values():
                peer.cut()

    def _receive(self, peer: Peer) -> None:
        """Handle the messages of a peer until it leaves; runs in a thread of its own."""
        kind, inbox = "", self._inbox[peer.name]
        try:
            while kind != "end":
                message, payload = peer.receive()
                kind = message.kind
                if kind == "failure":
                    self._fail_after(message)
                elif kind != "alive":
                    inbox.put((message, payload))
                if inbox.qsize() > len(self) + 1:
                    raise ConnectionError("it sends values for which no host has asked")
        except OSError as error:
            peer.cut()  # ends a thread that sends to it
            if not self._is_leaving:
                text = (
                    f"The host {peer.name} has exited or can no longer be reached ({error}), so "
                    f"all hosts of the job exit; see the log and the failure of {peer.name}."
                )
                self._fail_after(Message(kind="failure", message=text))
        peer.close()

    def _fail_after(self, failure: Message) -> None:
        """Fail because another host has failed; runs in the thread that received the failure."""
        if self._send_failure(failure):
            self._failure = HostError(failure.message, failure.code)
            self._fail(self._failure)
            for inbox in self._inbox.values():
                inbox.put((failure, bytearray()))
            self._is_over.set()

    def _fail_first(self, message: str, code: int) -> None:
        """Fail before all others; if another host was first, wait until `fail` has ended this."""
        if not self._send_failure(Message(kind="failure", message=message, code=code)):
            self._is_over.wait(CAUSE_SECONDS)

    def _send_failure(self, failure: Message) -> bool:
        """Send a failure to the other hosts; return whether it is the first."""
        with self._lock:
            if self._has_failed.is_set():
                return False
            self._has_failed.set()
        self._send(failure)
        return True

    def _send(self, message: Message) -> None:
        """Send the last message to all peers, and wait for a short time until it is sent."""
        peers, deadline = list(self._peers.values()), monotonic() + CAUSE_SECONDS
        for peer in peers:
            peer.send(message)
        for peer in peers:
            peer.finish(max(0.0, deadline - monotonic()))


def invalid(name: str, found: str) -> HostError:
    """Return the error for something that a host should not have sent."""
    return HostError(
        f"The host {name} sent {found}; all hosts must run the same image, and their ports must be "
        "closed to others."
    )


ALONE = Communicator(THIS_ONE)
"""Communicator of a job on one host."""
