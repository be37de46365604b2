"""Measure training jobs on data larger than memory: time, memory, speed-up by a second host.

usage: python -m benchmarks.large IMAGE [--rows N] [--scaling-rows N]

The rows are generated; they have 28 features and 3 classes. 5 million rows are 1.3 GB of CSV. The
goals: such a job succeeds with 2 cores and 3 GB of memory, and two hosts of one core each are at
least 1.6 times as fast as one.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from benchmarks.histogram import N_FEATURES, rows

N_FILES = 8
GOAL_TIMES = 1.6
DEPTH = 8


@dataclass(frozen=True)
class Figures:
    """Time, memory and accuracy of a job."""

    seconds: float
    megabytes: float
    """Peak memory of the job's process on the first host."""

    accuracy: float


def write(directory: Path, n_rows: int) -> list[Path]:
    """Write N_FILES CSV files without a header; the label is the first column."""
    files = []
    for number in range(N_FILES):
        features, labels = rows(n_rows // N_FILES, number)
        columns = [labels, *features.round(4).T.copy()]
        names = [f"c{index}" for index in range(N_FEATURES + 1)]
        files.append(directory / f"{number}.csv")
        options = csv.WriteOptions(include_header=False)
        csv.write_csv(pa.table(dict(zip(names, columns, strict=True))), files[-1], options)
    return files


def run(*command: str) -> str:
    """Run a command and return its standard output."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def job(image: str, base: Path, shares: Sequence[Sequence[Path]], limits: Sequence[str]) -> Figures:
    """Train on one host for each share of the files; `limits` are options of `docker run`."""
    names = [f"algo-{number}" for number in range(1, len(shares) + 1)]
    network = f"benchmark-{uuid.uuid4().hex}"
    run("docker", "network", "create", "--internal", network)
    for name, share in zip(names, shares, strict=True):
        lay_out(base / name, name, names, share)
    start = time.monotonic()
    try:
        for name in names:
            mounts = [f"--volume={base / name}:/opt/ml", f"--network-alias={name}"]
            options = ["--detach", f"--name={network}-{name}", f"--network={network}", *mounts]
            run("docker", "run", *options, *limits, image, "train")
        codes = [run("docker", "wait", f"{network}-{name}").strip() for name in names]
        seconds = time.monotonic() - start
        log = run("docker", "logs", f"{network}-{names[0]}")
    finally:
        for name in names:
            run("docker", "rm", "--force", f"{network}-{name}")
        run("docker", "network", "rm", network)
    sys.stdout.write(log)
    if codes != ["0"] * len(names):
        raise SystemExit(f"exit codes {', '.join(codes)}")
    metrics = json.loads((base / names[0] / "output/data/metrics.json").read_text())
    peak = float(re.findall(r"memory: ([0-9.]+) MB", log)[0])
    return Figures(seconds, peak, metrics["train"]["accuracy"])


def lay_out(base: Path, name: str, names: list[str], share: Sequence[Path]) -> None:
    """Make the /opt/ml directory of a host; files are linked, not copied."""
    config, data = base / "input/config", base / "input/data/training"
    for directory in (config, data):
        directory.mkdir(parents=True)
    for file in share:
        (data / file.name).hardlink_to(file)
    given = {"engine": "histogram", "max_depth": str(DEPTH)}
    channel = {"training": {"S3DistributionType": "ShardedByS3Key"}}
    hosts = {"current_host": name, "hosts": names}
    for file_name, content in (
        ("hyperparameters", given),
        ("inputdataconfig", channel),
        ("resourceconfig", hosts),
    ):
        (config / f"{file_name}.json").write_text(json.dumps(content))


def print_line(what: str, figures: Figures) -> None:
    """Print the figures of a job."""
    sys.stdout.write(
        f"{what}: {figures.seconds:.0f} s, peak memory {figures.megabytes:.0f} MB, "
        f"accuracy {figures.accuracy:.4f}\n"
    )
    sys.stdout.flush()


def measure(image: str, directory: Path, n_rows: int, n_scaling: int) -> bool:
    """Print the figures and return whether a goal is missed."""
    times = GOAL_TIMES
    for part in ("small", "large", "scaling"):
        (directory / part).mkdir()
    if n_rows:
        small, large = write(directory / "small", 8000), write(directory / "large", n_rows)
        base = job(image, directory / "0", [small], ["--cpus=2"])
        figures = job(image, directory / "1", [large], ["--cpus=2", "--memory=3g"])
        matrix = n_rows * N_FEATURES * 4 / 1e6
        print_line(f"{n_rows} rows, 2 cores, 3 GB", figures)
        share = (figures.megabytes - base.megabytes) / matrix
        sys.stdout.write(f"memory for the data: {share:.2f} of the float32 matrix\n")
    if n_scaling:
        files = write(directory / "scaling", n_scaling)
        one = job(image, directory / "2", [files], ["--cpus=1"])
        two = job(image, directory / "3", [files[0::2], files[1::2]], ["--cpus=1"])
        print_line(f"{n_scaling} rows, 1 host of 1 core", one)
        print_line(f"{n_scaling} rows, 2 hosts of 1 core", two)
        times = one.seconds / two.seconds
        sys.stdout.write(f"2 hosts are {times:.2f} times as fast\n")
    return times < GOAL_TIMES


def main() -> int:
    """Print the figures; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description="Measure training on data larger than memory.")
    parser.add_argument("image")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--scaling-rows", type=int, default=2_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return int(
            measure(arguments.image, Path(directory), arguments.rows, arguments.scaling_rows)
        )


if __name__ == "__main__":
    sys.exit(main())
