"""Evaluation of benchmark samples: statistics, goals, the table and the JSON document."""

import json
import subprocess
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread

import pytest

from benchmarks import report
from benchmarks.bench import interleaved
from benchmarks.complexity import exponent
from benchmarks.figures import CLASSIC, FLOOR, OURS, Figure, Results, quartiles
from benchmarks.goals import GOALS, Goal, missed
from benchmarks.request_bodies import ROW_BYTES, ROWS_4_8_MB, Bodies
from benchmarks.stacks import ROOT
from support.load.pings import pinging
from support.processes import await_condition

SPEED = "one row of CSV, 8 connections: requests/s"


def figure(unit: str = "s", **samples: list[float]) -> Figure:
    """Return a figure with these samples."""
    return Figure("a figure", unit, samples)


def test_figure_has_the_median_and_the_spread_of_each_column() -> None:
    """A slow round changes the spread but not the median."""
    found = figure(ours=[1.0, 90.0, 2.0])

    assert (found.median(OURS), found.spread(OURS)) == (2.0, (1.0, 90.0))
    assert found.median(CLASSIC) is None
    assert found.spread(CLASSIC) is None


def test_ratio_divides_the_medians() -> None:
    """The ratio is None if a column is missing or the second median is 0."""
    found = figure(ours=[6.0, 8.0], classic=[2.0], floor=[0.0])

    assert found.ratio(OURS, CLASSIC) == 3.5
    assert found.ratio(OURS, FLOOR) is None
    assert figure(ours=[6.0]).ratio(OURS, CLASSIC) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], (3.0, 3.0)), ([4.0, 1.0], (1.0, 4.0)), ([5.0, 1.0, 2.0, 4.0, 3.0], (2.0, 4.0))],
)
def test_quartiles_are_the_medians_of_the_halves(
    values: list[float], expected: tuple[float, float]
) -> None:
    """The middle value belongs to both halves."""
    assert quartiles(values) == expected


@pytest.mark.parametrize(
    ("goal", "ours", "is_met"),
    [
        (Goal(">=", 6, CLASSIC), 60.0, True),
        (Goal(">=", 6, CLASSIC), 59.9, False),
        (Goal("<=", 0.35, CLASSIC), 3.5, True),
        (Goal("<=", 0.35, CLASSIC), 3.6, False),
        (Goal(">=", 3, CLASSIC, is_faster=True), 3.3, True),
        (Goal(">=", 3, CLASSIC, is_faster=True), 3.4, False),
        (Goal("<=", 50), 50.0, True),
        (Goal("<=", 50), 50.1, False),
        (Goal(">=", 6, FLOOR), 60.0, None),
    ],
)
def test_goal_is_compared_with_its_column(goal: Goal, ours: float, is_met: bool | None) -> None:
    """The result is True or False, or None if the column of the goal is missing."""
    assert goal.is_met(figure(ours=[ours], classic=[10.0])) is is_met


def test_goal_within_the_spread_uses_the_better_quartile() -> None:
    """Ratios around 1 meet the goal; ratios that are worse in most rounds miss it."""
    at_least, at_most = Goal(">=", 1, within_spread=True), Goal("<=", 1, within_spread=True)
    around, below = figure(ours=[0.9, 0.98, 1.02]), figure(ours=[0.9, 0.94, 0.98])
    above = figure(ours=[1.01, 1.02, 1.03])

    assert (at_least.is_met(around), at_least.is_met(below)) == (True, False)
    assert (at_most.is_met(around), at_most.is_met(above)) == (True, False)


def test_results_keep_what_is_selected() -> None:
    """Figures are selected by a regular expression that ignores case."""
    results = Results("ONE row|pss")
    results.add("one row: p50", "ms", OURS, 1.0)
    results.add("ten rows: p50", "ms", OURS, 1.0)
    results.leave_out("PSS", "a reason")
    results.leave_out("image", "a reason")

    assert list(results.figures) == ["one row: p50"]
    assert results.left_out == {"PSS": "a reason"}


def test_missed_goal_is_reported_by_the_name_of_its_figure() -> None:
    """A figure is reported if it misses one of two goals; a figure without goals never is."""
    results = Results()
    for column, value in ((CLASSIC, 100.0), (OURS, 700.0), (FLOOR, 800.0)):
        results.add(SPEED, "1/s", column, value)
        results.add("another", "1/s", column, value)

    assert missed(results.figures) == [SPEED]


def test_rounds_begin_with_different_names() -> None:
    """No stack is always measured first."""
    assert list(interleaved(("a", "b", "c"), 2)) == ["a", "b", "c", "b", "c", "a"]


def test_table_shows_medians_spreads_ratio_and_goals() -> None:
    """A line contains the unit, the ratio, the goals, and whether each is met by which value."""
    results = Results()
    for column, values in ((CLASSIC, [100.0, 120.0]), (OURS, [770.0]), (FLOOR, [1400.0])):
        for value in values:
            results.add(SPEED, "1/s", column, value)
    cells = [cell.strip() for cell in report.table(results).splitlines()[2].split("|")[1:-1]]

    assert cells == [
        SPEED,
        "1/s",
        "110 (100-120)",
        "770",
        "1,400",
        "7x",
        ">= 6x classic, >= 0.9x floor",
        "yes (7x), NO (0.55x)",
    ]


def test_json_has_samples_goals_and_figures_that_were_not_measured(tmp_path: Path) -> None:
    """The file is valid JSON, and describes the machine."""
    results = Results()
    results.add(SPEED, "1/s", OURS, 5.0)
    results.leave_out("image", "without Docker")
    report.write(tmp_path / "b.json", results, {"quick": True})
    written = json.loads((tmp_path / "b.json").read_text())

    assert written["figures"][0]["samples"] == {OURS: [5.0]}
    assert [goal["met"] for goal in written["figures"][0]["goals"]] == [None, None]
    assert written["left_out"] == {"image": "without Docker"}
    assert written["options"] == {"quick": True}
    assert written["machine"]["cores"] >= 1


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "0.123"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")]
)
def test_number_has_three_significant_digits_or_all_of_its_integer(value: float, text: str) -> None:
    """Numbers are rounded to three significant digits; digits before the point are kept."""
    assert report.number(value) == text


def test_bodies_are_the_same_rows_in_both_forms(tmp_path: Path) -> None:
    """JSON contains the numbers of the CSV, and 170,000 rows are 4.8 MB."""
    made = Bodies(tmp_path)
    lines = made.csv(10).file.read_text().splitlines()
    rows = json.loads(made.json(10).file.read_text())["instances"]

    assert [[float(cell) for cell in line.split(",")] for line in lines] == rows
    assert {len(line) + 1 for line in lines} == {ROW_BYTES}
    assert round(ROWS_4_8_MB * ROW_BYTES / 1e6, 1) == 4.8


def test_benchmark_loads_no_library_of_the_servers() -> None:
    """Pages shared with the benchmark's own process would reduce the PSS of the servers."""
    code = (
        "import sys, benchmarks.__main__\n"
        "print(*{'flask', 'gevent', 'numpy', 'onnxruntime', 'pandas'} & sys.modules.keys())"
    )
    variables = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )

    assert ended.stdout == "\n"


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_exponent_is_the_slope_of_the_logarithms(power: float) -> None:
    """Times that grow with a power of the size have that power as exponent."""
    sizes = [10, 20, 40]

    assert exponent(sizes, [0.5 * size**power for size in sizes]) == pytest.approx(power)


class _Busy(BaseHTTPRequestHandler):
    """Server that returns 503 for every other ping."""

    statuses = cycle((HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE))
    n_answered = 0

    def do_GET(self) -> None:
        """Answer a ping."""
        self.send_response(next(self.statuses))
        self.send_header("Content-Length", "0")
        self.end_headers()
        type(self).n_answered += 1

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def test_pings_report_latencies_and_failures() -> None:
    """Each ping has a latency, and statuses other than 200 are counted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Busy) as server:
        Thread(target=server.serve_forever).start()
        try:
            with pinging(server.server_port) as found:
                await_condition(lambda: _Busy.n_answered >= 4, "four pings")
        finally:
            server.shutdown()
    pings = found()

    assert len(pings.milliseconds) >= 4
    assert len(pings.others) == len(pings.milliseconds) // 2
    assert set(pings.others) == {503}
    assert 0 < pings.p99 <= max(pings.milliseconds)


def test_every_goal_names_a_figure_that_is_measured() -> None:
    """Renaming a figure without its goal fails this test."""
    from benchmarks import complexity, footprint, scaling, serving, start_time, training_jobs

    measured = {name for case in serving.CASES for name in case.names} | {*serving.LARGE}
    measured |= {serving.P99, serving.FAILURES, start_time.CONTAINER, footprint.INFERENCE_IMAGE}
    measured |= {
        complexity.LARGEST,
        *footprint.PSS.values(),
        scaling.ROWS_RATIO,
        scaling.NODES_RATIO,
        scaling.START,
    }
    measured |= {
        training_jobs.figure_name(400_000, form, training_jobs.PEAK) for form in ("CSV", "Parquet")
    }

    assert set(GOALS) <= measured
