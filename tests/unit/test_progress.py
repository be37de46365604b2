"""Progress: what is logged of a phase while it lasts, and when it ends."""

import hashlib
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from container.progress import Counter, phase
from support.processes import DEADLINE_SECONDS


class Heard(logging.Handler):
    """Collects messages, and tells when there are some."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.twice = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a message."""
        self.messages.append(record.getMessage())
        if len(self.messages) == 2:
            self.twice.set()


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What is logged of progress."""
    logger = logging.getLogger("container.progress")
    handler = Heard()
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield handler
    logger.removeHandler(handler)
    logger.setLevel("NOTSET")


def threads() -> list[str]:
    """Return the names of the threads that tell of progress."""
    return [thread.name for thread in threading.enumerate() if "progress" in thread.name]


@pytest.mark.parametrize(
    ("counter", "text"),
    [
        (Counter(), "0 files, 0 rows, 0.0 MB"),
        (Counter(files=1, rows=1, bytes=49_999), "1 file, 1 rows, 0.0 MB"),
        (Counter(files=2, rows=3000, bytes=12_340_000), "2 files, 3000 rows, 12.3 MB"),
    ],
)
def test_counter_says_what_was_read(counter: Counter, text: str) -> None:
    """Files, rows and millions of bytes."""
    assert str(counter) == text


def test_phase_that_ends_soon_is_told_once(heard: Heard) -> None:
    """One line says that it is done, with what was done and how long it took."""
    counter = Counter()
    with phase("reading train", lambda: counter):
        counter.files, counter.rows = 1, 150

    (line,) = heard.messages
    assert re.fullmatch(r"reading train done: 1 file, 150 rows, 0\.0 MB, \d+\.\d s", line)


def test_phase_without_a_state_tells_its_time(heard: Heard) -> None:
    """A phase that has nothing else to say is told with its time alone."""
    with phase("fit"):
        pass

    (line,) = heard.messages
    assert re.fullmatch(r"fit done: \d+\.\d s", line)


def test_phase_that_lasts_is_told_again_and_again(heard: Heard) -> None:
    """Each interval there is a line, with what has been done by then."""
    counter = Counter()
    with phase("reading train", lambda: counter, interval_seconds=0.001):
        counter.rows = 7
        assert heard.twice.wait(DEADLINE_SECONDS)

    assert re.fullmatch(
        r"reading train goes on: 0 files, [07] rows, 0\.0 MB, \d+\.\d s", heard.messages[0]
    )
    assert heard.messages[-1].startswith("reading train done: 0 files, 7 rows")


def test_phase_is_heard_of_while_compiled_code_computes(heard: Heard) -> None:
    """A computation that gives up the interpreter's lock does not silence the log."""
    content = bytes(200_000_000)
    with phase("fit", interval_seconds=0.001):
        hashlib.sha256(content)
        heard_inside = len(heard.messages)

    assert heard_inside >= 2


@pytest.mark.parametrize("failure", [None, KeyError, KeyboardInterrupt])
def test_phase_ends_its_thread(heard: Heard, failure: type[BaseException] | None) -> None:
    """However a phase ends, nothing of it goes on; only a good end is called done."""

    def work() -> None:
        with phase("fit", interval_seconds=0.001):
            assert threads() == ["progress of fit"]
            assert heard.twice.wait(DEADLINE_SECONDS)
            if failure:
                raise failure

    if failure:
        with pytest.raises(failure):
            work()
    else:
        work()

    assert threads() == []
    assert any(line.startswith("fit done") for line in heard.messages) == (failure is None)
