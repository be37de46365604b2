"""Run one training job of either stack; training_jobs.py starts this program.

usage: python training_process.py classic|ours PROGRAM_DIR BASE

It runs in the environment of that stack. The last line that it prints is JSON: the seconds of each
phase, and the peak of its memory in bytes above that of the imports.
"""

import importlib
import json
import logging
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path


class Phases(logging.Handler):
    """Log handler that measures the phases of a job by the messages at their ends."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}
        self._last = time.time()

    def emit(self, record: logging.LogRecord) -> None:
        """Store the time since the end of the previous phase; `reading train` is `reading`."""
        name, done, _ = record.getMessage().partition(" done: ")
        if done:
            self.seconds[name.split()[0]] = record.created - self._last
            self._last = record.created


def ours(program_dir: Path, base: Path) -> Callable[[], dict[str, float]]:
    """Import this container's program; return a function that runs the job."""
    sys.path.insert(0, str(program_dir))
    algorithm, training, paths = (
        importlib.import_module(name)
        for name in ("algorithm", "container.training.job", "container.paths")
    )
    is_parquet = any(base.rglob("*.parquet"))
    importlib.import_module(
        f"container.data.readers.{'parquet_reader' if is_parquet else 'text.csv_reader'}"
    )
    importlib.import_module("onnxruntime")  # otherwise imported when the model is written

    def run() -> dict[str, float]:
        phases = Phases()
        logging.basicConfig(handlers=[phases], level=logging.INFO)
        training.run(algorithm, paths.Paths(base))
        return phases.seconds

    return run


def classic(program_dir: Path, base: Path) -> Callable[[], dict[str, float]]:
    """Import the classic program; return a function that runs the job."""
    program = runpy.run_path(str(program_dir / "train"))

    def run() -> dict[str, float]:
        seconds: dict[str, float] = program["train"](base)
        return seconds

    return run


def memory(field: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


def main() -> None:
    """Run the job, and print the result."""
    stack, program_dir, base = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    run = {"classic": classic, "ours": ours}[stack](program_dir, base)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets VmHWM
    before = memory("VmRSS")
    phases = run()
    result = {"phases": phases, "growth_bytes": memory("VmHWM") - before}
    sys.stdout.write("\n" + json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
