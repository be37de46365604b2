"""Measure training: the seconds of whole jobs and of their phases, and their peak memory."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, announce, interleaved, make_base
from benchmarks.figures import CLASSIC, OURS
from benchmarks.stacks import BenchmarkError

HERE = Path(__file__).resolve().parent
N_COLUMNS = 28
MAX_DEPTH = 12
SIZES = (10_000, 100_000, 400_000)
MANY_ROWS = 400_000
"""Minimum number of rows of a large table: one round is measured, and Parquet as well."""

WHOLE = "whole job"
PEAK = "peak memory over the imports"
PHASES = {"reading": "reading", "fit": "fitting", "save": "writing"}


def measure(bench: Bench) -> None:
    """Measure the selected figures."""
    for n_rows in SIZES:
        cases: list[tuple[str, tuple[str, ...]]] = [("CSV", (CLASSIC, OURS))]
        if n_rows >= MANY_ROWS:
            cases.append(("Parquet", (OURS,)))
        for form, names in cases:
            wanted = [figure_name(n_rows, form, what) for what in (WHOLE, *PHASES.values(), PEAK)]
            if bench.results.wants(*wanted):
                _measure_size(bench, n_rows, form, names)


def figure_name(n_rows: int, form: str, what: str) -> str:
    """Return the name of a figure, for example `training on 10,000 x 28 of CSV: whole job`."""
    return f"training on {n_rows:,} x {N_COLUMNS} of {form}: {what}"


def _measure_size(bench: Bench, n_rows: int, form: str, names: tuple[str, ...]) -> None:
    announce(figure_name(n_rows, form, WHOLE))
    base = _table(bench, n_rows, form.lower())
    rounds = 1 if n_rows >= MANY_ROWS else bench.effort.few_rounds
    for stack in interleaved(names, rounds):
        begun = time.monotonic()
        result = _job(bench, stack, base)
        values = {WHOLE: time.monotonic() - begun}
        values |= {name: result["phases"][phase] for phase, name in PHASES.items()}
        for what, seconds in values.items():
            bench.results.add(figure_name(n_rows, form, what), "s", stack, seconds)
        megabytes = result["growth_bytes"] / 1e6
        bench.results.add(figure_name(n_rows, form, PEAK), "MB", stack, megabytes)


def _job(bench: Bench, name: str, base: Path) -> dict[str, Any]:
    """Run a training job in a new process and return its result."""
    stack = bench.stacks[name]
    command: list[str | Path] = [
        stack.venv / "bin/python",
        HERE / "training_process.py",
        name,
        stack.program_dir,
        base,
    ]
    ended = subprocess.run(
        command, env=stack.environment(base), check=False, capture_output=True, text=True
    )
    if ended.returncode:
        raise BenchmarkError(f"the training job of {name} failed: {ended.stderr[-1000:]}")
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def _table(bench: Bench, n_rows: int, suffix: str) -> Path:
    """Return an /opt/ml directory with a table.

    Another process writes the table, because this one must not load numpy (see stacks.py).
    """
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
