"""Long load tests of `serve`: no response may be wrong or lost.

`pytest --soak --log-cli-level=INFO tests/soak` logs the figures of each test.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice, pairwise

import pytest

from container import resources
from support.load.connections import Call, Fate, Outcome, Tally, run
from support.load.mixture import Mixture, post, wrong
from support.load.observation import (
    Memory,
    StartServe,
    app_requests,
    await_end,
    chance,
    invocations,
)
from support.load.pings import pinging
from support.processes import Server, await_condition, children_of
from support.servers import LoggedServer

N_REQUESTS = 30_000
N_CONNECTIONS = 16
KILL_SECONDS = 2.0
WHOLE_BYTES = 64 * 1024  # a larger response is sent while it is being written
LOST_PER_KILL = 2 * N_CONNECTIONS  # a client may retry on the same dying worker

N_STOPS = 50
STOP_SECONDS = 25.0

FEW, MANY = 1_000, 100_000
GROWTH = 1.05

N_BODIES = 300
BODY_BYTES = 2_000_000
MEMORY_PER_BODY_BYTE = 10  # maximum memory for computing a request, per byte of its body
LARGE_AT_ONCE = 4  # two workers compute two large requests each

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.soak


def test_serve_loses_only_the_requests_of_workers_that_are_killed(
    start_serve: StartServe, mixture: Mixture
) -> None:
    """A request fails only if it was in flight when a worker was killed, with an error in JSON."""
    server = start_serve()
    calls = _mixed(mixture, N_REQUESTS)
    done = threading.Event()

    with ThreadPoolExecutor(1) as pool, pinging(server.port) as pings:
        killing = pool.submit(_kill_workers, server, done)
        begun = time.monotonic()
        tally = run(server.port, iter(calls), N_CONNECTIONS)
        done.set()
        deaths, totals = killing.result()
    server.await_ready()
    lost = [sum(_is_within(outcome, death) for outcome in tally.others) for death in deaths]
    logger.info("%s in %.0f s", tally, time.monotonic() - begun)
    logger.info("%d kills lost %s; pings under load: p99 %.0f ms", len(deaths), lost, pings().p99)

    assert tally.counts.total() == N_REQUESTS
    assert not tally.but(Fate.RIGHT, Fate.UNAVAILABLE, Fate.CUT)
    assert not [str(o) for o in tally.others if _is_cut(o) and len(o.call.reply) <= WHOLE_BYTES]
    assert not [str(o) for o in tally.others if not any(_is_within(o, d) for d in deaths)]
    assert len(deaths) > 2
    assert max(lost) <= LOST_PER_KILL
    assert all(before <= after for before, after in pairwise(totals))
    assert app_requests(server) >= _answers_of_app(tally)


@pytest.mark.parametrize("seed", range(N_STOPS // 2))
def test_serve_answers_accepted_requests_when_it_is_stopped(
    start_serve: StartServe, mixture: Mixture, seed: int
) -> None:
    """After SIGTERM during a load, every request that was read is answered; the exit code is 0."""
    servers = [start_serve(), start_serve()]
    moments = chance(seed)

    with ThreadPoolExecutor(2) as pool:
        stops = pool.map(
            lambda server: _stop_under_load(server, mixture, moments.uniform(0, 0.5)), servers
        )
        for server, (tally, code, seconds) in zip(servers, stops, strict=True):
            logger.info("%s, exit code %d after %.1f s", tally, code, seconds)
            assert not tally.but(Fate.RIGHT, Fate.NOT_READ, Fate.THROWN_AWAY, Fate.REFUSED)
            assert tally.counts[Fate.RIGHT] > 0
            assert invocations(server) == _answers_of_app(tally)
            assert code == 0
            assert seconds < STOP_SECONDS


def test_serve_needs_no_more_memory_after_many_requests(
    start_serve: StartServe, mixture: Mixture
) -> None:
    """The memory of all processes grows by less than 5 % between 1,000 and 100,000 requests."""
    server = start_serve()
    memory = Memory(server)
    calls = cycle(chance(0).sample(small := mixture.small() + wrong()[:4], len(small)))

    first = run(server.port, islice(calls, FEW), 8)
    before = memory.bytes()
    begun = time.monotonic()
    rest = run(server.port, islice(calls, MANY - FEW), 8)
    seconds = time.monotonic() - begun
    after = memory.bytes()
    logger.info("%.1f MB, then %.1f MB; %.0f s", before / 1e6, after / 1e6, seconds)

    assert not first.but(Fate.RIGHT)
    assert not rest.but(Fate.RIGHT)
    assert after < before * GROWTH


def test_serve_queues_large_requests_and_rejects_the_rest(
    start_serve: StartServe, mixture: Mixture
) -> None:
    """Requests beyond the queue receive 503 with Retry-After; pings and small ones succeed.

    The body of a queued request is in memory at most once.
    """
    server = start_serve()
    memory = Memory(server)
    row = b"5.1,3.5,1.4,0.2\n"
    n_rows = BODY_BYTES // len(row)
    large = Call(*post(row * n_rows), reply=b"setosa\n" * n_rows)
    run(server.port, iter([large] * 8), LARGE_AT_ONCE)
    idle = memory.bytes()
    done = threading.Event()

    with ThreadPoolExecutor(2) as pool, pinging(server.port) as pings:
        others = pool.submit(run, server.port, _until(done, mixture.small()), 2)
        watching = pool.submit(memory.peak, done)
        begun = time.monotonic()
        tally = run(server.port, iter([large] * N_BODIES), N_BODIES)
        seconds = time.monotonic() - begun
        done.set()
        small, peak = others.result(), watching.result()
    logger.info("%s in %.0f s; small ones meanwhile: %s", tally, seconds, small)
    logger.info(
        "%.0f MB, then at most %.0f MB; pings: p99 %.0f ms", idle / 1e6, peak / 1e6, pings().p99
    )

    assert not tally.but(Fate.RIGHT, Fate.UNAVAILABLE)
    assert all(_is_busy(outcome) for outcome in tally.others)
    assert tally.counts[Fate.RIGHT] >= LARGE_AT_ONCE
    assert not small.but(Fate.RIGHT)
    assert small.counts[Fate.RIGHT] > 0
    assert not pings().others
    waiting = min(BODY_BYTES, resources.BODY_BUFFER_BYTES) * N_BODIES
    assert peak - idle < LARGE_AT_ONCE * BODY_BYTES * MEMORY_PER_BODY_BYTE + waiting


def _mixed(mixture: Mixture, count: int) -> list[Call]:
    """Return random requests of all kinds and sizes; 0.5 % have more than a million bytes."""
    draw = chance(0)
    kinds = [mixture.small(), mixture.larger(), wrong(), mixture.large()]
    return [draw.choice(kind) for kind in draw.choices(kinds, [750, 150, 95, 5], k=count)]


def _until(done: threading.Event, calls: list[Call]) -> Iterator[Call]:
    draw = chance(0)
    return iter(lambda: None if done.is_set() else draw.choice(calls), None)


def _kill_workers(
    server: Server, done: threading.Event
) -> tuple[list[tuple[float, float]], list[int]]:
    """Kill the oldest worker periodically; return the times, and the counter after each kill."""
    (master,) = server.children("gunicorn")
    deaths, totals = [], []
    while not done.wait(KILL_SECONDS):
        worker = children_of(master)[0]  # the oldest, because a new one may not have a request yet
        begun = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        await_end(worker)
        deaths.append((begun, time.monotonic()))
        totals.append(app_requests(server))
    return deaths, totals


def _is_within(outcome: Outcome, death: tuple[float, float]) -> bool:
    return outcome.begun <= death[1] and outcome.ended >= death[0]


def _is_cut(outcome: Outcome) -> bool:
    return outcome.fate is Fate.CUT


def _stop_under_load(
    server: LoggedServer, mixture: Mixture, seconds: float
) -> tuple[Tally, int, float]:
    """Send SIGTERM after some seconds of load; return the results, exit code and duration."""
    calls = cycle([call.waiting() for call in _mixed(mixture, 1_000)])
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(run, server.port, calls, N_CONNECTIONS)
        await_condition(lambda: invocations(server) > 0, "a first answer")
        threading.Event().wait(seconds)
        begun = time.monotonic()
        code = server.stop().code
        return load.result(), code, time.monotonic() - begun


def _answers_of_app(tally: Tally) -> int:
    """Return the number of responses that nginx did not generate itself."""
    return tally.statuses.total() - sum(tally.statuses[status] for status in (404, 413, 503))


def _is_busy(outcome: Outcome) -> bool:
    answer = outcome.answer
    return (
        answer is not None
        and answer.status == 503
        and answer.headers.get(b"retry-after") == b"1"
        and b'"ServerBusy"' in answer.body
    )
