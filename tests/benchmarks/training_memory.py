"""Measure the peak memory of training jobs, beside the size of their table.

usage: python tests/benchmarks/training_memory.py [--rows N] [--columns N]

For each format one job runs in a process of its own, whose memory counts from where it has
imported what such a job needs. The goal is a peak of at most 2.5 times the float32 matrix of the
features.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

PROGRAM_DIR = Path(__file__).resolve().parent.parent.parent / "decision_trees"
GOAL = 2.5
BATCH_ROWS = 10_000
IMPORTS = {
    "csv": "algorithm container.training container.formats.separated",
    "parquet": "algorithm container.training container.formats.parquet",
}

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


def rows(n_rows: int, n_columns: int, seed: int) -> Rows:
    """Return features, and labels of 3 classes that a tree can learn in part."""
    random = np.random.default_rng(seed)
    features = random.random((n_rows, n_columns))
    score = features[:, 0] + features[:, 1] * features[:, 2] + random.normal(0, 0.2, n_rows)
    return features, np.digitize(score, [0.5, 0.9])


def write_csv(file: Path, n_rows: int, n_columns: int) -> None:
    """Write the table as CSV, the label first, as many digits as a double has."""
    with file.open("w", encoding="ascii") as text:
        for seed, start in enumerate(range(0, n_rows, BATCH_ROWS)):
            features, labels = rows(min(BATCH_ROWS, n_rows - start), n_columns, seed)
            for label, row in zip(labels.tolist(), features.tolist(), strict=True):
                text.write(f"{label},{','.join(map(repr, row))}\n")


def write_parquet(file: Path, n_rows: int, n_columns: int) -> None:
    """Write the same table as Parquet, in one row group of doubles, as pandas does."""
    parts = [
        rows(min(BATCH_ROWS, n_rows - start), n_columns, seed)
        for seed, start in enumerate(range(0, n_rows, BATCH_ROWS))
    ]
    features = np.concatenate([part[0] for part in parts])
    columns = {"label": np.concatenate([part[1] for part in parts])}
    columns |= {f"feature_{index}": features[:, index] for index in range(n_columns)}
    parquet.write_table(pa.table(columns), file, row_group_size=n_rows)


WRITERS: dict[str, Callable[[Path, int, int], None]] = {"csv": write_csv, "parquet": write_parquet}


def memory(field: str) -> int:
    """Return a figure of /proc/self/status in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


def run_job(base: Path, kind: str) -> None:
    """Be the process of one job: print by how many bytes its memory grew at most."""
    sys.path.insert(0, str(PROGRAM_DIR))
    algorithm, training, *_ = [importlib.import_module(name) for name in IMPORTS[kind].split()]
    from container.settings import Paths

    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = memory("VmRSS")
    training.run(algorithm, Paths(base))
    sys.stdout.write(f"{memory('VmHWM') - before}\n")


def measure(kind: str, n_rows: int, n_columns: int) -> int:
    """Return the growth of a job's memory in bytes."""
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        (base / "input/data/train").mkdir(parents=True)
        (base / "input/config").mkdir()
        WRITERS[kind](base / f"input/data/train/table.{kind}", n_rows, n_columns)
        chosen = json.dumps({"max_depth": "12"})
        (base / "input/config/hyperparameters.json").write_text(chosen, encoding="ascii")
        job = [sys.executable, __file__, "--job", str(base), kind]
        return int(subprocess.run(job, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Measure each format, print a table; return 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--columns", type=int, default=28)
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        run_job(Path(arguments.job[0]), arguments.job[1])
        return 0
    table = arguments.rows * arguments.columns * 4
    missed = False
    for kind in WRITERS:
        peak = measure(kind, arguments.rows, arguments.columns)
        missed |= peak > GOAL * table
        sys.stdout.write(
            f"{kind}: table {table / 1e6:.1f} MB, peak {peak / 1e6:.1f} MB, "
            f"{peak / table:.2f}x (goal {GOAL}x)\n"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
