"""Hosts and strangers that send anything: raw frames over a socket."""

import json
import random
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from container.errors import HostError
from support.host_threads import NAMES, Machine
from support.processes import DEADLINE_SECONDS, free_port

PROTOCOL = "protocol 2"
IMPOSTOR = NAMES[1]

SECONDS = 60.0
"""Time in which all hosts must fail."""

DEEP = b"[" * 99_999 + b"\n"

RUBBISH: dict[str, bytes] = {
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "deep": DEEP,
    "zeros": bytes(100),
    "ones": b"\xff" * 100,
}
"""What strangers send that speak another protocol."""


def frame(header: object, payload: bytes = b"") -> bytes:
    """Return a message: the length of a header, the header, and a payload."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(4) + text + payload


def hello(name: str, operation: str = PROTOCOL) -> bytes:
    """Return the first message of a host."""
    return frame({"kind": "hello", "host": name, "operation": operation})


def value(operation: str, payload: bytes) -> bytes:
    """Return the part of a host in a collective operation."""
    return frame({"kind": "value", "n_bytes": len(payload), "operation": operation}, payload)


INVALID: dict[str, bytes] = RUBBISH | {
    "empty": frame(b""),
    "no JSON": frame(b"\x00\xff"),
    "deep JSON": frame(b"[" * 8000),
    "list": frame([]),
    "no kind": frame({}),
    "other kind": frame({"kind": "hullo"}),
    "kind of another type": frame({"kind": ["value"]}),
    "unknown field": frame({"kind": "alive", "bytes": 0}),
    "huge payload": frame({"kind": "value", "n_bytes": 10**15}),
    "negative payload": frame({"kind": "value", "n_bytes": -1}),
    "payload in digits": frame({"kind": "value", "n_bytes": "1"}),
    "long number": frame(b'{"kind": "value", "n_bytes": ' + b"9" * 5000 + b"}"),
    "code 0": frame({"kind": "failure", "message": "", "code": 0}),
    "code 256": frame({"kind": "failure", "message": "", "code": 256}),
    "code true": frame({"kind": "failure", "message": "", "code": True}),
    "message of another type": frame({"kind": "failure", "message": 7}),
    "half a surrogate": frame(b'{"kind": "failure", "message": "\\ud800"}'),
    "too many values": value("x", b"") * 20,
    "half a frame": frame({"kind": "value", "n_bytes": 100}, b"1234"),
    "half a header": frame({"kind": "alive"})[:-3],
    "nothing": b"",
}
"""What no host may send after it has joined; after the last three the connection is closed."""

CLOSED = ("half a frame", "half a header", "nothing")


def dialled(port: int, source: str = IMPOSTOR) -> socket.socket:
    """Return a connection from an address to the first host, which may not listen yet."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection((NAMES[0], port), DEADLINE_SECONDS, (source, 0))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise


@contextmanager
def joined(port: int, name: str = IMPOSTOR) -> Iterator[socket.socket]:
    """Yield the connection of a host that has joined and does nothing."""
    with dialled(port, name) as connection:
        connection.sendall(hello(name))
        yield connection


def send(connection: socket.socket, words: bytes) -> None:
    """Send bytes; the other end may have closed the connection."""
    with suppress(OSError):
        connection.sendall(words)


def received(connection: socket.socket, words: bytes = b"") -> dict[str, Any]:
    """Send bytes, and return the header of the next message, {} if the connection is closed."""
    send(connection, words)
    with suppress(OSError), connection.makefile("rb", buffering=0) as reader:
        if head := reader.read(4):
            return dict(json.loads(reader.read(int.from_bytes(head))))
    return {}


def mutated(words: Sequence[bytes], seed: int) -> bytes:
    """Return messages of INVALID and others with some bytes changed, cut or repeated."""
    rng = random.Random(seed)  # noqa: S311 - not for cryptography
    data = bytearray(b"".join(rng.choices(words, k=rng.randint(1, 3))))
    for _ in range(rng.randint(0, 4)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(3):
            case 0:
                data[place:place] = rng.randbytes(rng.randint(1, 9))
            case 1:
                del data[place : place + rng.randint(1, 9)]
            case _:
                data[place : place + 1] = bytes([rng.randrange(256)])
    return bytes(data)


@dataclass
class Job:
    """Two real hosts and one that can send anything."""

    first: Machine
    third: Machine
    impostor: socket.socket

    def send(self, words: bytes, *, closes: bool = False) -> None:
        """Send bytes to the first host."""
        send(self.impostor, words)
        if closes:
            with suppress(OSError):  # it may be closed already
                self.impostor.shutdown(socket.SHUT_WR)

    def failures(self) -> list[HostError]:
        """Return the failures of both hosts."""
        return [machine.failures.get(timeout=SECONDS) for machine in (self.first, self.third)]


@contextmanager
def job() -> Iterator[Job]:
    """Yield a job whose hosts have joined."""
    port = free_port()
    machines = [Machine(name, port) for name in (NAMES[0], NAMES[2])]
    try:
        with ThreadPoolExecutor(2) as pool:
            connecting = [pool.submit(machine.connect) for machine in machines]
            with joined(port, IMPOSTOR) as impostor:
                for found in connecting:
                    found.result()
                yield Job(machines[0], machines[1], impostor)
    except ConnectionRefusedError:
        raise AssertionError([f.exception() for f in connecting]) from None
    finally:
        for machine in machines:
            machine.die()


@contextmanager
def leading() -> Iterator[tuple[Machine, socket.socket]]:
    """Yield a host that has joined, and the connection of its first host, which can send all."""
    with socket.create_server((NAMES[0], 0)) as server, ThreadPoolExecutor(1) as pool:
        machine = Machine(NAMES[1], server.getsockname()[1], NAMES[:2])
        connecting = pool.submit(machine.connect)
        with server.accept()[0] as connection:
            connection.sendall(value(PROTOCOL, b""))
            connecting.result()
            try:
                yield machine, connection
            finally:
                machine.die()
