"""Measure scaling of this container: the cost of more workers and of larger models."""

import random
from collections.abc import Mapping
from pathlib import Path

from benchmarks.bench import WORKERS, Bench, announce, interleaved, make_base
from benchmarks.clients import load, post_to_all
from benchmarks.figures import OURS
from benchmarks.request_bodies import ROWS_5_MB
from benchmarks.stacks import BenchmarkError, running
from benchmarks.start_time import start_seconds

ROWS_RATIO = "rows/s with 8 workers over those with 2"
NODES_RATIO = "p50 with 1,000,000 nodes over that with 10"
START = "start with a model of 100 MB"
MANY_WORKERS = 8
CONNECTIONS = 16
"""Two for each of `MANY_WORKERS`."""

# Random labels give trees of the same size in each run: 1,350,000 rows of 10 classes result in
# 870,000 leaves and files of 99 MB.
LARGE_ROWS, LARGE_BYTES = 1_350_000, 95e6
SMALL_NODES = 10
_CLASSES = 10


def measure(bench: Bench) -> None:
    """Measure the selected figures."""
    if bench.results.wants(ROWS_RATIO):
        announce(ROWS_RATIO)
        _measure_workers(bench)
    if bench.results.wants(NODES_RATIO, START):
        announce("training a tree of more than 1,000,000 nodes")
        large = _trained(bench, "large", LARGE_ROWS, {})
        if sum(file.stat().st_size for file in (large / "model").iterdir()) < LARGE_BYTES:
            raise BenchmarkError("the large model has less than 95 MB, so it has too few nodes")
        small = _trained(bench, "small", LARGE_ROWS // 1000, {"max_leaf_nodes": SMALL_NODES // 2})
        _measure_start(bench, large)
        _measure_nodes(bench, small, large)


def _measure_workers(bench: Bench) -> None:
    """Post the same load alternately to few and to many workers on the same cores."""
    stack, base = bench.stacks[OURS], bench.base(OURS)
    body = bench.bodies.csv(ROWS_5_MB)
    with running(stack, base, WORKERS) as few, running(stack, base, MANY_WORKERS) as many:
        servers = {"few": few, "many": many}
        speeds: dict[str, float] = {}
        for server in servers.values():
            post_to_all(server, body, MANY_WORKERS)
        for name in interleaved(("few", "many"), bench.effort.goal_rounds):
            found = load(servers[name], body, CONNECTIONS, bench.effort.seconds)
            speeds[name] = found.requests_per_second
            if len(speeds) == len(servers):
                bench.results.add(ROWS_RATIO, "x", OURS, speeds["many"] / speeds["few"])
                speeds.clear()


def _measure_start(bench: Bench, large: Path) -> None:
    for _ in range(bench.effort.rounds if bench.results.wants(START) else 0):
        bench.results.add(START, "s", OURS, start_seconds(bench.stacks[OURS], large))


def _measure_nodes(bench: Bench, small: Path, large: Path) -> None:
    if not bench.results.wants(NODES_RATIO):
        return
    announce(NODES_RATIO)
    stack, body = bench.stacks[OURS], bench.bodies.csv(1)
    with running(stack, small, WORKERS) as few, running(stack, large, WORKERS) as many:
        for server in (few, many):
            load(server, body, 1, 1)
        for number in range(bench.effort.goal_rounds):
            pair = (few, many) if number % 2 else (many, few)
            found = {server.port: load(server, body, 1, 1) for server in pair}
            ratio = found[many.port].p50_milliseconds / found[few.port].p50_milliseconds
            bench.results.add(NODES_RATIO, "x", OURS, ratio)


def _trained(bench: Bench, name: str, n_rows: int, hyperparameters: Mapping[str, object]) -> Path:
    """Return an /opt/ml directory with a model of random labels."""
    base = bench.scratch / name
    make_base(base, {"engine": "exact", "random_state": 0, **hyperparameters})
    numbers = random.Random(0)  # noqa: S311 - no secret
    with (base / "input/data/training/table.csv").open("w", encoding="ascii") as text:
        for _ in range(n_rows):
            cells = ",".join(f"{numbers.random():.6f}" for _ in range(4))
            text.write(f"{numbers.randrange(_CLASSES)},{cells}\n")
    bench.stacks[OURS].train(base)
    return base
