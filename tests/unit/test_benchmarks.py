"""What the benchmark makes of its samples: statistics, goals, the table, the JSON."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.bench import in_turn
from benchmarks.bodies import ROW_BYTES, ROWS_4_8_MB, Bodies
from benchmarks.figures import CLASSIC, FLOOR, OURS, Figure, Results, quartiles
from benchmarks.goals import GOALS, Goal, missed

SPEED = "one row of CSV, 8 connections: requests/s"


def figure(unit: str = "s", **samples: list[float]) -> Figure:
    """Return a figure with these samples."""
    return Figure("a figure", unit, samples)


def test_figure_has_the_median_and_the_spread_of_each_column() -> None:
    """One slow round changes the spread, and not the median."""
    found = figure(ours=[1.0, 90.0, 2.0])

    assert (found.median(OURS), found.spread(OURS)) == (2.0, (1.0, 90.0))
    assert found.median(CLASSIC) is None
    assert found.spread(CLASSIC) is None


def test_ratio_is_that_of_the_medians() -> None:
    """The first column is divided by the second; without both, or by 0, there is none."""
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
    """The middle value counts in both halves."""
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
    """The classic stack has 10 here; where the column of a goal is absent, nothing is claimed."""
    assert goal.is_met(figure(ours=[ours], classic=[10.0])) is is_met


def test_goal_within_the_spread_takes_the_better_quartile() -> None:
    """A ratio around 1 meets it, one that is worse in most rounds does not."""
    at_least, at_most = Goal(">=", 1, within_spread=True), Goal("<=", 1, within_spread=True)
    around, below = figure(ours=[0.9, 0.98, 1.02]), figure(ours=[0.9, 0.94, 0.98])
    above = figure(ours=[1.01, 1.02, 1.03])

    assert (at_least.is_met(around), at_least.is_met(below)) == (True, False)
    assert (at_most.is_met(around), at_most.is_met(above)) == (True, False)


def test_results_keep_what_is_selected() -> None:
    """The pattern is a regular expression, and its case does not matter."""
    results = Results("ONE row|pss")
    results.add("one row: p50", "ms", OURS, 1.0)
    results.add("ten rows: p50", "ms", OURS, 1.0)
    results.leave_out("PSS", "a reason")
    results.leave_out("image", "a reason")

    assert list(results.figures) == ["one row: p50"]
    assert results.left_out == {"PSS": "a reason"}


def test_missed_goal_is_told_by_the_name_of_its_figure() -> None:
    """One of two goals is enough, and a figure without a goal misses none."""
    results = Results()
    for column, value in ((CLASSIC, 100.0), (OURS, 700.0), (FLOOR, 800.0)):
        results.add(SPEED, "1/s", column, value)
        results.add("another", "1/s", column, value)

    assert missed(results.figures) == [SPEED]


def test_rounds_begin_with_every_name_in_turn() -> None:
    """No stack always runs first."""
    assert list(in_turn(("a", "b", "c"), 2)) == ["a", "b", "c", "b", "c", "a"]


def test_table_shows_medians_spreads_ratio_and_goals() -> None:
    """A line has the unit, the ratio, and for each goal whether it is met, and by what."""
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


def test_json_has_all_samples_goals_and_what_was_left_out(tmp_path: Path) -> None:
    """The file can be read back, and nothing in it is NaN."""
    results = Results()
    results.add(SPEED, "1/s", OURS, 5.0)
    results.leave_out("image", "without Docker")
    report.write(tmp_path / "b.json", results, {"quick": True})
    told = json.loads((tmp_path / "b.json").read_text())

    assert told["figures"][0]["samples"] == {OURS: [5.0]}
    assert [goal["met"] for goal in told["figures"][0]["goals"]] == [None, None]
    assert told["left_out"] == {"image": "without Docker"}
    assert told["options"] == {"quick": True}
    assert told["machine"]["cores"] >= 1


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "0.123"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")]
)
def test_number_has_three_digits_or_all_before_its_point(value: float, text: str) -> None:
    """Nothing is shown that was not measured."""
    assert report.number(value) == text


def test_bodies_are_the_same_rows_in_both_forms(tmp_path: Path) -> None:
    """JSON has the numbers of the CSV, and 170,000 rows are 4.8 MB."""
    made = Bodies(tmp_path)
    lines = made.csv(10).file.read_text().splitlines()
    rows = json.loads(made.json(10).file.read_text())["instances"]

    assert [[float(cell) for cell in line.split(",")] for line in lines] == rows
    assert {len(line) + 1 for line in lines} == {ROW_BYTES}
    assert round(ROWS_4_8_MB * ROW_BYTES / 1e6, 1) == 4.8


def test_every_goal_names_a_figure_that_is_measured() -> None:
    """A figure that is renamed does not lose its goal in silence."""
    from benchmarks import footprint, growth, jobs, serving, startup

    measured = {name for case in serving.CASES for name in case.names} | {*serving.LARGE}
    measured |= {serving.P99, serving.FAILURES, startup.CONTAINER, footprint.INFERENCE_IMAGE}
    measured |= {*footprint.PSS.values(), growth.ROWS_RATIO, growth.NODES_RATIO, growth.START}
    measured |= {jobs.figure_name(400_000, form, jobs.PEAK) for form in ("CSV", "Parquet")}

    assert set(GOALS) <= measured
