"""Be the process of one training job of either stack; started by jobs.py.

usage: python job.py classic|ours PROGRAM_DIR BASE

It runs in the environment of that stack. Its last line is JSON: the seconds of the phases, and by
how many bytes its memory grew at most from where it had imported what such a job needs.
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
    """Takes the moments at which our job says that a phase is done."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}
        self._last = time.time()

    def emit(self, record: logging.LogRecord) -> None:
        """Note how long a phase took since the one before; `reading train` counts as `reading`."""
        name, done, _ = record.getMessage().partition(" done: ")
        if done:
            self.seconds[name.split()[0]] = record.created - self._last
            self._last = record.created


def ours(program_dir: Path, base: Path) -> Callable[[], dict[str, float]]:
    """Import our program; return what runs the job."""
    sys.path.insert(0, str(program_dir))
    algorithm, training, settings = (
        importlib.import_module(name)
        for name in ("algorithm", "container.training.job", "container.settings")
    )
    is_parquet = any(base.rglob("*.parquet"))
    importlib.import_module(f"container.data.readers.{'parquet' if is_parquet else 'csv'}_reader")
    importlib.import_module("onnxruntime")  # else imported when the model is written

    def run() -> dict[str, float]:
        phases = Phases()
        logging.basicConfig(handlers=[phases], level=logging.INFO)
        training.run(algorithm, settings.Paths(base))
        return phases.seconds

    return run


def classic(program_dir: Path, base: Path) -> Callable[[], dict[str, float]]:
    """Import the classic program; return what runs the job."""
    program = runpy.run_path(str(program_dir / "train"))

    def run() -> dict[str, float]:
        seconds: dict[str, float] = program["train"](base)
        return seconds

    return run


def memory(field: str) -> int:
    """Return a figure of /proc/self/status in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


def main() -> None:
    """Run the job, and tell of it."""
    stack, program_dir, base = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    run = {"classic": classic, "ours": ours}[stack](program_dir, base)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = memory("VmRSS")
    phases = run()
    told = {"phases": phases, "growth_bytes": memory("VmHWM") - before}
    sys.stdout.write("\n" + json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
