"""Which program a job brings, where its code is, and the command line that runs it."""

import json
import os
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from container.errors import ScriptError
from container.script_mode.configuration import PROGRAM, Configuration

SUBMIT_DIRECTORY = "SAGEMAKER_SUBMIT_DIRECTORY"
"""Where the code is, when the hyperparameter of that name does not say it."""

_NAMES_SHOWN = 8
_MAGIC_OF_MACHINE_CODE = b"\x7fELF"


class EntryPointKind(Enum):
    """How a program is run."""

    PYTHON = "Python program"
    PACKAGE = "Python package"
    COMMAND = "command"


@dataclass(frozen=True)
class Program:
    """A program that is there."""

    name: str
    """As the job names it: a path below `directory`, or a module of a package."""

    directory: Path
    kind: EntryPointKind


def name_of(job: Configuration) -> str:
    """Return the name of the program: the variable wins over the hyperparameter."""
    return _unquoted(job.environ.get(PROGRAM, "")) or _unquoted(job.option("program") or "")


def source_of(job: Configuration) -> str:
    """Return where the code has to be brought from; see `container.script_mode.source_code.bring`.

    The hyperparameter wins over the variable, and both over the channel `code`.

    Raises:
        ScriptError: nothing says where the code is.
    """
    given = job.option("submit_directory") or _unquoted(job.environ.get(SUBMIT_DIRECTORY, ""))
    if given:
        return given
    channel = job.paths.data / "code"
    archive = channel / "sourcedir.tar.gz"
    if archive.is_file():
        return str(archive)
    if channel.is_dir() and any(channel.iterdir()):
        return str(channel)
    raise ScriptError(
        f"There is no code for the program {name_of(job)!r}: {job.paths.code} is empty or "
        f"absent, {SUBMIT_DIRECTORY} is not set, and there is no channel code; use one of them."
    )


def find(name: str, directory: Path) -> Program:
    """Return the program `name` of the code in `directory`.

    Raises:
        ScriptError: there is none, it is out of `directory`, or it cannot be read or run.
    """
    _refuse_outside(name, directory)
    if not name.endswith(".sh") and _is_package(directory):
        return Program(name, directory, EntryPointKind.PACKAGE)
    _refuse_unreadable(name, directory)
    if name.endswith(".py"):
        return Program(name, directory, EntryPointKind.PYTHON)
    _refuse_windows(name, directory)
    return Program(name, directory, EntryPointKind.COMMAND)


def command(program: Program, interpreter: str) -> list[str]:
    """Return the command line of a program without its arguments; no shell is to read it.

    Raises:
        ScriptError: what has to run the program is not there.
    """
    match program.kind:
        case EntryPointKind.PYTHON:
            return [interpreter, "--", program.name]
        case EntryPointKind.PACKAGE:
            module = program.name.removesuffix(".py").replace("/", ".")
            return [interpreter, "-m", module]
        case EntryPointKind.COMMAND:
            return _command_of_file(program)


def _unquoted(text: str) -> str:
    """Return a text without the JSON quotes that some SDKs leave around it."""
    text = text.strip()
    if text.startswith('"'):
        with suppress(ValueError):
            return str(json.loads(text)).strip()
    return text


def _refuse_outside(name: str, directory: Path) -> None:
    if not (directory / name).resolve().is_relative_to(directory.resolve()):
        raise ScriptError(
            f"The program {name!r} leads out of {directory}; name a file in it ({PROGRAM}, or the "
            f"hyperparameter {PROGRAM.lower()})."
        )


def _refuse_unreadable(name: str, directory: Path) -> None:
    file = directory / name
    if not file.is_file():
        found = sorted(str(path.relative_to(directory)) for path in directory.iterdir())
        shown = ", ".join(found[:_NAMES_SHOWN] + ["..."] * (len(found) > _NAMES_SHOWN))
        raise ScriptError(
            f"The program {name!r} is no file in {directory}, where there is: {shown}; name a file "
            f"in it ({PROGRAM}, or the hyperparameter {PROGRAM.lower()})."
        )
    if not os.access(file, os.R_OK):
        raise ScriptError(
            f"The program {file} may not be read by this user (its mode is "
            f"{file.stat().st_mode & 0o777:o}); give it the mode 644, or 755."
        )


def _refuse_windows(name: str, directory: Path) -> None:
    """Refuse a command whose lines end as under Windows: its interpreter would not be found."""
    if _first_line(directory / name).endswith(b"\r\n"):
        raise ScriptError(
            f"The program {name} has Windows line ends (CRLF), which no shell can run; save it "
            f"with LF, for example with: sed -i 's/\\r$//' {name}."
        )


def _is_package(directory: Path) -> bool:
    """Say whether the code is to be installed; a pyproject.toml may be there for tools alone.

    Raises:
        ScriptError: pyproject.toml is not TOML.
    """
    if (directory / "setup.py").is_file():
        return True
    file = directory / "pyproject.toml"
    if not file.is_file():
        return False
    try:
        return "build-system" in tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ScriptError(f"{file} is not TOML ({error}); correct it.") from error


def _command_of_file(program: Program) -> list[str]:
    """Return what the kernel would run for a file, though it need not be marked as executable."""
    path, line = f"./{program.name}", _first_line(program.directory / program.name)
    if line.startswith(_MAGIC_OF_MACHINE_CODE):
        _make_executable(program)
        return [path]
    words = os.fsdecode(line[2:]).strip().split(None, 1) if line.startswith(b"#!") else []
    interpreter = words or ["/bin/sh"]
    if not (program.directory / interpreter[0]).is_file():
        raise ScriptError(
            f"The program {program.name} asks for the interpreter {interpreter[0]}, which is not "
            "in this image; correct its first line."
        )
    return [*interpreter, path]


def _make_executable(program: Program) -> None:
    file = program.directory / program.name
    if not os.access(file, os.X_OK):
        try:
            file.chmod(0o755)
        except OSError as error:
            raise ScriptError(
                f"The program {file} is not executable, and cannot be made so ({error.strerror}); "
                "give it the mode 755."
            ) from error


def _first_line(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.readline(4096)
