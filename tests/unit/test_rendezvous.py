"""Rendezvous: hosts connect, or name those that are missing; strangers do no harm."""

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from container.distributed import rendezvous
from container.errors import HostError
from support.host_threads import NAMES, Machine, connected
from support.processes import free_port
from support.strange_hosts import DEEP, RUBBISH, dialled, frame, hello, joined, received, send

PAIR = NAMES[:2]


def refusal_of(machine: Machine) -> str:
    """Return the error of a rendezvous that fails."""
    with pytest.raises(HostError) as caught:
        machine.connect()
    return str(caught.value)


@contextmanager
def pair(names: Sequence[str] = PAIR) -> Iterator[tuple[Future[None], Machine, int]]:
    """Start the first of two hosts; yield its rendezvous, the second host and the port."""
    port = free_port()
    first, second = (Machine(name, port, names) for name in names[:2])
    with ThreadPoolExecutor(1) as pool:
        rendezvous_of_first = pool.submit(first.connect)
        try:
            yield rendezvous_of_first, second, port
            rendezvous_of_first.result()
        finally:
            first.die()
            second.die()


@pytest.mark.parametrize(
    "names", [NAMES, PAIR, ("::1", "0:0:0:0:0:0:0:1"), ("localhost", "127.0.0.1")]
)
def test_hosts_connect_with_the_first(names: Sequence[str]) -> None:
    """Names may be addresses of IPv4 or IPv6, or resolve to both."""
    if "::1" in names and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with connected(names) as machines:
        assert [sorted(machine.communicator._peers) for machine in machines] == [
            sorted(names[1:]),
            *[[names[0]]] * (len(names) - 1),
        ]


def test_first_host_knows_its_address() -> None:
    """The address is the one at which the others have reached it."""
    with connected(PAIR) as machines:
        assert machines[0].communicator.address == NAMES[0]


def test_missing_first_host_is_named() -> None:
    """The other hosts give up after their time limit."""
    message = refusal_of(Machine(NAMES[1], free_port(), limit_seconds=0.1))

    assert message.startswith(f"The first host, {NAMES[0]}, could not be reached on port ")
    assert "within 0.1 seconds" in message


@pytest.mark.parametrize("first", ["a.invalid", "a..b"])
def test_unknown_name_is_retried_until_the_limit(first: str) -> None:
    """A name that the network does not resolve is retried until the limit."""
    names = (first, "b.invalid")

    message = refusal_of(Machine("b.invalid", free_port(), names, limit_seconds=0.1))

    assert message.startswith(f"The first host, {first}, could not be reached")


def test_missing_other_host_is_named() -> None:
    """The first host reports who is missing, to the hosts that have connected too."""
    port = free_port()
    expected = (
        f"The host {NAMES[2]} has not joined within 2 seconds; see the log there, or give the "
        "hosts more time with the hyperparameter hosts_seconds."
    )

    with ThreadPoolExecutor(2) as pool:
        machines = [Machine(NAMES[0], port, limit_seconds=2), Machine(NAMES[1], port)]
        found = list(pool.map(refusal_of, machines))

    assert found == [expected, expected]


@pytest.mark.parametrize("silent", [b"", b"\x00", frame({"kind": "alive"})])
def test_silent_first_host_is_given_up(silent: bytes) -> None:
    """A first host that accepts a connection and does not confirm is given up at the limit."""
    with socket.create_server((NAMES[0], 0)) as server, ThreadPoolExecutor(1) as pool:
        machine = Machine(NAMES[1], server.getsockname()[1], PAIR, limit_seconds=1)
        refused = pool.submit(refusal_of, machine)
        with server.accept()[0] as connection:
            connection.sendall(silent)
            start = time.monotonic()

            assert refused.result().startswith(
                f"The first host, {NAMES[0]}, has not confirmed within 1 seconds"
            )
            assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "words",
    [*RUBBISH.values(), b"", frame({}), frame({"kind": "alive"}), hello("x"), hello(NAMES[0])],
)
def test_connections_of_strangers_are_closed(words: bytes) -> None:
    """A connection that does not name a missing host is closed, and does no harm."""
    with pair() as (_, second, port):
        with dialled(port) as stranger:
            assert received(stranger, words).get("kind", "failure") == "failure"
        second.connect()


def test_idle_and_slow_strangers_keep_nobody_out() -> None:
    """Hundreds of connections that send nothing, or too much, do not delay the hosts."""
    with pair() as (_, second, port), ExitStack() as strangers:
        for number in range(300):
            stranger = strangers.enter_context(dialled(port))
            words = [b"", b"\x00", DEEP[:5000], frame({"kind": "hello"})[:9]][number % 4]
            send(stranger, words)
        start = time.monotonic()
        second.connect()

        assert time.monotonic() - start < 30


def test_strangers_do_not_extend_the_limit() -> None:
    """The first host gives up in time, whatever connects to it."""
    machine = Machine(NAMES[0], free_port(), PAIR, limit_seconds=2)
    start = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(refusal_of, machine)
        while not refused.done():
            with suppress(OSError), socket.create_connection((NAMES[0], machine.port)) as stranger:
                send(stranger, b"\x00")

    assert "not joined within 2 seconds" in refused.result()
    assert time.monotonic() - start < 30


def test_host_must_connect_from_an_address_of_its_name() -> None:
    """A stranger cannot take the place of a host; the refusal names both addresses."""
    with pair() as (_, second, port):
        with dialled(port, source=NAMES[2]) as stranger:
            refusal = received(stranger, hello(NAMES[1]))
        second.connect()

    assert refusal["kind"] == "failure"
    assert f"from {NAMES[2]} and its name resolves to {NAMES[1]}" in refusal["message"]


def test_host_joins_once() -> None:
    """A second connection of a host is refused; the first one stays."""
    names = (*PAIR, NAMES[2])
    with pair(names) as (first, _, port), joined(port) as connection:
        assert received(connection)["kind"] == "alive"
        with joined(port) as again:
            assert "already" in received(again)["message"]
        third = Machine(NAMES[2], port, names)
        third.connect()

        first.result()
        assert received(connection)["kind"] in ("alive", "value")
        third.die()


def test_other_version_of_the_program_is_refused() -> None:
    """Hosts of another version are refused with a message that both hosts show."""
    with pair() as (_, second, port):
        with dialled(port) as stranger:
            refusal = received(stranger, hello(NAMES[1], "protocol 1"))
        second.connect()

    assert "'protocol 1' where 'protocol 2' is expected" in refusal["message"]


def test_exit_of_the_first_host_is_reported() -> None:
    """A host that has connected does not wait for a first host that has exited."""
    with socket.create_server((NAMES[0], 0)) as server, ThreadPoolExecutor(1) as pool:
        machine = Machine(NAMES[1], server.getsockname()[1], PAIR)
        refused = pool.submit(refusal_of, machine)
        with server.accept()[0] as connection:
            assert received(connection)["host"] == NAMES[1]
        assert refused.result().startswith(f"The host {NAMES[0]} has exited")


def test_exit_of_a_host_that_waits_is_reported() -> None:
    """The first host does not wait for the others when one of them has exited."""
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(refusal_of, Machine(NAMES[0], port))
        with dialled(port) as connection:
            received(connection, hello(NAMES[1]))  # a heartbeat: it has joined

        assert refused.result().startswith(f"The host {NAMES[1]} has exited")


def test_port_in_use_is_named() -> None:
    """Another program on the port of the first host is the cause, not a file."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]

        assert f"port {port}" in refusal_of(Machine(NAMES[0], port))
        assert rendezvous.PORT == 9099
