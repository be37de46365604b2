"""Rendezvous: hosts connect, or name those that are missing."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from container.distributed import rendezvous
from container.errors import HostError
from support.host_threads import NAMES, connect
from support.processes import DEADLINE_SECONDS, free_port


def refusal_of(host: str, limit_seconds: float, port: int) -> str:
    """Return the error of a rendezvous that fails."""
    with pytest.raises(HostError) as caught:
        rendezvous.connect(NAMES, host, limit_seconds, port)
    return str(caught.value)


def closed(found: list[list[rendezvous.Peer]]) -> list[list[str]]:
    """Close all connections, and return the names of the peers of each host."""
    names = [[peer.name for peer in of_one] for of_one in found]
    for of_one in found:
        for peer in of_one:
            peer.close()
    return names


def test_hosts_connect_with_the_first() -> None:
    """The first host is connected with all others, in their order, and they with it."""
    found = connect()

    assert closed(found) == [list(NAMES[1:]), [NAMES[0]], [NAMES[0]]]


def test_first_host_knows_its_address() -> None:
    """The address is the one at which the others have reached it."""
    found = connect(NAMES[:2])

    assert found[0][0].own_address == NAMES[0]
    closed(found)


def test_missing_first_host_is_named() -> None:
    """The other hosts give up after their time limit."""
    message = refusal_of(NAMES[1], 0.1, free_port())

    assert message.startswith(f"The first host, {NAMES[0]}, could not be reached on port ")
    assert "within 0.1 seconds" in message


def test_unknown_name_is_retried_until_the_limit() -> None:
    """A name that the network does not resolve yet is retried until the limit."""
    with pytest.raises(HostError, match=r"^The first host, a\.invalid, could not be reached"):
        rendezvous.connect(("a.invalid", "b.invalid"), "b.invalid", 0.1, free_port())


def test_missing_other_host_is_named() -> None:
    """The first host reports who is missing, to the hosts that have connected too."""
    port = free_port()
    expected = (
        f"The host {NAMES[2]} has not joined within 2 seconds; see the log there, or give the "
        "hosts more time with the hyperparameter hosts_seconds."
    )

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(refusal_of, NAMES[:2], [2, DEADLINE_SECONDS], [port, port]))

    assert found == [expected, expected]


@pytest.mark.parametrize(
    "words", [b"", b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b'{"host": "x"}\n', b"\xff\n"]
)
def test_connections_of_strangers_are_closed(words: bytes) -> None:
    """A connection that does not name a missing host is closed, and does no harm."""
    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(rendezvous.connect, NAMES[:2], NAMES[0], DEADLINE_SECONDS, port)
        with dialled(port) as stranger:
            stranger.sendall(words)
            stranger.shutdown(socket.SHUT_WR)
            said = stranger.recv(1)
        second = pool.submit(rendezvous.connect, NAMES[:2], NAMES[1], DEADLINE_SECONDS, port)

        assert said == b""
        assert closed([first.result(), second.result()]) == [[NAMES[1]], [NAMES[0]]]


def test_exit_of_the_first_host_is_reported() -> None:
    """A host that has connected does not wait for a first host that has exited."""
    with socket.create_server(("", 0)) as server, ThreadPoolExecutor(1) as pool:
        refused = pool.submit(refusal_of, NAMES[1], DEADLINE_SECONDS, server.getsockname()[1])
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as reader:
            hello = json.loads(reader.readline())

        assert hello["host"] == NAMES[1]
        assert refused.result() == f"The first host, {NAMES[0]}, has exited; see its log."


def dialled(port: int) -> socket.socket:
    """Return a connection to a host that may not listen yet."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return socket.create_connection((NAMES[0], port), DEADLINE_SECONDS)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
