"""Signal handling in small programs of one thread; pytest itself may have more."""

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
    """Run a small program that imports the module."""
    return subprocess.run(
        [sys.executable, "-c", f"import os, signal\nfrom container import signals\n{script}"],
        cwd=PROGRAM_DIR,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def printed(script: str) -> str:
    """Return the output of a small program that succeeds and writes no errors."""
    ended = run(script)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_inbox_reports_a_stop(number: signal.Signals) -> None:
    """SIGTERM and SIGINT make `wait` return True and do not end the program."""
    script = (
        "with signals.Inbox() as inbox:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    print(inbox.wait())"
    )

    assert printed(script) == "True\n"


def test_inbox_keeps_a_signal_until_the_next_wait() -> None:
    """A signal between two waits is neither lost nor reported twice."""
    script = (
        "with signals.Inbox() as inbox:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(inbox.wait(), inbox.wait(0))"
    )

    assert printed(script) == "True False\n"


def test_inbox_wakes_up_when_a_child_ends() -> None:
    """The end of a child makes `wait` return False: no stop was requested."""
    script = (
        "with signals.Inbox() as inbox:\n"
        "    child = os.fork() or os._exit(0)\n"
        "    print(inbox.wait(), os.waitpid(child, 0)[0] == child)"
    )

    assert printed(script) == "False True\n"


def test_inbox_reports_a_stop_together_with_the_end_of_a_child() -> None:
    """If both have happened, `wait` returns True."""
    script = (
        "with signals.Inbox() as inbox:\n"
        "    os.kill(os.getpid(), signal.SIGCHLD)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(inbox.wait())"
    )

    assert printed(script) == "True\n"


def test_inbox_waits_no_longer_than_the_timeout() -> None:
    """Without a signal `wait` returns False."""
    with signals.Inbox() as inbox:
        assert not inbox.wait(0.01)


def test_orphans_are_reaped_but_no_other_children() -> None:
    """The exit code of a child is left for the process that started it."""
    script = (
        "own, orphan = (os.fork() or os._exit(code) for code in (7, 8))\n"
        "os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)\n"
        "signals.reap_orphans([own, orphan])\n"
        "os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(own, 0)[1]))\n"
        "signals.reap_orphans([own])\n"
        "try:\n"
        "    os.waitpid(orphan, 0)\n"
        "except ChildProcessError:\n"
        "    print('reaped')\n"
        "signals.reap_orphans([])"
    )

    assert printed(script) == "7\nreaped\n"


def test_inbox_restores_handlers() -> None:
    """Handlers and wake-up descriptor are restored, also after an error."""
    before = [signal.getsignal(number) for number in WATCHED]

    with suppress(KeyError), signals.Inbox():
        during = [signal.getsignal(number) for number in WATCHED]
        raise KeyError

    assert set(during).isdisjoint(before)
    assert [signal.getsignal(number) for number in WATCHED] == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_restored_program_is_ended_by_the_signal(number: signal.Signals) -> None:
    """After `restore` the signals have their default effect, which a forked child needs."""
    ended = run(
        "with signals.Inbox():\n"
        "    signals.restore()\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    signal.pause()"
    )

    assert ended.returncode == -number


def test_restored_program_writes_nothing_to_the_inbox() -> None:
    """A forked child shares the pipe of its parent and must not write to it."""
    ended = run(
        "with signals.Inbox() as inbox:\n"
        "    signals.restore([])\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(inbox.wait(0))"
    )

    assert (ended.stdout, ended.stderr) == ("False\n", "")


@pytest.mark.parametrize("threads", ["", ANOTHER_THREAD], ids=["one_thread", "two_threads"])
def test_blocked_signal_reaches_the_child_after_unblock(threads: str) -> None:
    """A signal right after the fork is pending until the child calls `unblock`."""
    script = (
        f"{threads}with signals.Inbox() as inbox:\n"
        "    with signals.blocked():\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "            signals.restore()\n"
        "            signals.unblock()\n"
        "            os._exit(0)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), inbox.wait(0))"
    )

    assert printed(script) == f"{-signal.SIGTERM} False\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_blocked_signal_is_handled_in_the_end(number: signal.Signals) -> None:
    """In a program of one thread the handler runs after the block, even if it raises."""
    script = (
        "def handle(number, frame):\n"
        "    raise KeyboardInterrupt\n"
        f"signal.signal({int(number)}, handle)\n"
        "try:\n"
        "    with signals.blocked():\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        print('blocked')\n"
        "except KeyboardInterrupt:\n"
        "    print('handled')"
    )

    assert printed(script) == "blocked\nhandled\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_blocked_signal_is_not_lost_in_another_thread(number: signal.Signals) -> None:
    """A program with several threads receives it during the block or afterwards."""
    script = (
        f"{ANOTHER_THREAD}with signals.Inbox() as inbox:\n"
        "    with signals.blocked():\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "    print(inbox.wait())"
    )

    assert printed(script) == "True\n"
