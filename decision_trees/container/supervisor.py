"""Run a training job in a child process: forward signals, write the failure file, return its code.

Because the job is a separate process, a stop takes effect at once, even inside a long computation
that no Python signal handler can interrupt. A job that is killed, for example because it ran out
of memory, still leaves a failure file. This module imports nothing heavy.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import NoReturn

from container import log, signals
from container.errors import (
    EXIT_INTERNAL,
    EXIT_STOPPED,
    FAILURE_CHARACTERS,
    ContainerError,
    SettingsError,
    exit_code,
)
from container.log import escaped
from container.paths import UNFINISHED, Paths, environment

STOP_SECONDS = 8.0
"""Maximum time to save a fitted model after a stop (the platform allows 120 seconds in all).

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
"""

_MORE_MEMORY = (
    "use an instance type with more memory, or less data. If the label has about as many values as "
    "there are rows, such as a price, set task=regression."
)

_FAILING = threading.Lock()
"""Acquired, and never released, by the first thread of a job that writes the failure file."""

logger = logging.getLogger(__name__)


def main(train: Callable[[Paths, Mapping[str, str]], int]) -> int:
    """Entry point of the program `train`: configure the log, read the paths and call `train`.

    Returns:
        The exit code of `train`: 0 on success, EXIT_STOPPED after a stop, the code of an error
        (see `container.errors`), or 128 + the signal that killed the job. In script mode it is
        the exit code of the user's program.
    """
    log.configure()
    try:
        paths = Paths.from_environ()
    except SettingsError as error:
        logger.error("%s", error)
        return error.exit_code
    return train(paths, environment())


class SupervisionPolicy:
    """How to monitor and stop the process of a job, and how to report its end."""

    stop_seconds = STOP_SECONDS

    @contextmanager
    def monitored(self, _process: ForkProcess) -> Iterator[None]:
        """Return a context that lasts from the start of the process to its end."""
        yield

    def send(self, process: ForkProcess, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(process.pid or 0, number)

    def code_after_stop(self, _code: int) -> int:
        """Return the exit code of a stopped job whose process ended with `_code`."""
        logger.warning("stopped by a signal before the model was complete; nothing is saved")
        return EXIT_STOPPED

    def describe_end(self, code: int) -> str:
        """Return the failure text for a process that did not write its failure file itself."""
        if code == -signal.SIGKILL:
            return (
                "The training process was killed (SIGKILL), most likely because it ran out of "
                f"memory; {_MORE_MEMORY}"
            )
        if code < 0:
            return f"The training process was ended by {signal_name(-code)}; see the log."
        return f"The training process ended with exit code {code} and gave no reason; see the log."


def supervise(
    job: Callable[[Paths], None], paths: Paths, policy: SupervisionPolicy | None = None
) -> int:
    """Run `job` in a child process until it ends or a stop is requested; see `main`."""
    policy = policy or SupervisionPolicy()
    with suppress(OSError):
        paths.failure.unlink()
    with signals.Inbox() as inbox:
        process = multiprocessing.get_context("fork").Process(target=_run, args=(job, paths))
        with signals.blocked():
            process.start()
        with policy.monitored(process):
            stopped = _wait(process, inbox, policy)
    code = process.exitcode or 0
    if code:
        shutil.rmtree(paths.model / UNFINISHED, ignore_errors=True)
    if code and stopped:
        return policy.code_after_stop(code)
    if code and not paths.failure.exists():
        _write_failure(policy.describe_end(code), paths)
    return exit_code(code)


@dataclass
class Stop:
    """Whether a stop was requested while it was postponed."""

    requested: bool = False


@contextmanager
def stop_postponed() -> Iterator[Stop]:
    """Postpone a stop while the model is saved, so that a finished fit is not lost."""
    stop = Stop()

    def record(_number: int, _frame: FrameType | None) -> None:
        stop.requested = True

    previous = signal.signal(signal.SIGTERM, record)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, previous)


def _wait(process: ForkProcess, inbox: signals.Inbox, policy: SupervisionPolicy) -> bool:
    """Wait until the process ends; return whether a stop was requested before."""
    deadline: float | None = None
    while process.is_alive():
        signals.reap_orphans([process.pid or 0])
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        if remaining == 0.0:
            policy.send(process, signal.SIGKILL)
            process.join()
        elif inbox.wait(remaining) and deadline is None:
            logger.info("a signal asks to stop")
            policy.send(process, signal.SIGTERM)
            deadline = time.monotonic() + policy.stop_seconds
    return deadline is not None


def _run(job: Callable[[Paths], None], paths: Paths) -> None:
    """Run the job in the child process; turn an error into a failure file and an exit code."""
    signals.restore()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the parent acts
    signals.unblock()
    try:
        job(paths)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        logger.info("memory: %.0f MB at the peak", peak * 1024 / 1e6)
    except Exception as error:
        _FAILING.acquire()
        if not hasattr(error, "exit_code") and not isinstance(error, MemoryError | OSError):
            logger.error("the job failed", exc_info=error)
        _write_failure(describe(error), paths)
        sys.exit(getattr(error, "exit_code", EXIT_INTERNAL))


def abort(error: ContainerError, paths: Paths) -> NoReturn:
    """End the job from any of its threads, even while compiled code runs in another."""
    _FAILING.acquire()
    _write_failure(failure_text(str(error)), paths)
    os._exit(error.exit_code)


def describe(error: Exception) -> str:
    """Return the failure text for an error: what was found, where, and what to do."""
    return failure_text(_sentence(error), getattr(error, "last_lines", ()))


def failure_text(sentence: str, lines: Sequence[str] = ()) -> str:
    """Return a sentence, and below it as many of the last lines as fit into a failure file."""
    text = escaped(sentence)
    room = FAILURE_CHARACTERS - len(text)
    kept: list[str] = []
    for line in reversed([escaped(line.expandtabs()) for line in lines]):
        room -= len(line) + 1
        if room < 0:
            kept = kept or [line]  # the beginning of a long line says most
            break
        kept.insert(0, line)
    return "\n".join([text, *kept])[:FAILURE_CHARACTERS]


def _sentence(error: Exception) -> str:
    match error:
        case _ if hasattr(error, "exit_code"):
            is_ours = isinstance(error, ContainerError)  # or one of artifact, which is independent
            return str(error) if is_ours else f"The model cannot be saved: {error}."
        case MemoryError():
            return f"Training ran out of memory ({str(error) or 'MemoryError'}); {_MORE_MEMORY}"
        case OSError(errno=errno.ENOSPC):
            return (
                f"The disk is full: {error.filename or 'a file'} could not be written; give the "
                "job a larger volume (VolumeSizeInGB)."
            )
        case OSError():
            return f"A file cannot be used: {error}; check that it exists and its permissions."
        case ImportError():
            return (
                f"algorithm.py cannot be imported: {error}; add what is missing to "
                "requirements/train.in and build the image again."
            )
        case _:
            return (
                f"Internal error: {type(error).__name__}: {error}; this is a bug of the program, "
                "and its traceback is in the log."
            )


def signal_name(number: int) -> str:
    """Return the name of a signal, or `signal 40` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _write_failure(text: str, paths: Paths) -> None:
    for line in text.split("\n"):
        logger.error("%s", line)
    try:
        paths.failure.parent.mkdir(parents=True, exist_ok=True)
        paths.failure.write_text(text, encoding="utf-8")
    except OSError as error:
        logger.error("the failure file could not be written: %s", error)
