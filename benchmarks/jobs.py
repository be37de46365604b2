"""Figures of training: the seconds of whole jobs and of their phases, and their peak memory."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, in_turn, make_base, say
from benchmarks.figures import CLASSIC, OURS
from benchmarks.stacks import BenchmarkError

HERE = Path(__file__).resolve().parent
N_COLUMNS = 28
MAX_DEPTH = 12
SIZES = (10_000, 100_000, 400_000)
MANY_ROWS = 400_000
"""From here on few rounds must do, and Parquet is measured too."""

WHOLE = "whole job"
PEAK = "peak memory over the imports"
PHASES = {"reading": "reading", "fit": "fitting", "save": "writing"}


def measure(bench: Bench) -> None:
    """Train on tables of each size that is selected."""
    for n_rows in SIZES:
        cases: list[tuple[str, tuple[str, ...]]] = [("CSV", (CLASSIC, OURS))]
        if n_rows >= MANY_ROWS:
            cases.append(("Parquet", (OURS,)))
        for form, names in cases:
            wanted = [figure_name(n_rows, form, what) for what in (WHOLE, *PHASES.values(), PEAK)]
            if bench.results.wants(*wanted):
                _measure_size(bench, n_rows, form, names)


def figure_name(n_rows: int, form: str, what: str) -> str:
    """Return the name of a figure, such as `training on 10,000 x 28 of CSV: whole job`."""
    return f"training on {n_rows:,} x {N_COLUMNS} of {form}: {what}"


def _measure_size(bench: Bench, n_rows: int, form: str, names: tuple[str, ...]) -> None:
    say(figure_name(n_rows, form, WHOLE))
    base = _table(bench, n_rows, form.lower())
    rounds = 1 if n_rows >= MANY_ROWS else bench.effort.few_rounds
    for stack in in_turn(names, rounds):
        begun = time.monotonic()
        told = _job(bench, stack, base)
        values = {WHOLE: time.monotonic() - begun}
        values |= {name: told["phases"][phase] for phase, name in PHASES.items()}
        for what, seconds in values.items():
            bench.results.add(figure_name(n_rows, form, what), "s", stack, seconds)
        megabytes = told["growth_bytes"] / 1e6
        bench.results.add(figure_name(n_rows, form, PEAK), "MB", stack, megabytes)


def _job(bench: Bench, name: str, base: Path) -> dict[str, Any]:
    """Run a training job in a process of its own; return what it tells of itself."""
    stack = bench.stacks[name]
    command: list[str | Path] = [
        stack.venv / "bin/python",
        HERE / "job.py",
        name,
        stack.program_dir,
        base,
    ]
    ended = subprocess.run(
        command, env=stack.environment(base), check=False, capture_output=True, text=True
    )
    if ended.returncode:
        raise BenchmarkError(f"the training of {name} failed: {ended.stderr[-1000:]}")
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def _table(bench: Bench, n_rows: int, suffix: str) -> Path:
    """Return an /opt/ml with a table, made by another process: this one must not load numpy."""
    base = bench.scratch / f"{suffix}-{n_rows}"
    make_base(base, {"max_depth": MAX_DEPTH, "random_state": 0})
    file = base / f"input/data/training/table.{suffix}"
    command: list[str | Path] = [
        sys.executable,
        HERE / "tables.py",
        file,
        str(n_rows),
        str(N_COLUMNS),
    ]
    subprocess.run(command, check=True)
    return base
