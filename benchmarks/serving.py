"""Measure running servers: small and large bodies, batches, health checks under load."""

import json
from dataclasses import dataclass

from benchmarks import request_bodies
from benchmarks.bench import WORKERS, Bench, announce, interleaved
from benchmarks.clients import load, post_seconds, post_to_all
from benchmarks.figures import CLASSIC, COLUMNS, OURS
from benchmarks.goals import GOALS
from benchmarks.request_bodies import CSV, JSON, ROWS_OF, Body
from benchmarks.stacks import BenchmarkError, StackServer
from support.load.pings import pinging

CONNECTIONS = (1, 8, 64)
PING_CONNECTIONS = 8
BATCH_CONNECTIONS = 4

P99 = "/ping p99 while 8 clients post 4.8 MB"
ANSWERED = "/ping answered while 8 clients post 4.8 MB"
FAILURES = "/ping failures while 8 clients post 4.8 MB"
BATCH = "4 connections with 5 MB of CSV: rows/s"
LARGE = {"4.8 MB of CSV": request_bodies.ROWS_4_8_MB, "50 MB of CSV": request_bodies.ROWS_50_MB}
LARGE_ROUNDS = 3
"""Factor by which the number of rounds is multiplied for a large body with a goal."""

Servers = dict[str, StackServer]


@dataclass(frozen=True)
class Case:
    """Load with small bodies: size, format and number of connections."""

    size: str
    content_type: str
    connections: int

    @property
    def names(self) -> tuple[str, str, str]:
        """Names of the figures: requests/s, p50 and p99."""
        kind = "CSV" if self.content_type == CSV else "JSON (classic: CSV)"
        plural = "" if self.connections == 1 else "s"
        title = f"{self.size} of {kind}, {self.connections} connection{plural}"
        return f"{title}: requests/s", f"{title}: p50", f"{title}: p99"

    def body(self, bench: Bench, stack: str) -> Body:
        """Return the body for a stack; the classic stack accepts only CSV."""
        n_rows = ROWS_OF[self.size]
        if self.content_type == JSON and stack != CLASSIC:
            return bench.bodies.json(n_rows)
        return bench.bodies.csv(n_rows)


CASES = [
    Case(size, content_type, connections)
    for size in ROWS_OF
    for content_type in (CSV, JSON)
    for connections in CONNECTIONS
]


def measure(bench: Bench) -> None:
    """Run all three stacks and measure the selected figures."""
    names = [name for case in CASES for name in case.names]
    if not bench.results.wants(*names, *LARGE, BATCH, P99, ANSWERED, FAILURES):
        return
    with bench.all_running(*COLUMNS) as servers:
        _check_answers(bench, servers)
        for case in CASES:
            if bench.results.wants(*case.names):
                _measure_case(bench, servers, case)
        for name, n_rows in LARGE.items():
            if bench.results.wants(name):
                _measure_large(bench, servers, name, bench.bodies.csv(n_rows))
        if bench.results.wants(BATCH):
            _measure_batch(bench, servers)
        if bench.results.wants(P99, ANSWERED, FAILURES):
            _measure_pings(bench, servers)


def _check_answers(bench: Bench, servers: Servers) -> None:
    """Raise BenchmarkError unless ours and classic predict the same labels; warm up all workers."""
    announce("checking that both stacks predict the same labels")
    for server in servers.values():
        post_to_all(server, bench.bodies.csv(request_bodies.ROWS_4_8_MB), WORKERS)
    for n_rows, ours in ((request_bodies.ROWS_4_8_MB, bench.bodies.csv), (1000, bench.bodies.json)):
        expected = _labels(bench, servers[CLASSIC], bench.bodies.csv(n_rows))
        found = _labels(bench, servers[OURS], ours(n_rows))
        if found != expected or len(found) != n_rows:
            raise BenchmarkError("ours and classic predict different labels; nothing is compared")


def _labels(bench: Bench, server: StackServer, body: Body) -> list[str]:
    reply = bench.scratch / f"reply-{server.stack}"
    post_seconds(server, body, reply)
    text = reply.read_text(encoding="ascii")
    if body.content_type == JSON:
        return [row["predicted_label"] for row in json.loads(text)["predictions"]]
    return text.splitlines()


def _measure_case(bench: Bench, servers: Servers, case: Case) -> None:
    announce(case.names[0])
    has_goal = any(name in GOALS for name in case.names)
    rounds = bench.effort.goal_rounds if has_goal else bench.effort.rounds
    for stack in interleaved(COLUMNS, rounds):
        found = load(servers[stack], case.body(bench, stack), case.connections, 1)
        speed, p50, p99 = case.names
        bench.results.add(speed, "1/s", stack, found.requests_per_second)
        bench.results.add(p50, "ms", stack, found.p50_milliseconds)
        bench.results.add(p99, "ms", stack, found.p99_milliseconds)


def _measure_large(bench: Bench, servers: Servers, name: str, body: Body) -> None:
    announce(name)
    rounds = bench.effort.rounds * (LARGE_ROUNDS if name in GOALS else 1)
    for stack in interleaved(COLUMNS, rounds):
        bench.results.add(name, "s", stack, post_seconds(servers[stack], body))


def _measure_batch(bench: Bench, servers: Servers) -> None:
    announce(BATCH)
    body = bench.bodies.csv(request_bodies.ROWS_5_MB)
    for stack in interleaved(COLUMNS, bench.effort.few_rounds):
        found = load(servers[stack], body, BATCH_CONNECTIONS, bench.effort.seconds)
        bench.results.add(BATCH, "rows/s", stack, found.requests_per_second * body.n_rows)


def _measure_pings(bench: Bench, servers: Servers) -> None:
    announce(P99)
    body = bench.bodies.csv(request_bodies.ROWS_4_8_MB)
    for stack in interleaved((CLASSIC, OURS), bench.effort.few_rounds):
        with pinging(servers[stack].port) as found:
            load(servers[stack], body, PING_CONNECTIONS, 2 * bench.effort.seconds)
        pings = found()
        bench.results.add(P99, "ms", stack, pings.p99)
        bench.results.add(ANSWERED, "pings", stack, len(pings.milliseconds) - len(pings.others))
        bench.results.add(FAILURES, "pings", stack, len(pings.others))
