"""Hosts of a job, and the connection to another host, which checks all messages of others.

A message is the length of a header, the header in JSON, and a payload of bytes. A thread sends;
when there is nothing to send, it sends heartbeats, so a host that computes differs from a dead one.
"""

import ipaddress
import queue
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from container.errors import EXIT_INTERNAL, FAILURE_CHARACTERS
from container.log import escaped

Buffer = bytes | bytearray

HEARTBEAT_SECONDS = 5.0

SILENCE_SECONDS = 45.0
"""Time after which a host that sends nothing is considered dead; at most 60 for all hosts."""

_LENGTH_BYTES = 4
_HEADER_BYTES = 8192
_CHUNK_BYTES = 1 << 20  # each must be sent and received within SILENCE_SECONDS
GREETING_SECONDS = 10.0
"""Time in which a new connection must say which host it is."""


@dataclass(frozen=True)
class Hosts:
    """Names of all hosts of a job, and the name of this one."""

    names: tuple[str, ...]
    """Sorted, so that all hosts agree on the order."""

    current: str

    @property
    def rank(self) -> int:
        """Index of this host, from 0; host 0 leads and writes the model."""
        return self.names.index(self.current)

    @property
    def are_several(self) -> bool:
        """Whether the job has more than one host."""
        return len(self.names) > 1


THIS_ONE = Hosts(("localhost",), "localhost")


def _printable(text: Any) -> Any:
    """Escape control characters, and cut a text to the length of a failure file."""
    return escaped(text)[:FAILURE_CHARACTERS] if isinstance(text, str) else text


_Text = Annotated[str, BeforeValidator(_printable)]


class Message(BaseModel):
    """Header of a message; other fields, types and ranges are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    kind: Literal["hello", "alive", "value", "failure", "end"]
    n_bytes: Annotated[int, Field(ge=0)] = 0
    """Length of the payload."""

    host: _Text = ""
    """Name of the sender, in a hello."""

    operation: _Text = ""
    """Version of the messages or collective operation; the sender and the receiver must agree."""

    message: _Text = ""
    code: Annotated[int, Field(ge=1, le=255)] = EXIT_INTERNAL
    """Exit code, in a failure."""


class Peer:
    """Another host; until `accept` is called, perhaps a stranger, whose payloads are refused."""

    def __init__(
        self, connection: socket.socket, address: str, first_seconds: float = GREETING_SECONDS
    ) -> None:
        """Wait at most `first_seconds` for the first message."""
        self.name = ""
        self.address = plain_address(address)
        self._connection = connection
        self._silence_seconds = first_seconds
        self._max_bytes = 0
        self._outgoing: queue.SimpleQueue[tuple[Message, Buffer] | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, daemon=True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def own_address(self) -> str:
        """Address of this host as seen by the peer."""
        return plain_address(self._connection.getsockname()[0])

    @property
    def is_accepted(self) -> bool:
        """Whether this is a host of the job."""
        return bool(self.name)

    def accept(self, name: str, max_bytes: int) -> None:
        """Send heartbeats, and receive payloads, from now on."""
        self.name, self._max_bytes = name, max_bytes
        self._sender.start()

    def refuse(self, reason: str) -> None:
        """Send a failure to a peer that is not accepted, and close the connection."""
        with suppress(OSError):
            _write(self._connection, Message(kind="failure", message=reason), b"")
        self.close()

    def send(self, message: Message, payload: Buffer = b"") -> None:
        """Send a message, in another thread; `receive` reports a connection that is lost."""
        self._outgoing.put((message.model_copy(update={"n_bytes": len(payload)}), payload))

    def receive(self) -> tuple[Message, bytearray]:
        """Return the next message; raise OSError if it is invalid, late or cannot arrive."""
        deadline = time.monotonic() + self._silence_seconds
        length = int.from_bytes(self._read(_LENGTH_BYTES, deadline))
        if length > _HEADER_BYTES:
            raise ConnectionError("it sends no messages of this version of the program")
        try:
            message = Message.model_validate_json(bytes(self._read(length, deadline)))
        except ValidationError as error:
            raise ConnectionError(f"it sent a bad message: {error.errors()[0]['msg']}") from error
        if message.n_bytes > self._max_bytes:
            raise ConnectionError(
                f"it announced {message.n_bytes} bytes, more than the memory of this host"
            )
        payload = bytearray()
        while len(payload) < message.n_bytes:
            payload += self._read(min(_CHUNK_BYTES, message.n_bytes - len(payload)), deadline)
            deadline = time.monotonic() + SILENCE_SECONDS
        self._silence_seconds = SILENCE_SECONDS
        return message, payload

    def _read(self, n_bytes: int, deadline: float) -> bytearray:
        data = bytearray()
        while len(data) < n_bytes:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part = self._connection.recv(n_bytes - len(data))
            except TimeoutError as error:
                silence = f"it has sent nothing for {self._silence_seconds:g} seconds"
                raise ConnectionError(silence) from error
            if not part:
                raise ConnectionError("its connection was closed")
            data += part
        return data

    def _send_all(self) -> None:
        """Send the messages of the queue, and heartbeats; runs in a thread of its own."""
        with suppress(OSError), self._connection.dup() as connection:
            connection.settimeout(SILENCE_SECONDS)  # `receive` sets others for its socket
            try:
                while (found := self._next()) is not None:
                    _write(connection, *found)
            except OSError:
                self.cut()  # `receive` reports it

    def _next(self) -> tuple[Message, Buffer] | None:
        try:
            return self._outgoing.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            return Message(kind="alive"), b""

    def finish(self, seconds: float) -> None:
        """Wait for at most `seconds` until all messages are sent; no more can be sent."""
        self._outgoing.put(None)
        self._sender.join(seconds)

    def cut(self) -> None:
        """Shut the connection down, even while another thread reads from it."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, and end its threads; no other thread may be reading from it."""
        self.cut()
        self._outgoing.put(None)
        self._connection.close()


def _write(connection: socket.socket, message: Message, payload: Buffer) -> None:
    header = message.model_dump_json(exclude_defaults=True).encode()
    connection.sendall(len(header).to_bytes(_LENGTH_BYTES) + header)
    with memoryview(payload) as view:
        for start in range(0, len(payload), _CHUNK_BYTES):
            connection.sendall(view[start : start + _CHUNK_BYTES])


def plain_address(text: str) -> str:
    """Return an IP address in its usual form, IPv4 addresses as such."""
    address = ipaddress.ip_address(text)
    return str(getattr(address, "ipv4_mapped", None) or address)
