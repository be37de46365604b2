"""Peers: the connections between the first host of a job and each other host."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from container.distributed.hosts import Hosts
from container.errors import EXIT_INTERNAL, HostError

PORT = 9099
"""Where the first host listens; no other program of the job does."""

_POLL_SECONDS = 0.5
_HELLO_SECONDS = 10.0
_HELLO_BYTES = 100_000

_NOTHING: dict[str, Any] = {"kind": ""}

_ALIVE = {
    # A host that vanishes without a word is missed after 30 seconds, by the kernel.
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 4,
    socket.TCP_USER_TIMEOUT: 30_000,
}

logger = logging.getLogger(__name__)


class Peer:
    """Another host, connected: messages of a header, in JSON, and a payload."""

    def __init__(self, connection: socket.socket, name: str = "") -> None:
        self.name = name
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._sending = threading.Lock()
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _ALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)

    @property
    def own_address(self) -> str:
        """The address of this host by which the peer knows it."""
        return str(self._connection.getsockname()[0])

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send a message; raises OSError when the connection is gone."""
        line = json.dumps(header | {"bytes": len(payload)}).encode() + b"\n"
        with self._sending:
            self._connection.sendall(line)
            self._connection.sendall(payload)

    def messages(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield messages until the peer closes the connection; raises OSError when it is lost."""
        while (line := self._reader.readline()).endswith(b"\n"):
            header = json.loads(line)
            payload = self._reader.read(header["bytes"])
            if len(payload) < header["bytes"]:
                return
            yield header, payload

    def hello(self) -> dict[str, Any]:
        """Return the first message of whoever has connected; raises OSError, ValueError."""
        self._connection.settimeout(_HELLO_SECONDS)
        found = json.loads(self._reader.readline(_HELLO_BYTES))
        self._connection.settimeout(None)
        return found if isinstance(found, dict) else {}

    def cut(self) -> None:
        """End the connection, also while another thread reads from it."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection, from which no other thread reads."""
        self._reader.close()
        self._connection.close()


def meet(hosts: Hosts, limit_seconds: float, port: int = PORT) -> list[Peer]:
    """Connect this host with the first, and the first with all others.

    Returns:
        The peers of this host, once every host of the job is there.

    Raises:
        HostError: naming the hosts that are not there after `limit_seconds`.
    """
    deadline = time.monotonic() + limit_seconds
    if hosts.rank:
        return [_joined(hosts, deadline, limit_seconds, port)]
    return _assembled(hosts, deadline, limit_seconds, port)


def _assembled(hosts: Hosts, deadline: float, limit_seconds: float, port: int) -> list[Peer]:
    """Be the first host: wait for all others, and tell them that all are there."""
    found: dict[str, Peer] = {}
    with socket.create_server(("", port), backlog=len(hosts.names)) as server:
        while missing := [name for name in hosts.names[1:] if name not in found]:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return _give_up(missing, found, limit_seconds)
            server.settimeout(remaining)
            with suppress(TimeoutError):
                _admit(server.accept()[0], missing, found)
    for peer in found.values():
        peer.send({"kind": "met"})
    return [found[name] for name in hosts.names[1:]]


def _admit(connection: socket.socket, missing: list[str], found: dict[str, Peer]) -> None:
    """Take a host that says its name; whoever else connects is sent away."""
    peer = Peer(connection)
    try:
        peer.name = str(peer.hello().get("host"))
    except (OSError, ValueError):
        peer.name = ""
    if peer.name not in missing:
        peer.close()
        return
    logger.info("the host %s has joined", peer.name)
    found[peer.name] = peer


def _give_up(missing: list[str], found: dict[str, Peer], limit_seconds: float) -> list[Peer]:
    error = HostError(
        f"{_named(missing)} not joined within {limit_seconds:g} seconds; see the log there, or "
        "give the hosts more time with the hyperparameter hosts_seconds."
    )
    for peer in found.values():
        with suppress(OSError):
            peer.send({"kind": "failure", "message": str(error), "code": error.exit_code})
        peer.close()
    raise error


def _named(names: list[str]) -> str:
    return f"The host{'s' * (len(names) > 1)} {', '.join(names)} ha{'ve' * (len(names) > 1) or 's'}"


def _joined(hosts: Hosts, deadline: float, limit_seconds: float, port: int) -> Peer:
    """Be another host: connect with the first, which may start later, and wait for all."""
    leader = hosts.names[0]
    peer = Peer(_connected(leader, deadline, limit_seconds, port), leader)
    try:
        peer.send({"host": hosts.current})
        header, _ = next(peer.messages(), (_NOTHING, b""))
    except OSError as error:
        raise HostError(f"The host {leader}, the first, was lost: {error}; see its log.") from error
    if header["kind"] == "met":
        return peer
    peer.close()
    message = header.get("message") or f"The host {leader}, the first, has ended; see its log."
    raise HostError(message, header.get("code", EXIT_INTERNAL))


def _connected(leader: str, deadline: float, limit_seconds: float, port: int) -> socket.socket:
    """Return a connection with the first host, whose name may not be known to the network yet."""
    while True:
        remaining = deadline - time.monotonic()
        try:
            return socket.create_connection((leader, port), timeout=max(remaining, _POLL_SECONDS))
        except OSError as error:
            if remaining <= 0:
                raise HostError(
                    f"The host {leader}, the first, could not be reached on port {port} within "
                    f"{limit_seconds:g} seconds ({error}); see its log, or give the hosts more "
                    "time with the hyperparameter hosts_seconds."
                ) from error
        time.sleep(_POLL_SECONDS)
