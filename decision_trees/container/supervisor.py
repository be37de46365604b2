"""The life and death of a training job: its process, its signals, its failure file, its exit code.

The job runs in a child process. So a stop is obeyed at once, even inside a long computation
that no Python signal handler could interrupt, and a job that is killed (out of memory) still
gets a failure file that says so. Nothing heavy is imported here.
"""

import errno
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType
from typing import NoReturn

from container import log, signals
from container.errors import EXIT_INTERNAL, EXIT_STOPPED, ContainerError, SettingsError, exit_code
from container.paths import Paths
from container.settings import environment

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

_LAST_WORDS = threading.Lock()
"""Held by the thread of a job that writes the failure file, until the process has ended."""

logger = logging.getLogger(__name__)


def main(train: Callable[[Paths, Mapping[str, str]], int]) -> int:
    """Entry point of the program `train`: read where the platform puts things, and call `train`.

    Returns:
        The exit code of `train`: 0 when the job is done, EXIT_STOPPED when a signal stopped it
        before its end, the code of its error (see `container.errors`), or 128 + the signal that
        killed it. A program that the job names gives its own.
    """
    log.configure()
    try:
        paths = Paths.from_environ()
    except SettingsError as error:
        logger.error("%s", error)
        return error.exit_code
    return train(paths, environment())


class Manner:
    """How the process of a job is watched, stopped and spoken of: here, that of algorithm.py."""

    stop_seconds = STOP_SECONDS

    @contextmanager
    def watching(self, _process: ForkProcess) -> Iterator[None]:
        """Do what there is to do from the start of the process to its end, and right after it."""
        yield

    def send(self, process: ForkProcess, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(process.pid or 0, number)

    def stopped(self, _code: int) -> int:
        """Return the exit code of a job that was stopped and whose process ended with `_code`."""
        logger.warning("stopped by a signal before the model was complete; nothing is saved")
        return EXIT_STOPPED

    def last_words(self, code: int) -> str:
        """Return what there is to say of a process that could not write its failure file itself."""
        if code == -signal.SIGKILL:
            return (
                "The training process was killed (SIGKILL), most likely because the memory ran "
                "out; use an instance type with more memory, or less data."
            )
        if code < 0:
            return f"The training process was ended by {signal_name(-code)}; see the log."
        return f"The training process ended with exit code {code} and gave no reason; see the log."


def supervise(job: Callable[[Paths], None], paths: Paths, manner: Manner | None = None) -> int:
    """Run `job` in a child process to its end, or until a signal asks to stop; see `main`."""
    manner = manner or Manner()
    with suppress(OSError):
        paths.failure.unlink()
    with signals.Inbox() as inbox:
        process = multiprocessing.get_context("fork").Process(target=_run, args=(job, paths))
        with signals.held_back():
            process.start()
        with manner.watching(process):
            stopped = _wait(process, inbox, manner)
    code = process.exitcode or 0
    if code:
        shutil.rmtree(paths.model / UNFINISHED, ignore_errors=True)
    if code and stopped:
        return manner.stopped(code)
    if code and not paths.failure.exists():
        _write_failure(manner.last_words(code), paths)
    return exit_code(code)


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


def _wait(process: ForkProcess, inbox: signals.Inbox, manner: Manner) -> bool:
    """Wait for the end of the process; return whether a signal asked to stop before it."""
    deadline: float | None = None
    while process.is_alive():
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        if remaining == 0.0:
            manner.send(process, signal.SIGKILL)
            process.join()
        elif inbox.wait(remaining) and deadline is None:
            logger.info("a signal asks to stop")
            manner.send(process, signal.SIGTERM)
            deadline = time.monotonic() + manner.stop_seconds
    return deadline is not None


def _run(job: Callable[[Paths], None], paths: Paths) -> None:
    """Be the child process: run the job, turn an error into a failure file and an exit code."""
    signals.restore()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the parent acts
    signals.let_through()
    try:
        job(paths)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        logger.info("memory: %.0f MB at the peak", peak * 1024 / 1e6)
    except Exception as error:
        _LAST_WORDS.acquire()
        logger.error("the job failed", exc_info=error)
        _write_failure(describe(error, paths), paths)
        sys.exit(error.exit_code if isinstance(error, ContainerError) else EXIT_INTERNAL)


def end(error: ContainerError, paths: Paths) -> NoReturn:
    """End the process of a job from a thread beside it, also while compiled code computes."""
    _LAST_WORDS.acquire()
    _write_failure(str(error), paths)
    os._exit(error.exit_code)


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


def signal_name(number: int) -> str:
    """Return the name of a signal, `signal 40` for one without."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _write_failure(text: str, paths: Paths) -> None:
    logger.error("%s", text)
    try:
        paths.failure.parent.mkdir(parents=True, exist_ok=True)
        paths.failure.write_text(
            text[:FAILURE_CHARACTERS], encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        logger.error("the failure file could not be written: %s", error)
