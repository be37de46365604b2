"""Train with a user's program: set it up, run it, stop it, and report how it ended."""

import errno
import logging
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing.context import ForkProcess
from pathlib import Path

from container import supervisor
from container.errors import ScriptError, exit_code
from container.paths import Paths
from container.script_mode import configuration, entry_point, packages, source_code
from container.script_mode.configuration import Configuration
from container.script_mode.entry_point import Program
from container.script_mode.environment import arguments, variables
from container.script_mode.masking import MASK, is_secret, masked
from container.script_mode.output import ErrorOutput, log_files

STOP_SECONDS = 110.0
"""Maximum time that a program may run after a stop; the platform allows 120 seconds in all.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
"""

LEFTOVER_SECONDS = 4.0
"""Maximum time, after each of two signals, for processes that a program left running to exit."""

_POLL_SECONDS = 0.02

logger = logging.getLogger(__name__)


def main(paths: Paths, environ: Mapping[str, str]) -> int:
    """Run the program that the job names; return its exit code, or that of the error."""
    errors = ErrorOutput()
    with _scratch() as scratch:
        run = partial(_run_program, environ, scratch, errors)
        code = supervisor.supervise(run, paths, ScriptPolicy(errors, _name(paths, environ)))
    if code == 0:
        log_files((paths.model, paths.metrics.parent))
    return code


@contextmanager
def _scratch() -> Iterator[Path | None]:
    """Yield a directory for packages; None if nothing is writable, as few programs need one."""
    with ExitStack() as stack:
        directory = None
        with suppress(OSError):
            temporary = tempfile.TemporaryDirectory(prefix="train-", ignore_cleanup_errors=True)
            directory = Path(stack.enter_context(temporary))
        yield directory


class ScriptPolicy(supervisor.SupervisionPolicy):
    """Policy for a user's program, with all processes that it starts as one process group."""

    stop_seconds = STOP_SECONDS

    def __init__(self, errors: ErrorOutput, name: str) -> None:
        self._errors = errors
        self._name = name

    @contextmanager
    def monitored(self, process: ForkProcess) -> Iterator[None]:
        """Pass the error output on; afterwards end the processes that the program left running."""
        group = process.pid or 0
        with suppress(OSError):  # the child calls it as well; the first call counts
            os.setpgid(group, group)
        self._errors.listen()
        yield
        _end_group(group)
        self._errors.finish()

    def send(self, process: ForkProcess, number: signal.Signals) -> None:
        """Send a signal to the program and to all processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid or 0, number)

    def code_after_stop(self, code: int) -> int:
        """Return the exit code of the program; a stop is not a failure."""
        logger.warning("stopped by a signal; the program %s %s", self._name, _end_of(code))
        return exit_code(code)

    def describe_end(self, code: int) -> str:
        """Return how the program ended, and the last lines of its error output."""
        lines = self._errors.lines()
        advice = "; it wrote no error output, so see the log."
        if lines:
            advice = "; the end of its error output is:"
        if exit_code(code) == exit_code(-signal.SIGKILL):
            advice = f", most likely because it ran out of memory{advice}"
        return supervisor.failure_text(f"The program {self._name} {_end_of(code)}{advice}", lines)


def _name(paths: Paths, environ: Mapping[str, str]) -> str:
    """Return the name of the program, or nothing; the child reports errors in the files."""
    try:
        return entry_point.name_of(configuration.read(paths, environ))
    except (ScriptError, OSError):
        return ""


def _end_of(code: int) -> str:
    if code < 0:
        return f"was ended by {supervisor.signal_name(-code)} (exit code {exit_code(code)})"
    return f"ended with exit code {code}"


def _end_group(group: int) -> None:
    """End the processes left in a group: SIGTERM, then SIGKILL."""
    if not _is_alive(group):
        return
    logger.warning("the program left processes running; ending them")
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while _is_alive(group) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _is_alive(group: int) -> bool:
    """Return whether a group has processes; reap those that process 1 of a container inherited."""
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _run_program(
    environ: Mapping[str, str], scratch: Path | None, errors: ErrorOutput, paths: Paths
) -> None:
    """Fetch the code, install its packages, and replace the child process with the program.

    Raises:
        ScriptError: the program, its code or its packages cannot be used.
    """
    with suppress(OSError):
        os.setpgid(0, 0)
    given = configuration.read(paths, environ)
    _refuse_mpi(given)
    found = entry_point.find(entry_point.name_of(given), _directory(given))
    for directory in (paths.model, paths.metrics.parent):
        directory.mkdir(parents=True, exist_ok=True)
    overlay = packages.install(found, scratch, environ)
    own = _own_variables(found, environ, overlay)
    interpreter = str(overlay / "bin/python") if overlay else sys.executable
    command = entry_point.command(found, interpreter)
    _log(given, found, own, command)
    os.chdir(found.directory)
    errors.redirect()
    environment = {**environ, **own, **variables(given, found.name)}
    _execute(
        command + arguments(given.hyperparameters),
        # Without variables that no process can have: the name of a hyperparameter may contain "=".
        {name: value for name, value in environment.items() if name and "=" not in name},
    )


def _refuse_mpi(given: Configuration) -> None:
    """Refuse a job for MPI, which would train separately on each host."""
    if given.framework_parameters.get("sagemaker_mpi_enabled"):
        raise ScriptError(
            "The hyperparameter sagemaker_mpi_enabled is set, but this image has no MPI; remove "
            "the option distribution of the estimator."
        )


def _directory(given: Configuration) -> Path:
    """Return the directory of the code, and fetch the code if it is not there yet."""
    directory = given.paths.code
    if source_code.is_empty(directory):
        source = entry_point.source_of(given)
        logger.info("fetching the code from %s to %s", masked(source), directory)
        source_code.fetch(source, directory, given.environ.get("S3_ENDPOINT_URL"))
    elif given.option("submit_directory"):
        logger.warning(
            "%s already has files, so %s is not fetched",
            directory,
            masked(given.option("submit_directory")),
        )
    return directory


def _own_variables(
    found: Program, environ: Mapping[str, str], overlay: Path | None
) -> dict[str, str]:
    """Return the variables with which a program finds its modules and packages."""
    paths = {"PYTHONPATH": [str(found.directory), environ.get("PYTHONPATH")]}
    if overlay:
        paths["PATH"] = [str(overlay / "bin"), environ.get("PATH")]
    joined = {name: os.pathsep.join(filter(None, parts)) for name, parts in paths.items()}
    return {"PYTHONUNBUFFERED": environ.get("PYTHONUNBUFFERED") or "1"} | joined


def _log(given: Configuration, found: Program, own: Mapping[str, str], command: list[str]) -> None:
    """Log the environment and the command line of the program, without secrets."""
    shown = replace(given, all_hyperparameters=masked(given.all_hyperparameters))
    passed = {**given.environ, **own, **variables(shown, found.name)}
    for name, value in sorted(passed.items()):
        text = MASK if is_secret(name) else masked(value)
        logger.info("environment: %s=%s", name, text)
    line = shlex.join(command + arguments(shown.hyperparameters))
    logger.info("running the %s %s in %s: %s", found.kind.value, found.name, found.directory, line)


def _execute(command: list[str], environment: Mapping[str, str]) -> None:
    """Replace this process with the program, with the default handling of signals restored."""
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.flush()
    try:
        os.execve(command[0], command, environment)  # noqa: S606 - no shell, on purpose
    except ValueError as error:
        raise ScriptError(
            f"A hyperparameter cannot be passed to a program ({error}); remove null characters "
            "and unpaired surrogates."
        ) from error
    except OSError as error:
        raise ScriptError(_reason_not_run(error, command, environment)) from error


def _reason_not_run(error: OSError, command: list[str], environment: Mapping[str, str]) -> str:
    if error.errno == errno.E2BIG:
        longest = max(environment, key=lambda name: len(environment[name]))
        return (
            "The hyperparameters are too long for Linux to pass to a program: the variable "
            f"{longest} has {len(environment[longest])} characters, and the maximum is 131,071; "
            "put long values into a channel."
        )
    return f"{command[0]} cannot be run ({error.strerror}); correct the program or the image."
