"""Hosts that have joined and send what no host sends: a failure on all hosts, which names them."""

import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np
import pytest

from container.distributed.communicator import Communicator
from container.errors import FAILURE_CHARACTERS, HostError
from support.host_threads import NAMES, Machine
from support.strange_hosts import (
    CLOSED,
    IMPOSTOR,
    INVALID,
    SECONDS,
    frame,
    job,
    leading,
    mutated,
    send,
    value,
)


def check(error: HostError, name: str) -> None:
    """Check that an error names a host, and may be printed and used as an exit code."""
    assert name in str(error)
    assert str(error).isprintable()
    assert len(str(error)) <= FAILURE_CHARACTERS
    assert 1 <= error.exit_code <= 255


@pytest.mark.parametrize("name", INVALID)
def test_invalid_message_ends_all_hosts(name: str) -> None:
    """Both other hosts fail with the same sentence, which names the host."""
    with job() as running:
        running.send(INVALID[name], closes=name in CLOSED)
        errors = running.failures()

    assert str(errors[0]) == str(errors[1])
    assert str(errors[0]).startswith(f"The host {IMPOSTOR} has exited or can no longer be reached")
    check(errors[0], IMPOSTOR)


@pytest.mark.parametrize("name", INVALID)
def test_invalid_message_of_the_first_host_ends_the_others(name: str) -> None:
    """The other hosts name the first one."""
    with leading() as (machine, connection):
        send(connection, INVALID[name])
        if name in CLOSED:
            connection.shutdown(socket.SHUT_WR)

        check(machine.failures.get(timeout=SECONDS), NAMES[0])


def test_failure_is_printable() -> None:
    """Control characters of a message are escaped, and its length is limited."""
    message = "a\x1b[31m\nvalidation:accuracy=9.9;\u202e\x00" + "b" * 3000
    with job() as running:
        running.send(frame({"kind": "failure", "message": message, "code": 65}))
        errors = running.failures()

    for error in errors:
        check(error, "a\\x1b[31m\\nvalidation:accuracy=9.9;\\u202e\\x00bb")
        assert error.exit_code == 65


def outcome(machine: Machine, work: Any) -> Future[Any]:
    """Call `work` in a job that fails with its error; return the error or the result."""
    found: Future[Any] = Future()

    def run() -> None:
        try:
            with machine.communicator.closing():
                found.set_result(work(machine.communicator))
        except HostError as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found


def numbers(communicator: Communicator) -> Any:
    """Add three numbers."""
    return communicator.sum(np.zeros(3))


SUM = "operation 1: sum float64 (3,)"
GATHER = "operation 1: gather uint8 (-1,)"


@pytest.mark.parametrize(
    ("work", "words", "found"),
    ids=count(),
    argvalues=[
        (numbers, value(SUM, bytes(8)), "sent 8 bytes in operation 1: sum"),
        (numbers, value(SUM, bytes(25)), "sent 25 bytes in"),
        (numbers, value(SUM, b""), "sent 0 bytes in"),
        (numbers, value(SUM.replace("64", "32"), bytes(24)), "sum float32 (3,)' where"),
        (numbers, value(SUM.replace("1", "2"), bytes(24)), "'operation 2: sum"),
        (numbers, value("", bytes(24)), "sent 'value' where"),
        (numbers, frame({"kind": "end"}), "sent 'end' where"),
        (numbers, frame({"kind": "hello", "host": IMPOSTOR}), "sent 'hello' where"),
        (lambda c: c.gather(1, int), value(GATHER, b"{}"), "a bad value (Input should be a valid"),
        (lambda c: c.gather(1, int), value(GATHER, b""), "a bad value (Invalid JSON"),
        (lambda c: c.gather(1), value(GATHER, b"[" * 99_999), "a bad value (Invalid JSON"),
        (lambda c: c.gather(1), value(GATHER, b"\xff"), "a bad value (Invalid JSON"),
        (
            lambda c: c.gather_rows(np.zeros((2, 3))),
            value("operation 1: gather float64 (-1, 3)", bytes(25)),
            "sent 25 bytes in",
        ),
    ],
)
def test_wrong_value_ends_all_hosts(work: Any, words: bytes, found: str) -> None:
    """A value of another type, size or operation is an error that names its host."""
    with job() as running:
        results = [outcome(machine, work) for machine in (running.first, running.third)]
        running.send(words)
        errors = [result.exception(timeout=SECONDS) for result in results]

    for error in errors:
        assert isinstance(error, HostError)
        assert found in str(error)
        check(error, IMPOSTOR)


def test_values_of_the_first_host_are_checked() -> None:
    """A result of another size is an error that names the first host."""
    with leading() as (machine, connection):
        result = outcome(machine, numbers)
        send(connection, value(SUM, bytes(16)))

        error = result.exception(timeout=SECONDS)

    assert isinstance(error, HostError)
    check(error, f"The host {NAMES[0]} sent 16 bytes")


def test_repeated_value_ends_all_hosts() -> None:
    """A value that is sent twice is not taken for the next one."""

    def twice(communicator: Communicator) -> Any:
        return [numbers(communicator), numbers(communicator)]

    with job() as running:
        results = [outcome(machine, twice) for machine in (running.first, running.third)]
        running.send(value(SUM, bytes(24)) * 2)

        error = results[0].exception(timeout=SECONDS)

    assert isinstance(error, HostError)
    check(error, f"The host {IMPOSTOR} sent 'operation 1: sum")


def test_large_value_in_small_pieces_is_accepted() -> None:
    """A large value that arrives slowly, between heartbeats, is no failure."""
    array = np.arange(300_000, dtype=np.float64)
    whole = frame({"kind": "alive"}) + value(
        f"operation 1: sum float64 {array.shape}", array.tobytes()
    )
    with job() as running:
        results = [
            outcome(machine, lambda c: c.sum(array)) for machine in (running.first, running.third)
        ]
        for start in range(0, len(whole), 50_000):
            running.send(whole[start : start + 50_000])

        for result in results:
            assert (result.result(timeout=SECONDS) == 3 * array).all()


@pytest.mark.parametrize("limit", [40])
def test_random_messages_end_all_hosts(limit: int) -> None:
    """Any bytes end in a failure on all hosts, or in none if they are heartbeats."""
    words = [*INVALID.values(), frame({"kind": "alive"}), value(SUM, bytes(24))]
    for seed in range(limit):
        with job() as running:
            running.send(mutated(words, seed), closes=True)
            errors = running.failures()
        for error in errors:
            check(error, "")
    for seed in range(limit):
        with leading() as (machine, connection):
            send(connection, mutated(words, seed))
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            check(machine.failures.get(timeout=SECONDS), "")
