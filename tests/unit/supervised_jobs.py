"""Jobs that test_supervisor.py runs in a process of their own; each ends in its own way."""

import importlib
import os
import resource
import signal
import sys
from pathlib import Path

from container import supervisor
from container.errors import SettingsError, UserError
from container.paths import Paths
from container.supervisor import Manner


class ImpatientManner(Manner):
    """Kills a job soon after a stop."""

    stop_seconds = 0.5


def succeeds(paths: Paths) -> None:
    """Save a model of two files."""
    with supervisor.stop_postponed(), supervisor.whole_or_nothing(paths.model) as directory:
        (directory / "model.onnx").write_text("graph")
        (directory / "model.json").write_text("record")


def is_interrupted(paths: Paths) -> None:
    """Get what Ctrl-C in a terminal sends to every process, and go on."""
    os.kill(os.getpid(), signal.SIGINT)
    succeeds(paths)


def blames_the_user(paths: Paths) -> None:
    """Raise what is the user's to correct."""
    raise UserError("Row 1 is blank.")


def says_too_much(paths: Paths) -> None:
    """Raise an error with a long text of wide characters."""
    raise UserError("é" * 5000)


def names_a_strange_file(paths: Paths) -> None:
    """Raise an error with a file name that is not UTF-8."""
    raise UserError(f"In {os.fsdecode(b'caf' + bytes([0xE9]))}.csv, row 1 is blank.")


def finds_a_bad_setting(paths: Paths) -> None:
    """Raise an error of the configuration."""
    raise SettingsError("A setting is wrong.")


def has_a_bug(paths: Paths) -> None:
    """Raise what nobody expected."""
    raise KeyError("absent")


def runs_out_of_memory(paths: Paths) -> None:
    """Ask for more memory than there can be."""
    bytearray(sys.maxsize)


def lacks_a_package(paths: Paths) -> None:
    """Import what is not installed."""
    importlib.import_module("package_that_is_not_there")


def fills_the_disk(paths: Paths) -> None:
    """Write to a disk that is full."""
    with Path("/dev/full").open("w") as file:
        file.write("graph")


def writes_too_large_a_file(paths: Paths) -> None:
    """Write a model that is larger than a file may be."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    with supervisor.whole_or_nothing(paths.model) as directory:
        (directory / "model.json").write_text("record")
        (directory / "model.onnx").write_bytes(bytes(2000))


def reads_what_is_not_there(paths: Paths) -> None:
    """Open a file that does not exist."""
    (paths.base_dir / "absent").read_text()


def is_killed(paths: Paths) -> None:
    """End as the kernel ends a process that uses too much memory, in the middle of a save."""
    with supervisor.whole_or_nothing(paths.model) as directory:
        (directory / "model.onnx").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def crashes(paths: Paths) -> None:
    """End as a fault in a compiled module ends a process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def exits(paths: Paths) -> None:
    """End without a word."""
    sys.exit(3)


def waits(paths: Paths) -> None:
    """Compute for ever."""
    sys.stdout.write("waiting\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def waits_while_saving(paths: Paths) -> None:
    """Begin to save and never end."""
    with supervisor.stop_postponed(), supervisor.whole_or_nothing(paths.model) as directory:
        (directory / "model.onnx").write_text("half")
        waits(paths)


def saves_until_told(paths: Paths) -> None:
    """Save a model, but only once the file `go` is there."""
    with supervisor.stop_postponed(), supervisor.whole_or_nothing(paths.model) as directory:
        (directory / "model.onnx").write_text("graph")
        sys.stdout.write("saving\n")
        sys.stdout.flush()
        with (paths.base_dir / "go").open() as pipe:
            pipe.read()
