"""Turns: how many large bodies all workers work on at once."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from container.serving.turns import Turns
from support.material import PROGRAM_DIR
from support.processes import DEADLINE_SECONDS, launch, read_until, wait_for

HOLD = (
    "import sys\n"
    "from pathlib import Path\n"
    "from container.serving.turns import Turns\n"
    "with Turns(Path(sys.argv[1]), 1).taken():\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file such as the board."""
    file = tmp_path / "board"
    file.write_bytes(bytes(8))
    return file


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_more_turns_are_taken_at_once_than_there_are(file: Path, number: int) -> None:
    """All of twelve threads have theirs in the end, and the file stays what it was."""
    turns = Turns(file, number)
    guard, all_taken = threading.Lock(), threading.Event()
    inside, most = 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        with turns.taken():
            with guard:
                inside += 1
                most = max(most, inside)
            if inside == number:
                all_taken.set()
            assert all_taken.wait(DEADLINE_SECONDS)
            with guard:
                inside -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))

    assert (most, inside) == (number, 0)
    assert file.read_bytes() == bytes(8)


def waiter(turns: Turns) -> tuple[threading.Thread, threading.Event]:
    """Start a thread that waits for a turn of these, and tells when it has had it."""
    had = threading.Event()

    def wait() -> None:
        with turns.taken():
            had.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread, had


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_turn_of_a_process_that_has_died_is_free(file: Path, number: signal.Signals) -> None:
    """While it lives nobody else has the only turn; the kernel gives it back."""
    holder = launch(
        [sys.executable, "-c", HOLD, str(file)],
        cwd=PROGRAM_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    read_until(holder, "held")
    thread, had = waiter(Turns(file, 1))
    had_to_wait = not had.wait(0.2)
    holder.send_signal(number)
    thread.join(DEADLINE_SECONDS)
    wait_for(holder)

    assert had_to_wait
    assert had.is_set()
