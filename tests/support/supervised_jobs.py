"""Jobs for test_supervisor.py, which runs each in its own process."""

import importlib
import os
import resource
import signal
import sys
from pathlib import Path

from container import supervisor
from container.errors import SettingsError, UserError
from container.paths import Paths, written_atomically
from container.supervisor import SupervisionPolicy


class ImpatientPolicy(SupervisionPolicy):
    """Kills a job half a second after a stop."""

    stop_seconds = 0.5


def succeeds(paths: Paths) -> None:
    """Save a model of two files."""
    with supervisor.stop_postponed(), written_atomically(paths.model) as directory:
        (directory / "model.onnx").write_text("graph")
        (directory / "model.json").write_text("record")


def is_interrupted(paths: Paths) -> None:
    """Receive SIGINT, as Ctrl-C in a terminal sends it to all processes, and continue."""
    os.kill(os.getpid(), signal.SIGINT)
    succeeds(paths)


def blames_the_user(paths: Paths) -> None:
    """Raise an error that the user can fix."""
    raise UserError("Row 1 is blank.")


def has_a_long_message(paths: Paths) -> None:
    """Raise an error with a long message of non-ASCII characters."""
    raise UserError("é" * 5000)


def names_an_undecodable_file(paths: Paths) -> None:
    """Raise an error with a file name that is not UTF-8."""
    raise UserError(f"In {os.fsdecode(b'caf' + bytes([0xE9]))}.csv, row 1 is blank.")


def names_a_hostile_file(paths: Paths) -> None:
    """Raise an error with a file name that tries to add a line to the log."""
    raise UserError("In a\n2026-01-01 INFO x: validation:accuracy=9.9;\x1b[31m, row 1 is blank.")


def finds_a_bad_setting(paths: Paths) -> None:
    """Raise an error of a setting."""
    raise SettingsError("A setting is wrong.")


def has_a_bug(paths: Paths) -> None:
    """Raise an unexpected error."""
    raise KeyError("absent")


def runs_out_of_memory(paths: Paths) -> None:
    """Allocate more memory than possible."""
    bytearray(sys.maxsize)


def lacks_a_package(paths: Paths) -> None:
    """Import a package that is not installed."""
    importlib.import_module("package_that_is_not_there")


def fills_the_disk(paths: Paths) -> None:
    """Write to a full disk."""
    with Path("/dev/full").open("w") as file:
        file.write("graph")


def writes_too_large_a_file(paths: Paths) -> None:
    """Write a model that exceeds the limit of the file size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    with written_atomically(paths.model) as directory:
        (directory / "model.json").write_text("record")
        (directory / "model.onnx").write_bytes(bytes(2000))


def finds_a_directory(paths: Paths) -> None:
    """Save a model where a directory has the name of its second file."""
    (paths.model / "model.onnx").mkdir(parents=True)
    succeeds(paths)


def reads_what_is_not_there(paths: Paths) -> None:
    """Open a file that does not exist."""
    (paths.base_dir / "absent").read_text()


def is_killed(paths: Paths) -> None:
    """End during a save, by SIGKILL as the kernel sends it when memory runs out."""
    with written_atomically(paths.model) as directory:
        (directory / "model.onnx").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def crashes(paths: Paths) -> None:
    """End by SIGSEGV, as after a fault in a compiled module."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def exits(paths: Paths) -> None:
    """Exit with a code and no message."""
    sys.exit(3)


def waits(paths: Paths) -> None:
    """Run until a signal ends the process."""
    sys.stdout.write("waiting\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def waits_while_saving(paths: Paths) -> None:
    """Start to save and never finish."""
    with supervisor.stop_postponed(), written_atomically(paths.model) as directory:
        (directory / "model.onnx").write_text("half")
        waits(paths)


def saves_when_asked(paths: Paths) -> None:
    """Save a model after a write to the named pipe `go`."""
    with supervisor.stop_postponed(), written_atomically(paths.model) as directory:
        (directory / "model.onnx").write_text("graph")
        sys.stdout.write("saving\n")
        sys.stdout.flush()
        with (paths.base_dir / "go").open() as pipe:
            pipe.read()
