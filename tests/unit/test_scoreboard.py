"""The scoreboard, written by real worker processes and read by this one."""

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
from container.serving.scoreboard import (
    HEARTBEAT_SECONDS,
    MAX_CRASHES,
    Gauges,
    Health,
    Scoreboard,
)
from container.serving.slot import (
    BOUNDS_SECONDS,
    N_BUCKETS,
    PAGE_BYTES,
    REASON_BYTES,
    Counters,
)
from support.processes import DEADLINE_SECONDS, launch

WORKER = """
import sys
from pathlib import Path
from container.serving.scoreboard import Scoreboard
scoreboard = Scoreboard.open(Path(sys.argv[1]))
slot = scoreboard.claim()
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
READY = Health(ready=True)
Answer = tuple[int, int, int, int, float]
Start = Callable[[], "Worker"]
N_SLOTS = 4  # of a scoreboard for one worker


class Worker:
    """A process that owns a slot of the scoreboard."""

    def __init__(self, file: Path) -> None:
        self.process = launch(
            [sys.executable, "-c", WORKER, file],
            cwd=PROGRAM_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.do("pass")

    def send(self, statement: str) -> None:
        """Send a statement about `slot` to the process, and do not wait for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{statement}\n")
        self.process.stdin.flush()

    def do(self, statement: str) -> None:
        """Send a statement about `slot` to the process, and wait until it has run."""
        assert self.process.stdout is not None
        self.send(statement)
        assert self.process.stdout.readline() == "done\n"

    def kill(self) -> None:
        """Kill the process and leave it unreaped, as a busy master does."""
        self.process.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a scoreboard."""
    return tmp_path / "scoreboard"


@pytest.fixture
def start(file: Path) -> Start:
    """Start workers that own slots of the scoreboard."""
    return lambda: Worker(file)


def not_ready(reason: str) -> Health:
    """Return the health of a server that cannot answer."""
    return Health(ready=False, reason=reason)


def watch(scoreboard: Scoreboard, n_requests: int) -> list[Counters]:
    """Read the totals until this many requests are counted completely."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    seen = [scoreboard.totals()]
    while sum(seen[-1].buckets) < n_requests:
        assert time.monotonic() < deadline, f"{seen[-1]} in {DEADLINE_SECONDS} s"
        seen.append(scoreboard.totals())
    return seen


def numbers(totals: Counters) -> list[int]:
    """Return all numbers of the counters."""
    return [*totals[:-1], *totals.buckets]


def loaded(n_ready: int, n_workers: int) -> Health:
    """Return the health of a server whose workers load the model."""
    return not_ready(f"The model is loaded in {n_ready} of {n_workers} workers; try again.")


def test_scoreboard_is_ready_when_every_worker_is_ready(file: Path, start: Start) -> None:
    """If two workers are expected, one is not enough."""
    with closing(Scoreboard.create(file, 2)) as scoreboard:
        found = [scoreboard.health()]
        for worker in (start(), start()):
            found.append(scoreboard.health())
            worker.do("slot.ready()")
            found.append(scoreboard.health())

    assert found == [*[loaded(0, 2)] * 2, *[loaded(1, 2)] * 2, READY]


def test_killed_worker_counts_no_longer(file: Path, start: Start) -> None:
    """This holds although the process is unreaped and its last heartbeat is recent."""
    with closing(Scoreboard.create(file, 1)) as scoreboard:
        worker = start()
        worker.do("slot.ready()")
        before = scoreboard.health()
        worker.kill()

        assert (before, scoreboard.health()) == (READY, loaded(0, 1))
        os.kill(worker.process.pid, 0)  # the process id still exists


def test_totals_continue_when_workers_are_replaced(file: Path, start: Start) -> None:
    """More workers than slots may follow each other, and no count is lost."""
    rows = []
    with closing(Scoreboard.create(file, 1)) as scoreboard:
        for _ in range(N_SLOTS + 2):
            worker = start()
            worker.do("slot.ready(); slot.count(200, 7, 0, 0, 0.1)")
            rows.append(scoreboard.totals().rows)
            assert scoreboard.health() == READY
            worker.kill()

        assert rows == [7, 14, 21, 28, 35, 42]
        assert scoreboard.totals().rows == 42


def test_new_owner_of_a_slot_starts_without_the_state_of_the_last(file: Path) -> None:
    """Its state is LOADING, and it has no requests in progress or queued."""
    with closing(Scoreboard.create(file, 1)) as scoreboard:
        slot = scoreboard.claim()
        slot.begin()
        slot.queued(3)
        slot.failed("The model cannot be used: it is absent.", 66)
        slot.close()
        with closing(scoreboard.claim()):
            assert scoreboard.health() == loaded(0, 1)
            assert not scoreboard.all_failed()
            assert scoreboard.gauges() == Gauges(1, 0, False, 0, 0)


def test_gauges_are_the_sums_over_living_workers(file: Path, start: Start) -> None:
    """A worker that is killed in the middle of its requests leaves none of them behind."""
    with closing(Scoreboard.create(file, 2)) as scoreboard, closing(scoreboard.claim()) as slot:
        found = [scoreboard.gauges()]
        slot.ready()
        slot.begin()
        worker = start()
        worker.do("slot.ready(); slot.begin(); slot.begin(); slot.finish(); slot.queued(5)")
        found.append(scoreboard.gauges())
        worker.kill()
        slot.finish()
        slot.queued(2)
        found.append(scoreboard.gauges())

    assert found == [
        Gauges(workers=2, ready=0, loaded=False, in_progress=0, queued=0),
        Gauges(workers=2, ready=2, loaded=True, in_progress=2, queued=5),
        Gauges(workers=2, ready=1, loaded=True, in_progress=0, queued=2),
    ]


def test_worker_without_heartbeat_has_the_model_and_is_not_ready(file: Path) -> None:
    """The gauges tell a worker that hangs from one that has no model."""
    now = 10**12
    scoreboard = Scoreboard.create(file, 1, lambda: now)
    with closing(scoreboard), closing(scoreboard.claim()) as slot:
        slot.ready()
        now += int(HEARTBEAT_SECONDS * 1e9) + 1
        gauges = scoreboard.gauges()

    assert (gauges.ready, gauges.loaded) == (0, True)


def test_old_worker_answers_until_the_new_one_does(file: Path) -> None:
    """During a reload there are more workers than expected."""
    with closing(Scoreboard.create(file, 1)) as scoreboard, closing(scoreboard.claim()) as new:
        with closing(scoreboard.claim()) as old:
            old.ready()
            during = scoreboard.health()
        between = scoreboard.health()
        new.ready()

        assert (during, between, scoreboard.health()) == (READY, loaded(0, 1), READY)


def test_claim_without_a_free_slot_is_refused(file: Path) -> None:
    """The error says who owns the slots and what to do."""
    with closing(Scoreboard.create(file, 1)) as scoreboard:
        slots = [scoreboard.claim() for _ in range(N_SLOTS)]
        with pytest.raises(PlatformError) as caught:
            scoreboard.claim()
        slots[2].close()
        scoreboard.claim().close()

    assert str(caught.value) == (
        f"Living processes own all 4 slots of {file}, which is made for 1 workers; stop the other "
        "processes."
    )


def test_worker_that_opens_the_scoreboard_again_keeps_its_slot(file: Path) -> None:
    """A worker also reads the scoreboard. Closing its reader does not release its lock."""
    with closing(Scoreboard.create(file, 1)) as scoreboard, closing(scoreboard.claim()) as slot:
        slot.ready()
        Scoreboard.open(file).close()

        assert scoreboard.health() == READY


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, READY),
        (int(HEARTBEAT_SECONDS * 1e9), READY),
        (int(HEARTBEAT_SECONDS * 1e9) + 1, "5 s"),
        (7_200_000_000, "7 s"),
    ],
)
def test_worker_without_heartbeat_does_not_answer(
    file: Path, nanoseconds: int, expected: Health | str
) -> None:
    """A blocked worker is named, and is ready again after its next heartbeat."""
    now = 10**12
    with (
        closing(Scoreboard.create(file, 1, lambda: now)) as scoreboard,
        closing(scoreboard.claim()) as slot,
    ):
        slot.ready()
        now += nanoseconds
        if isinstance(expected, str):
            message = f"Worker {os.getpid()} has not answered for {expected}; try again."
            expected = not_ready(message)
        found = scoreboard.health()
        slot.beat()

        assert (found, scoreboard.health()) == (expected, READY)


def test_reason_of_a_failure_is_returned(file: Path) -> None:
    """The reason of one worker is enough; `all_failed` needs a failure of every worker."""
    reason = "The model cannot be used: the file é is absent."
    with closing(Scoreboard.create(file, 2)) as scoreboard:
        all_failed = [scoreboard.all_failed()]
        with closing(scoreboard.claim()) as one:
            one.failed(reason, 66)
            all_failed.append(scoreboard.all_failed())
            with closing(scoreboard.claim()) as other:
                other.ready()
                health = scoreboard.health()
                all_failed.append(scoreboard.all_failed())
                other.failed(reason, 66)
                all_failed.append(scoreboard.all_failed())

    assert health == not_ready(reason)
    assert all_failed == [False, False, False, True]


def load_and_die(scoreboard: Scoreboard, times: int) -> None:
    """Let workers exit before they report that the model is loaded."""
    for _ in range(times):
        scoreboard.claim().close()


@pytest.mark.parametrize("outcome", ["ready", "failed"])
def test_deaths_while_loading_are_counted(file: Path, outcome: str) -> None:
    """A model that was loaded resets the count; a reason that was reported is no death."""
    with closing(Scoreboard.create(file, 1)) as scoreboard:
        load_and_die(scoreboard, MAX_CRASHES - 1)
        with closing(scoreboard.claim()) as slot:
            before = scoreboard.why_given_up()
            if outcome == "ready":
                slot.ready()
            else:
                slot.failed("absent", 66)
        load_and_die(scoreboard, 1)
        with closing(scoreboard.claim()):
            after = scoreboard.why_given_up()
            n_crashes = scoreboard.crashes()

    assert before == ""
    assert n_crashes == (1 if outcome == "ready" else MAX_CRASHES)
    assert after.startswith("3 workers died") == (outcome == "failed")


def test_loading_ends_when_every_worker_is_ready_or_has_failed(file: Path) -> None:
    """A worker that is absent, or has died, is expected to load the model."""
    with closing(Scoreboard.create(file, 2)) as scoreboard:
        found = [scoreboard.is_loading()]
        with closing(scoreboard.claim()) as one, closing(scoreboard.claim()) as other:
            one.ready()
            found.append(scoreboard.is_loading())
            other.failed("absent", 66)
            found.append(scoreboard.is_loading())
        found.append(scoreboard.is_loading())

        assert found == [True, True, False, True]
        assert scoreboard.was_ready()


def test_long_reason_is_cut_between_characters(file: Path) -> None:
    """The rest is whole characters."""
    with closing(Scoreboard.create(file, 1)) as scoreboard, closing(scoreboard.claim()) as slot:
        slot.failed("." + "é" * REASON_BYTES, 66)

        assert scoreboard.health() == not_ready("." + "é" * ((REASON_BYTES - 1) // 2))


@pytest.mark.parametrize("value", [-1, 2**62, -(2**63)])
@pytest.mark.parametrize("cell", range(10))
def test_broken_slot_does_not_break_a_reader(file: Path, cell: int, value: int) -> None:
    """A slot may hold any bytes, because its owner may die between any two stores."""
    reason = b"reason of the failure"
    with closing(Scoreboard.create(file, 1)) as scoreboard, closing(scoreboard.claim()) as slot:
        slot.failed(reason.decode(), 66)
        content = file.read_bytes()
        with file.open("r+b") as raw:
            raw.seek(content.index(reason))
            raw.write(b"\xff")
            raw.seek(PAGE_BYTES + 8 * cell)
            raw.write(value.to_bytes(8, "little", signed=True))

        assert not scoreboard.health().ready
        assert len(scoreboard.health().reason) <= REASON_BYTES
        assert scoreboard.totals().rows in (0, value)
        assert scoreboard.gauges().ready == 0
        scoreboard.exit_code()


ANSWERS = st.tuples(
    st.sampled_from([200, 204, 308, 400, 404, 499, 500, 503]),
    *[st.integers(0, 2**40)] * 3,
    st.floats(0, 200) | st.sampled_from(BOUNDS_SECONDS),
)


@given(st.lists(ANSWERS, max_size=5), st.lists(ANSWERS, max_size=5))
def test_totals_are_the_sums_over_the_workers(first: list[Answer], second: list[Answer]) -> None:
    """Each number is in the total of its name, and the latency in its bucket."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Scoreboard.create(Path(folder) / "scoreboard", 2)) as scoreboard,
        closing(scoreboard.claim()) as one,
        closing(scoreboard.claim()) as other,
    ):
        for answer in first:
            one.count(*answer)
        for answer in second:
            other.count(*answer)
        totals = scoreboard.totals()

    answers = first + second
    buckets = [0] * N_BUCKETS
    for *_, seconds in answers:
        buckets[sum(bound < seconds for bound in BOUNDS_SECONDS)] += 1
    statuses = [min(max(answer[0] // 100, 3), 5) for answer in answers]
    assert totals == Counters(
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
    """A reader always finds whole numbers, and in the end all requests."""
    counting = "[slot.count(200, 2**32 + 1, 1, 1, 0.01) for _ in range(50_000)]"
    with closing(Scoreboard.create(file, 2)) as scoreboard:
        workers = [start(), start()]
        for worker in workers:
            worker.send(counting)
        seen = [*watch(scoreboard, 100_000), scoreboard.totals()]

    assert len(seen) > 2
    assert seen[-1].rows == 100_000 * (2**32 + 1)
    assert all(
        now >= before
        for earlier, later in pairwise(seen)
        for before, now in zip(numbers(earlier), numbers(later), strict=True)
    )


def test_worker_killed_while_it_counts_leaves_its_counters(file: Path, start: Start) -> None:
    """At most one request for each killed worker is counted in part."""
    with closing(Scoreboard.create(file, 1)) as scoreboard:
        for _ in range(3):
            worker = start()
            before = sum(scoreboard.totals().buckets)
            worker.send("while True: slot.count(200, 1, 1, 1, 0.01)")
            watch(scoreboard, before + 1000)
            worker.kill()
        totals = scoreboard.totals()
        requests = totals.succeeded

        assert requests >= 3000
        assert 0 <= requests - sum(totals.buckets) <= 3


def test_reader_cannot_write(file: Path) -> None:
    """The map is read-only, and so is the descriptor of its file."""
    with closing(Scoreboard.create(file, 1)) as scoreboard:
        with pytest.raises(TypeError):
            scoreboard._map[0] = 3

        assert fcntl.fcntl(scoreboard._descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def test_new_scoreboard_has_its_blocks_and_is_writable_for_workers(file: Path) -> None:
    """No store can fail on a full disk, and workers of another user may write."""
    Scoreboard.create(file, 4).close()
    status = file.stat()

    assert status.st_blocks * 512 >= status.st_size
    assert status.st_mode & 0o777 == 0o666


def test_scoreboard_without_room_is_refused(file: Path) -> None:
    """The error of a full disk, here of a limit, is raised by `create`."""
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
        f"container.errors.PlatformError: {file} cannot be created (File too large); serve needs "
        f"{7 * PAGE_BYTES} bytes there."
    )
