"""Measure this container and the classic stack; print a table and write it as JSON."""

import argparse
import logging
import re
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import complexity, footprint, report, scaling, serving, start_time, training_jobs
from benchmarks.bench import FULL, QUICK, Bench
from benchmarks.figures import Results
from benchmarks.goals import missed
from benchmarks.stacks import BenchmarkError

EXIT_MISSED = 1
EXIT_BROKEN = 70
EXIT_STOPPED = 143
PARTS = (serving, start_time, footprint, training_jobs, scaling, complexity)

logger = logging.getLogger(__name__)


def main() -> int:
    """Return 0, 1 if a goal is missed, or 70 if a measurement fails."""
    arguments = _arguments()
    logging.basicConfig(format="benchmark: %(message)s", level=logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_STOPPED))  # stops the servers as well
    results = Results(arguments.only)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
            effort = QUICK if arguments.quick else FULL
            bench = Bench.make(Path(directory), effort, results, arguments.images)
            for part in PARTS:
                part.measure(bench)
    except BenchmarkError as error:
        logger.error("%s", error)
        return EXIT_BROKEN
    return _report(results, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--only", type=_pattern, default="", metavar="PATTERN")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--images", metavar="PREFIX")
    return parser.parse_args()


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a regular expression: {error}"
        ) from error
    return text


def _report(results: Results, arguments: argparse.Namespace) -> int:
    sys.stdout.write(report.table(results) + "\n")
    for name, reason in results.left_out.items():
        logger.warning("not measured: %s (%s)", name, reason)
    report.write(arguments.json, results, {"only": arguments.only, "quick": arguments.quick})
    names = missed(results.figures)
    logger.info("written to %s; %d goals missed%s", arguments.json, len(names), _list(names))
    return EXIT_MISSED if names else 0


def _list(names: list[str]) -> str:
    return ": " + "; ".join(names) if names else ""


if __name__ == "__main__":
    sys.exit(main())
