"""Signals as messages, received by small programs: they have one thread, pytest may have more."""

import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from container import signals
from container.paths import PROGRAM_DIR
from support.processes import DEADLINE_SECONDS

WATCHED = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD]

ANOTHER_THREAD = (
    "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
)


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a small program that has the module at hand."""
    return subprocess.run(
        [sys.executable, "-c", f"import os, signal\nfrom container import signals\n{script}"],
        cwd=PROGRAM_DIR,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def printed(script: str) -> str:
    """Return what a small program prints that ends well and writes no errors."""
    ended = run(script)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_inbox_says_that_a_signal_asks_to_stop(number: signal.Signals) -> None:
    """SIGTERM and SIGINT wake the program with True, and do not end it."""
    script = (
        "with signals.Inbox() as inbox:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    print(inbox.wait())"
    )

    assert printed(script) == "True\n"


def test_inbox_keeps_a_signal_until_it_is_asked() -> None:
    """A signal that comes while the program does something else is not lost, nor given twice."""
    script = (
        "with signals.Inbox() as inbox:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(inbox.wait(), inbox.wait(0))"
    )

    assert printed(script) == "True False\n"


def test_inbox_hears_the_end_of_a_child() -> None:
    """The end of a child wakes the program, with False: nobody asks to stop."""
    script = (
        "with signals.Inbox() as inbox:\n"
        "    child = os.fork() or os._exit(0)\n"
        "    print(inbox.wait(), os.waitpid(child, 0)[0] == child)"
    )

    assert printed(script) == "False True\n"


def test_inbox_hears_a_stop_beside_the_end_of_a_child() -> None:
    """When both have happened, the stop counts."""
    script = (
        "with signals.Inbox() as inbox:\n"
        "    os.kill(os.getpid(), signal.SIGCHLD)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(inbox.wait())"
    )

    assert printed(script) == "True\n"


def test_inbox_waits_no_longer_than_it_is_told() -> None:
    """Without a signal the wait ends with False."""
    with signals.Inbox() as inbox:
        assert not inbox.wait(0.01)


def test_inbox_leaves_everything_as_it_was() -> None:
    """Handlers and wake-up descriptor are restored, after an error too."""
    before = [signal.getsignal(number) for number in WATCHED]

    with suppress(KeyError), signals.Inbox():
        during = [signal.getsignal(number) for number in WATCHED]
        raise KeyError

    assert set(during).isdisjoint(before)
    assert [signal.getsignal(number) for number in WATCHED] == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_restored_program_is_ended_by_the_signal(number: signal.Signals) -> None:
    """After `restore` the signals have their default effect, as a forked child needs it."""
    ended = run(
        "with signals.Inbox():\n"
        "    signals.restore()\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    signal.pause()"
    )

    assert ended.returncode == -number


def test_restored_program_writes_nothing_to_the_inbox() -> None:
    """A forked child shares the inbox with its parent and must not put signals into it."""
    ended = run(
        "with signals.Inbox() as inbox:\n"
        "    signals.restore([])\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(inbox.wait(0))"
    )

    assert (ended.stdout, ended.stderr) == ("False\n", "")


@pytest.mark.parametrize("threads", ["", ANOTHER_THREAD], ids=["one_thread", "two_threads"])
def test_signal_that_is_held_back_comes_to_the_child_as_well(threads: str) -> None:
    """Forked meanwhile, a child gets what came in its first moments when it lets it through."""
    script = (
        f"{threads}with signals.Inbox() as inbox:\n"
        "    with signals.held_back():\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "            signals.restore()\n"
        "            signals.let_through()\n"
        "            os._exit(0)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), inbox.wait(0))"
    )

    assert printed(script) == f"{-signal.SIGTERM} False\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_that_is_held_back_comes_in_the_end(number: signal.Signals) -> None:
    """A program of one thread does not hear it before, whatever its handler does."""
    script = (
        "def handle(number, frame):\n"
        "    raise KeyboardInterrupt\n"
        f"signal.signal({int(number)}, handle)\n"
        "try:\n"
        "    with signals.held_back():\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        print('held back')\n"
        "except KeyboardInterrupt:\n"
        "    print('handled')"
    )

    assert printed(script) == "held back\nhandled\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_that_another_thread_takes_is_not_lost(number: signal.Signals) -> None:
    """A program of several threads hears of it, then or afterwards."""
    script = (
        f"{ANOTHER_THREAD}with signals.Inbox() as inbox:\n"
        "    with signals.held_back():\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "    print(inbox.wait())"
    )

    assert printed(script) == "True\n"
