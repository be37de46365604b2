"""Hosts as processes: deaths, strangers and invalid messages, exit codes and failure files."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.host_processes import JOINED, check_failures, started
from support.host_threads import NAMES
from support.processes import children_of, free_port, read_until, wait_for
from support.strange_hosts import DEEP, IMPOSTOR, INVALID, dialled, joined, send


def test_hosts_meet_among_strangers(tmp_path: Path) -> None:
    """Idle connections and a line of brackets keep no host out, and end none."""
    port = free_port()
    hosts = started(tmp_path, port, NAMES[:1], seconds=0)
    with ExitStack() as strangers:
        for words in [b""] * 10 + [DEEP]:
            send(strangers.enter_context(dialled(port)), words)
        hosts += started(tmp_path, port, NAMES[1:], seconds=0)
        ended = [wait_for(host.process) for host in hosts]

    assert [end.code for end in ended] == [0, 0, 0], ended
    assert not any(host.opt_ml.failure.exists() for host in hosts)


@pytest.mark.parametrize("victim", [0, 1])
def test_killed_host_ends_all_others(tmp_path: Path, victim: int) -> None:
    """The others exit with code 70, and their failure files name the host that was killed."""
    hosts = started(tmp_path, free_port())
    for host in hosts:
        read_until(host.process, JOINED)

    (child,) = children_of(hosts[victim].process.pid)
    os.kill(child, signal.SIGKILL)

    assert wait_for(hosts.pop(victim).process).code == 128 + signal.SIGKILL
    check_failures(hosts, f"The host {NAMES[victim]} has exited")


@pytest.mark.parametrize("name", ["code 0", "deep JSON", "huge payload", "text"])
def test_invalid_message_ends_all_processes(tmp_path: Path, name: str) -> None:
    """No message ends a host with code 0, or leaves it waiting without a failure file."""
    port = free_port()
    hosts = started(tmp_path, port, (NAMES[0], NAMES[2]))
    with joined(port) as impostor:
        for host in hosts:
            read_until(host.process, JOINED)
        send(impostor, INVALID[name])

        check_failures(hosts, f"The host {IMPOSTOR} has exited or can no longer be reached (it ")
