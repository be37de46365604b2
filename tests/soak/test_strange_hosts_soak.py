"""Silent, slow and random peers end all hosts within a minute; a long computation does not."""

import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from container.distributed.peer import SILENCE_SECONDS
from support.host_processes import JOINED, check_failures, started
from support.host_threads import NAMES
from support.processes import children_of, free_port, read_until, wait_for
from support.strange_hosts import (
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

FUZZ_SECONDS = 60

pytestmark = pytest.mark.soak


def drip(connection: socket.socket, words: bytes) -> None:
    """Send one byte each second until the connection is closed."""
    with suppress(OSError):
        for byte in words:
            connection.sendall(bytes([byte]))
            time.sleep(1)


def silent(connection: socket.socket) -> None:
    """Send nothing."""


def slow_header(connection: socket.socket) -> None:
    """Send a header that takes minutes."""
    drip(connection, frame({"kind": "failure", "message": "x" * 300}))


def slow_payload(connection: socket.socket) -> None:
    """Send a payload that takes minutes."""
    drip(connection, value("operation 1: sum float64 (100,)", bytes(800)))


def cut_payload(connection: socket.socket) -> None:
    """Send half a payload, and nothing else."""
    send(connection, value("x", bytes(1000))[:-500])


def seconds_as_host(behave: Callable[[socket.socket], None]) -> float:
    """Return the time until the two others have failed."""
    with job() as running, ThreadPoolExecutor(1) as pool:
        start = time.monotonic()
        pool.submit(behave, running.impostor)
        errors = [machine.failures.get() for machine in (running.first, running.third)]
        seconds = time.monotonic() - start
        running.impostor.shutdown(socket.SHUT_RDWR)
    assert all(str(error).startswith(f"The host {IMPOSTOR} has exited") for error in errors)
    return seconds


def seconds_as_leader(behave: Callable[[socket.socket], None]) -> float:
    """Return the time until the other host has failed."""
    with leading() as (machine, connection), ThreadPoolExecutor(1) as pool:
        start = time.monotonic()
        pool.submit(behave, connection)
        error = machine.failures.get()
        seconds = time.monotonic() - start
    assert str(error).startswith(f"The host {NAMES[0]} has exited")
    return seconds


def test_silent_and_slow_hosts_end_all_within_a_minute() -> None:
    """A connected host must send complete messages; bytes alone are not enough."""
    behaviours = (silent, slow_header, slow_payload, cut_payload)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(seconds_as_host, behaviours), *pool.map(seconds_as_leader, behaviours)]

    assert all(SILENCE_SECONDS - 10 < seconds < SECONDS for seconds in found), found


@pytest.mark.parametrize("victim", [0, 2])
def test_stopped_host_ends_all_others_within_a_minute(tmp_path: Path, victim: int) -> None:
    """A host whose process hangs is named by the others."""
    hosts = started(tmp_path, free_port())
    for host in hosts:
        read_until(host.process, JOINED)
    stopped = hosts.pop(victim)

    start = time.monotonic()
    (child,) = children_of(stopped.process.pid)
    os.kill(child, signal.SIGSTOP)

    check_failures(hosts, f"The host {NAMES[victim]} has exited", "sent nothing for 45 seconds")
    assert time.monotonic() - start < SECONDS
    os.kill(child, signal.SIGKILL)


def test_long_computation_is_no_silence(tmp_path: Path) -> None:
    """Hosts that exchange nothing for longer than a dead host may be silent are not failed."""
    hosts = started(tmp_path, free_port(), seconds=2.5 * SILENCE_SECONDS)

    ended = [wait_for(host.process) for host in hosts]

    assert [end.code for end in ended] == [0, 0, 0], ended


def test_random_messages_end_all_hosts_for_a_minute() -> None:
    """Any bytes of a host or a first host end in a failure of all others, never in a hang."""
    words = [*INVALID.values(), frame({"kind": "alive"}), value("x", bytes(24))]
    end = time.monotonic() + FUZZ_SECONDS
    for seed in count(1000):
        if time.monotonic() > end:
            break
        with job() as running:
            running.send(mutated(words, seed), closes=True)
            assert all(1 <= error.exit_code <= 255 for error in running.failures())
        with leading() as (machine, connection):
            send(connection, mutated(words, seed))
            connection.close()
            assert 1 <= machine.failures.get(timeout=SECONDS).exit_code <= 255
