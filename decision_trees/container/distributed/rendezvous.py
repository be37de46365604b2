"""Rendezvous: connect the first host of a job with each of the others over TCP.

Written by hand because XGBoost's collective sends objects with pickle. Here messages are JSON and
plain bytes, and an error names the host that is missing.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from container.errors import EXIT_INTERNAL, HostError

PORT = 9099
"""Port on which the first host listens."""

_POLL_SECONDS = 0.1
_HELLO_SECONDS = 10.0
_HELLO_BYTES = 100_000

_NO_MESSAGE: dict[str, Any] = {"kind": ""}

_KEEPALIVE = {
    # The kernel reports a host that vanished without closing its connection after 30 seconds.
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 4,
    socket.TCP_USER_TIMEOUT: 30_000,
}

logger = logging.getLogger(__name__)


class Peer:
    """Connection to another host; a message is a header in JSON and a payload of bytes."""

    def __init__(self, connection: socket.socket, name: str = "") -> None:
        self.name = name
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._sending = threading.Lock()
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)

    @property
    def own_address(self) -> str:
        """Address of this host as seen by the peer."""
        return str(self._connection.getsockname()[0])

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send a message; raises OSError if the connection is lost."""
        line = json.dumps(header | {"bytes": len(payload)}).encode() + b"\n"
        with self._sending:
            self._connection.sendall(line)
            self._connection.sendall(payload)

    def messages(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield messages until the peer closes the connection; raises OSError if it is lost."""
        while (line := self._reader.readline()).endswith(b"\n"):
            header = json.loads(line)
            payload = self._reader.read(header["bytes"])
            if len(payload) < header["bytes"]:
                return
            yield header, payload

    def hello(self) -> dict[str, Any]:
        """Return the first message of a new connection; raises OSError, ValueError."""
        self._connection.settimeout(_HELLO_SECONDS)
        message = json.loads(self._reader.readline(_HELLO_BYTES))
        self._connection.settimeout(None)
        return message if isinstance(message, dict) else {}

    def cut(self) -> None:
        """Shut the connection down, even while another thread reads from it."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; no other thread may be reading from it."""
        self._reader.close()
        self._connection.close()


def connect(
    names: Sequence[str], current: str, limit_seconds: float, port: int = PORT
) -> list[Peer]:
    """Connect the first host with all others, and wait until every host is connected.

    Args:
        names: all hosts of the job, in the order on which they agree.
        current: this host.
        limit_seconds: how long to wait for the others.
        port: port of the first host.

    Returns:
        On the first host, a peer for each other host; elsewhere the first host.

    Raises:
        HostError: naming the hosts that have not connected after `limit_seconds`.
    """
    if current == names[0]:
        return _accept_all(names[1:], limit_seconds, port)
    return [_join(names[0], current, limit_seconds, port)]


def _accept_all(others: Sequence[str], limit_seconds: float, port: int) -> list[Peer]:
    """On the first host: wait for all others, then confirm to each that all are connected."""
    deadline = time.monotonic() + limit_seconds
    peers: dict[str, Peer] = {}
    with socket.create_server(("", port), backlog=len(others) + 1) as server:
        while missing := [name for name in others if name not in peers]:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return _give_up(missing, peers, limit_seconds)
            server.settimeout(remaining)
            with suppress(TimeoutError):
                _accept(server.accept()[0], missing, peers)
    for peer in peers.values():
        peer.send({"kind": "met"})
    return [peers[name] for name in others]


def _accept(connection: socket.socket, missing: list[str], peers: dict[str, Peer]) -> None:
    """Keep the connection of a missing host; close any other."""
    peer = Peer(connection)
    try:
        peer.name = str(peer.hello().get("host"))
    except (OSError, ValueError):
        peer.name = ""
    if peer.name not in missing:
        peer.close()
        return
    logger.info("the host %s has joined", peer.name)
    peers[peer.name] = peer


def _give_up(missing: list[str], peers: dict[str, Peer], limit_seconds: float) -> list[Peer]:
    error = HostError(
        f"{_subject(missing)} not joined within {limit_seconds:g} seconds; see the log there, or "
        "give the hosts more time with the hyperparameter hosts_seconds."
    )
    for peer in peers.values():
        with suppress(OSError):
            peer.send({"kind": "failure", "message": str(error), "code": error.exit_code})
        peer.close()
    raise error


def _subject(names: list[str]) -> str:
    return f"The host{'s' * (len(names) > 1)} {', '.join(names)} ha{'ve' * (len(names) > 1) or 's'}"


def _join(leader: str, current: str, limit_seconds: float, port: int) -> Peer:
    """On any other host: connect to the first host, and wait until all hosts have joined."""
    peer = Peer(_dial(leader, limit_seconds, port), leader)
    try:
        peer.send({"host": current})
        header, _ = next(peer.messages(), (_NO_MESSAGE, b""))
    except OSError as error:
        raise HostError(
            f"The connection to the first host, {leader}, was lost ({error}); see its log."
        ) from error
    if header["kind"] == "met":
        return peer
    peer.close()
    message = header.get("message") or f"The first host, {leader}, has exited; see its log."
    raise HostError(message, header.get("code", EXIT_INTERNAL))


def _dial(leader: str, limit_seconds: float, port: int) -> socket.socket:
    """Return a connection to the first host; retry while its name or port is not yet known."""
    deadline = time.monotonic() + limit_seconds
    while True:
        remaining = deadline - time.monotonic()
        try:
            return socket.create_connection((leader, port), timeout=max(remaining, _POLL_SECONDS))
        except OSError as error:
            if remaining <= 0:
                raise HostError(
                    f"The first host, {leader}, could not be reached on port {port} within "
                    f"{limit_seconds:g} seconds ({error}); see its log, or give the hosts more "
                    "time with the hyperparameter hosts_seconds."
                ) from error
        time.sleep(_POLL_SECONDS)
