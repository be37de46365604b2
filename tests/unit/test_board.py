"""What workers say of themselves, written by real processes and read by others."""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import PlatformError
from container.paths import PROGRAM_DIR
from container.serving import scoreboard as module
from container.serving.metrics import BOUNDS_SECONDS, N_BUCKETS, Totals
from container.serving.scoreboard import HEARTBEAT_SECONDS, REASON_BYTES, Health, Scoreboard
from support.processes import DEADLINE_SECONDS, launch

WORKER = """
import sys
from pathlib import Path
from container.serving.scoreboard import Scoreboard
board = Scoreboard.open(Path(sys.argv[1]))
slot = board.claim()
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
READY = Health(ready=True)
Answer = tuple[int, int, int, int, float]
Start = Callable[[], "Worker"]
RELOADED_SLOTS = 4  # of a board for one worker


class Worker:
    """A process that owns a slot of a board."""

    def __init__(self, file: Path) -> None:
        self.process = launch(
            [sys.executable, "-c", WORKER, file],
            cwd=PROGRAM_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.do("pass")

    def tell(self, statement: str) -> None:
        """Have it run a statement about `slot`, and go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{statement}\n")
        self.process.stdin.flush()

    def do(self, statement: str) -> None:
        """Have it run a statement about `slot`, and wait until it has."""
        assert self.process.stdout is not None
        self.tell(statement)
        assert self.process.stdout.readline() == "done\n"

    def kill(self) -> None:
        """Kill it, but leave it to be waited for, as a master leaves it that is busy."""
        self.process.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a board goes."""
    return tmp_path / "board"


@pytest.fixture
def start(file: Path) -> Start:
    """Start workers that own slots of the board."""
    return lambda: Worker(file)


def not_ready(reason: str) -> Health:
    """Return what the board says when the server cannot answer."""
    return Health(ready=False, reason=reason)


def watch(board: Scoreboard, n_requests: int) -> list[Totals]:
    """Read the totals until as many requests are counted to their last step."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    seen = [board.totals()]
    while sum(seen[-1].buckets) < n_requests:
        assert time.monotonic() < deadline, f"{seen[-1]} in {DEADLINE_SECONDS} s"
        seen.append(board.totals())
    return seen


def loaded(n_ready: int, n_workers: int) -> Health:
    """Return what the board says while workers load the model."""
    return not_ready(f"The model is loaded in {n_ready} of {n_workers} workers; try again.")


def test_board_is_ready_when_every_worker_is(file: Path, start: Start) -> None:
    """One worker that answers is not enough when there are to be two."""
    with closing(Scoreboard.create(file, 2)) as board:
        said = [board.health()]
        for worker in (start(), start()):
            said.append(board.health())
            worker.do("slot.ready()")
            said.append(board.health())

    assert said == [*[loaded(0, 2)] * 2, *[loaded(1, 2)] * 2, READY]


def test_killed_worker_is_missed_at_once(file: Path, start: Start) -> None:
    """It counts no longer, though nobody has waited for the process and its heartbeat is fresh."""
    with closing(Scoreboard.create(file, 1)) as board:
        worker = start()
        worker.do("slot.ready()")
        before = board.health()
        worker.kill()

        assert (before, board.health()) == (READY, loaded(0, 1))
        os.kill(worker.process.pid, 0)  # a process id alone would have told nothing


def test_totals_go_on_when_workers_are_replaced(file: Path, start: Start) -> None:
    """More workers may follow each other than there are slots, and nothing counted is lost."""
    rows = []
    with closing(Scoreboard.create(file, 1)) as board:
        for _ in range(RELOADED_SLOTS + 2):
            worker = start()
            worker.do("slot.ready(); slot.count(200, 7, 0, 0, 0.1)")
            rows.append(board.totals().rows)
            assert board.health() == READY
            worker.kill()

        assert rows == [7, 14, 21, 28, 35, 42]
        assert board.totals().rows == 42


def test_replacement_says_nothing_of_its_predecessor(file: Path) -> None:
    """A new owner of a slot loads the model, whatever the last one had come to."""
    with closing(Scoreboard.create(file, 1)) as board:
        slot = board.claim()
        slot.failed("The model cannot be used: it is absent.", 66)
        slot.close()
        with closing(board.claim()):
            assert board.health() == loaded(0, 1)
            assert not board.all_failed()


def test_old_worker_answers_until_the_new_one_does(file: Path) -> None:
    """During a reload there are more workers than there are to be."""
    with closing(Scoreboard.create(file, 1)) as board, closing(board.claim()) as new:
        with closing(board.claim()) as old:
            old.ready()
            during = board.health()
        between = board.health()
        new.ready()

        assert (during, between, board.health()) == (READY, loaded(0, 1), READY)


def test_claim_without_a_free_slot_is_refused(file: Path) -> None:
    """The error says what holds the slots and what to do."""
    with closing(Scoreboard.create(file, 1)) as board:
        slots = [board.claim() for _ in range(RELOADED_SLOTS)]
        with pytest.raises(PlatformError) as caught:
            board.claim()
        slots[2].close()
        board.claim().close()

    assert str(caught.value) == (
        f"All 4 slots of {file} are taken by living processes, and there are to be 1 workers; "
        "end the others."
    )


def test_slot_is_kept_when_the_worker_opens_the_board_again(file: Path) -> None:
    """A worker reads the board too; that it closes it does not cost it its slot."""
    with closing(Scoreboard.create(file, 1)) as board, closing(board.claim()) as slot:
        slot.ready()
        Scoreboard.open(file).close()

        assert board.health() == READY


@pytest.mark.parametrize(
    ("nanoseconds", "said"),
    [
        (0, READY),
        (int(HEARTBEAT_SECONDS * 1e9), READY),
        (int(HEARTBEAT_SECONDS * 1e9) + 1, "5 s"),
        (7_200_000_000, "7 s"),
    ],
)
def test_worker_without_heartbeat_does_not_answer(
    file: Path, nanoseconds: int, said: Health | str
) -> None:
    """A worker that is held up is named, and counts again once it gives a heartbeat."""
    now = 10**12
    with closing(Scoreboard.create(file, 1, lambda: now)) as board, closing(board.claim()) as slot:
        slot.ready()
        now += nanoseconds
        if isinstance(said, str):
            said = not_ready(f"Worker {os.getpid()} has not answered for {said}; try again.")
        found = board.health()
        slot.beat()

        assert (found, board.health()) == (said, READY)


def test_reason_of_a_failure_is_told(file: Path) -> None:
    """One worker that cannot use the model tells why; only when all say so have all failed."""
    reason = "The model cannot be used: the file é is absent."
    with closing(Scoreboard.create(file, 2)) as board:
        all_failed = [board.all_failed()]
        with closing(board.claim()) as one:
            one.failed(reason, 66)
            all_failed.append(board.all_failed())
            with closing(board.claim()) as other:
                other.ready()
                health = board.health()
                all_failed.append(board.all_failed())
                other.failed(reason, 66)
                all_failed.append(board.all_failed())

    assert health == not_ready(reason)
    assert all_failed == [False, False, False, True]


def test_long_reason_is_cut_between_characters(file: Path) -> None:
    """What is kept of a reason is whole characters."""
    with closing(Scoreboard.create(file, 1)) as board, closing(board.claim()) as slot:
        slot.failed("." + "é" * REASON_BYTES, 66)

        assert board.health() == not_ready("." + "é" * ((REASON_BYTES - 1) // 2))


@pytest.mark.parametrize(
    ("length", "kept"), [(-1, ""), (2**62, "\N{REPLACEMENT CHARACTER}eason".ljust(600, "\0"))]
)
def test_broken_reason_does_not_break_a_reader(file: Path, length: int, kept: str) -> None:
    """A slot may hold anything, since its owner may die between any two stores."""
    with closing(Scoreboard.create(file, 1)) as board, closing(board.claim()) as slot:
        slot.failed("reason", 66)
        slot._pages[module._REASON] = 0xFF
        slot._cells[module._REASON_LENGTH] = length

        assert board.health() == not_ready(kept)


ANSWERS = st.tuples(
    st.sampled_from([200, 204, 308, 400, 404, 499, 500, 503]),
    *[st.integers(0, 2**40)] * 3,
    st.floats(0, 200) | st.sampled_from(BOUNDS_SECONDS),
)


@given(st.lists(ANSWERS, max_size=5), st.lists(ANSWERS, max_size=5))
def test_totals_are_the_sums_over_the_workers(first: list[Answer], second: list[Answer]) -> None:
    """Each number of each answer is in the total of its name, and the time in its bucket."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Scoreboard.create(Path(folder) / "board", 2)) as board,
        closing(board.claim()) as one,
        closing(board.claim()) as other,
    ):
        for answer in first:
            one.count(*answer)
        for answer in second:
            other.count(*answer)
        totals = board.totals()

    answers = first + second
    buckets = [0] * N_BUCKETS
    for *_, seconds in answers:
        buckets[sum(bound < seconds for bound in BOUNDS_SECONDS)] += 1
    statuses = [min(max(answer[0] // 100, 3), 5) for answer in answers]
    assert totals == Totals(
        succeeded=statuses.count(3),
        client_errors=statuses.count(4),
        server_errors=statuses.count(5),
        rows=sum(answer[1] for answer in answers),
        bytes_in=sum(answer[2] for answer in answers),
        bytes_out=sum(answer[3] for answer in answers),
        microseconds=sum(int(answer[4] * 1e6) for answer in answers),
        buckets=tuple(buckets),
    )


def test_totals_never_fall_while_workers_count(file: Path, start: Start) -> None:
    """A reader finds each number whole at any time, and every answer counted in the end."""
    counting = "[slot.count(200, 2**32 + 1, 1, 1, 0.01) for _ in range(50_000)]"
    with closing(Scoreboard.create(file, 2)) as board:
        workers = [start(), start()]
        for worker in workers:
            worker.tell(counting)
        seen = [*watch(board, 100_000), board.totals()]

    assert len(seen) > 2
    assert seen[-1].rows == 100_000 * (2**32 + 1)
    assert all(
        now >= before
        for earlier, later in pairwise(seen)
        for before, now in zip(earlier.counters, later.counters, strict=True)
    )


def test_worker_killed_while_it_counts_leaves_its_counters(file: Path, start: Start) -> None:
    """At most the answer that it was counting is counted in part."""
    with closing(Scoreboard.create(file, 1)) as board:
        for _ in range(3):
            worker = start()
            before = sum(board.totals().buckets)
            worker.tell("while True: slot.count(200, 1, 1, 1, 0.01)")
            watch(board, before + 1000)
            worker.kill()
        totals = board.totals()
        requests = totals.succeeded

        assert requests >= 3000
        assert 0 <= requests - sum(totals.buckets) <= 3


def test_reader_cannot_write(file: Path) -> None:
    """The board is mapped to read, and its file is open to read."""
    with closing(Scoreboard.create(file, 1)) as board:
        with pytest.raises(TypeError):
            board._cells[0] = 3

        assert fcntl.fcntl(board._descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def test_new_board_has_its_blocks_and_is_open_to_workers(file: Path) -> None:
    """A store cannot find the disk full, and workers that are somebody else may write."""
    Scoreboard.create(file, 4).close()
    status = file.stat()

    assert status.st_blocks * 512 >= status.st_size
    assert status.st_mode & 0o777 == 0o666


def test_board_without_room_is_refused(file: Path) -> None:
    """The error of a disk that is full, here of a limit, comes when the board is made."""
    script = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from container.serving.scoreboard import Scoreboard\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "Scoreboard.create(Path(sys.argv[1]), 2)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, file],
        cwd=PROGRAM_DIR,
        check=False,
        capture_output=True,
        text=True,
    )

    assert ended.stderr.splitlines()[-1] == (
        f"container.errors.PlatformError: {file} cannot be made (File too large); serve needs "
        f"{7 * module._PAGE} bytes there."
    )
