"""Progress of a phase: lines in the log while it lasts and when it ends."""

import hashlib
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from container.progress import Counter, phase
from support.processes import DEADLINE_SECONDS


class Messages(logging.Handler):
    """Collects messages, and has an event for the second one."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.twice = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Record a message."""
        self.messages.append(record.getMessage())
        if len(self.messages) == 2:
            self.twice.set()


@pytest.fixture
def logged() -> Iterator[Messages]:
    """Messages that are logged about progress."""
    logger = logging.getLogger("container.progress")
    handler = Messages()
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield handler
    logger.removeHandler(handler)
    logger.setLevel("NOTSET")


def threads() -> list[str]:
    """Return the names of the threads that report progress."""
    return [thread.name for thread in threading.enumerate() if "progress" in thread.name]


@pytest.mark.parametrize(
    ("counter", "text"),
    [
        (Counter(), "0 files, 0 rows, 0.0 MB"),
        (Counter(files=1, rows=1, bytes=49_999), "1 file, 1 rows, 0.0 MB"),
        (Counter(files=2, rows=3000, bytes=12_340_000), "2 files, 3000 rows, 12.3 MB"),
    ],
)
def test_counter_is_text_for_the_log(counter: Counter, text: str) -> None:
    """It has files, rows and megabytes."""
    assert str(counter) == text


def test_short_phase_is_logged_once(logged: Messages) -> None:
    """One line has the state and the duration."""
    counter = Counter()
    with phase("reading train", lambda: counter):
        counter.files, counter.rows = 1, 150

    (line,) = logged.messages
    assert re.fullmatch(r"reading train done: 1 file, 150 rows, 0\.0 MB, \d+\.\d s", line)


def test_phase_without_a_state_has_its_duration(logged: Messages) -> None:
    """The line has only the duration."""
    with phase("fit"):
        pass

    (line,) = logged.messages
    assert re.fullmatch(r"fit done: \d+\.\d s", line)


def test_long_phase_is_logged_repeatedly(logged: Messages) -> None:
    """There is a line for each interval, with the state at that time."""
    counter = Counter()
    with phase("reading train", lambda: counter, interval_seconds=0.001):
        counter.rows = 7
        assert logged.twice.wait(DEADLINE_SECONDS)

    assert re.fullmatch(
        r"reading train goes on: 0 files, [07] rows, 0\.0 MB, \d+\.\d s", logged.messages[0]
    )
    assert logged.messages[-1].startswith("reading train done: 0 files, 7 rows")


def test_phase_is_logged_while_compiled_code_runs(logged: Messages) -> None:
    """A computation that releases the GIL does not stop the log."""
    content = bytes(200_000_000)
    with phase("fit", interval_seconds=0.001):
        hashlib.sha256(content)
        logged_inside = len(logged.messages)

    assert logged_inside >= 2


@pytest.mark.parametrize("failure", [None, KeyError, KeyboardInterrupt])
def test_phase_ends_its_thread(logged: Messages, failure: type[BaseException] | None) -> None:
    """No thread remains after a phase, and only a successful phase is logged as done."""

    def work() -> None:
        with phase("fit", interval_seconds=0.001):
            assert threads() == ["progress of fit"]
            assert logged.twice.wait(DEADLINE_SECONDS)
            if failure:
                raise failure

    if failure:
        with pytest.raises(failure):
            work()
    else:
        work()

    assert threads() == []
    assert any(line.startswith("fit done") for line in logged.messages) == (failure is None)
