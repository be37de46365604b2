"""Measure how the time of each phase of a job or request grows with the size of its input.

An exponent is the slope of the logarithms of time over size: 1 is linear, 2 is the square.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression

from benchmarks.bench import Bench, announce
from benchmarks.figures import OURS
from benchmarks.stacks import PROGRAM_DIR, ROOT, BenchmarkError

HERE = Path(__file__).resolve().parent
SIZES = (12_500, 25_000, 50_000, 100_000)
LARGEST = "largest exponent of the phases"


def measure(bench: Bench) -> None:
    """Measure the selected phases; the largest exponent of all is a figure of its own."""
    found = []
    for phase in json.loads(_printed("--list")):
        name = f"exponent of {phase}"
        if bench.results.wants(name, LARGEST):
            announce(name)
            found.append(exponent(SIZES, times(phase, SIZES)))
            bench.results.add(name, "", OURS, found[-1])
    if bench.results.wants(LARGEST):
        bench.results.add(LARGEST, "", OURS, max(found))


def times(phase: str, sizes: Sequence[int]) -> list[float]:
    """Return the CPU seconds of a phase at each size, measured in another process."""
    found: list[float] = json.loads(_printed(phase, *map(str, sizes)))
    return found


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the slope of the logarithms, by least squares."""
    found = [math.log(max(time, 1e-6)) for time in seconds]
    return linear_regression([math.log(size) for size in sizes], found).slope


def _printed(*arguments: str) -> str:
    """Return the last line that phases.py prints."""
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", PROGRAM_DIR)))
    ended = subprocess.run(
        [sys.executable, HERE / "phases.py", *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        check=False,
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise BenchmarkError(f"phases.py {arguments[0]} failed: {ended.stderr[-1000:]}")
    return ended.stdout.splitlines()[-1]
