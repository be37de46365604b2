"""The life and death of a training job: its process, its signals, its failure file, its exit code.

The job runs in a child process. So a stop is obeyed at once, even inside a long computation
that no Python signal handler could interrupt, and a job that is killed (out of memory) still
gets a failure file that says so. Nothing heavy is imported here.
"""

import errno
import logging
import multiprocessing
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType

from container import log, signals
from container.errors import EXIT_INTERNAL, EXIT_STOPPED, ContainerError, SettingsError
from container.settings import Paths

FAILURE_CHARACTERS = 1024
"""What the platform shows of a failure file.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
"""

STOP_SECONDS = 8.0
"""How long a job whose fit is done may go on after a stop, to save it (the platform grants 120).

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
"""

UNFINISHED = ".unfinished"
"""Where an artifact grows, inside the model directory; gone when the job ends."""

logger = logging.getLogger(__name__)


def main(job: Callable[[Paths], None]) -> int:
    """Be the program `train`: run `job`, return the exit code of the program.

    Returns:
        0 when the job is done, EXIT_STOPPED when a signal stopped it before its end, the code of
        its error (see `container.errors`), or 128 + the signal that killed it.
    """
    log.configure()
    try:
        paths = Paths.from_environ()
    except SettingsError as error:
        logger.error("%s", error)
        return error.exit_code
    return supervise(job, paths)


def supervise(job: Callable[[Paths], None], paths: Paths) -> int:
    """Run `job` in a child process to its end, or until a signal asks to stop; see `main`."""
    with suppress(OSError):
        paths.failure.unlink()
    with signals.Inbox() as inbox:
        process = multiprocessing.get_context("fork").Process(target=_run, args=(job, paths))
        process.start()
        stopped = _wait(process, inbox)
    code = process.exitcode or 0
    if code:
        shutil.rmtree(paths.model / UNFINISHED, ignore_errors=True)
    if code and stopped:
        logger.warning("stopped by a signal before the model was complete; nothing is saved")
        return EXIT_STOPPED
    if code and not paths.failure.exists():
        _write_failure(_last_words(code), paths)
    return code if code >= 0 else 128 - code


@contextmanager
def whole_or_nothing(model: Path) -> Iterator[Path]:
    """Yield an empty directory, and move its files into `model` when all of them are written."""
    unfinished = model / UNFINISHED
    model.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        for file in sorted(unfinished.iterdir()):
            file.rename(model / file.name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@dataclass
class Stop:
    """Whether a stop waits for the end of what cannot be interrupted."""

    requested: bool = False


@contextmanager
def stop_postponed() -> Iterator[Stop]:
    """Let a stop wait while the model is being saved, so that a finished fit is not lost."""
    stop = Stop()

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.requested = True

    previous = signal.signal(signal.SIGTERM, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, previous)


def _wait(process: ForkProcess, inbox: signals.Inbox) -> bool:
    """Wait for the end of the process; return whether a signal asked to stop before it."""
    deadline: float | None = None
    while process.is_alive():
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        if remaining == 0.0:
            process.kill()
            process.join()
        elif inbox.wait(remaining) and deadline is None:
            logger.info("a signal asks to stop")
            process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
    return deadline is not None


def _run(job: Callable[[Paths], None], paths: Paths) -> None:
    """Be the child process: run the job, turn an error into a failure file and an exit code."""
    signals.restore()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the parent acts
    try:
        job(paths)
    except Exception as error:
        logger.error("the job failed", exc_info=error)
        _write_failure(describe(error, paths), paths)
        sys.exit(error.exit_code if isinstance(error, ContainerError) else EXIT_INTERNAL)


def describe(error: Exception, paths: Paths) -> str:
    """Return what a failure file says of an error: what was found, where, what to do."""
    match error:
        case ContainerError():
            return str(error)
        case MemoryError():
            return (
                f"The memory ran out during training ({str(error) or 'MemoryError'}); use an "
                "instance type with more memory, or less data."
            )
        case ImportError():
            return (
                f"algorithm.py cannot be imported: {error}; add what is missing to "
                "requirements/train.in and build the image again."
            )
        case OSError(errno=errno.ENOSPC):
            return (
                f"The disk is full: {error.filename or paths.model} could not be written; give the "
                "job a larger volume (VolumeSizeInGB)."
            )
        case OSError():
            return f"A file cannot be used: {error}; check that it exists and may be accessed."
        case _:
            return (
                f"Internal error: {type(error).__name__}: {error}; this is a fault of the program, "
                "and its traceback is in the log."
            )


def _last_words(code: int) -> str:
    """Return what there is to say of a process that could not write its failure file itself."""
    if code == -signal.SIGKILL:
        return (
            "The training process was killed (SIGKILL), most likely because the memory ran out; "
            "use an instance type with more memory, or less data."
        )
    if code < 0:
        return f"The training process was ended by {signal.Signals(-code).name}; see the log."
    return f"The training process ended with exit code {code} and gave no reason; see the log."


def _write_failure(text: str, paths: Paths) -> None:
    logger.error("%s", text)
    try:
        paths.failure.parent.mkdir(parents=True, exist_ok=True)
        paths.failure.write_text(
            text[:FAILURE_CHARACTERS], encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        logger.error("the failure file could not be written: %s", error)
