"""Entry point of script mode: its name, the source of its code, and its command line."""

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
"""Variable with the source of the code, unless the hyperparameter of that name is set."""

_NAMES_SHOWN = 8
_MAGIC_OF_MACHINE_CODE = b"\x7fELF"


class EntryPointKind(Enum):
    """How to run a program."""

    PYTHON = "Python program"
    PACKAGE = "Python package"
    COMMAND = "command"


@dataclass(frozen=True)
class Program:
    """A program that was found."""

    name: str
    """The job's name for it: a path below `directory`, or a module of a package."""

    directory: Path
    kind: EntryPointKind


def name_of(job: Configuration) -> str:
    """Return the name of the program; the variable takes precedence over the hyperparameter."""
    return _unquoted(job.environ.get(PROGRAM, "")) or _unquoted(job.option("program") or "")


def source_of(job: Configuration) -> str:
    """Return the source of the code; see `container.script_mode.source_code.fetch`.

    In order of precedence: the hyperparameter, the variable, the channel `code`.

    Raises:
        ScriptError: no source is given.
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
        f"missing, {SUBMIT_DIRECTORY} is not set, and there is no channel code; use one of them."
    )


def find(name: str, directory: Path) -> Program:
    """Return the program `name` of the code in `directory`.

    Raises:
        ScriptError: it does not exist, is outside `directory`, or cannot be read or run.
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
    """Return the command line of a program without its arguments, for use without a shell.

    Raises:
        ScriptError: its interpreter does not exist.
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
    """Return a text without the JSON quotes that some SDKs add."""
    text = text.strip()
    if text.startswith('"'):
        with suppress(ValueError):
            return str(json.loads(text)).strip()
    return text


def _refuse_outside(name: str, directory: Path) -> None:
    remedy = f"name a file in it ({PROGRAM}, or the hyperparameter {PROGRAM.lower()})."
    try:
        is_inside = (directory / name).resolve().is_relative_to(directory.resolve())
    except ValueError as error:  # a null character, or half a surrogate pair
        raise ScriptError(
            f"The program {name!r} cannot be a file in {directory} ({error}); {remedy}"
        ) from error
    if not is_inside:
        raise ScriptError(f"The program {name!r} is outside {directory}; {remedy}")


def _refuse_unreadable(name: str, directory: Path) -> None:
    file = directory / name
    if not file.is_file():
        found = sorted(str(path.relative_to(directory)) for path in directory.iterdir())
        shown = ", ".join(found[:_NAMES_SHOWN] + ["..."] * (len(found) > _NAMES_SHOWN))
        raise ScriptError(
            f"The program {name!r} is not a file in {directory}, which has: {shown}; name a file "
            f"in it ({PROGRAM}, or the hyperparameter {PROGRAM.lower()})."
        )
    if not os.access(file, os.R_OK):
        raise ScriptError(
            f"The program {file} is not readable by this user (its mode is "
            f"{file.stat().st_mode & 0o777:o}); give it the mode 644 or 755."
        )


def _refuse_windows(name: str, directory: Path) -> None:
    """Refuse a command with Windows line ends, whose interpreter would not be found."""
    if _first_line(directory / name).endswith(b"\r\n"):
        raise ScriptError(
            f"The program {name} has Windows line ends (CRLF), which no shell can run; save it "
            f"with LF, for example with: sed -i 's/\\r$//' {name}."
        )


def _is_package(directory: Path) -> bool:
    """Return whether the code is a package; a pyproject.toml may also only configure tools.

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
    except (ValueError, RecursionError) as error:
        raise ScriptError(f"{file} is not TOML ({error}); correct it.") from error


def _command_of_file(program: Program) -> list[str]:
    """Return the command that the kernel would run for a file if it were executable."""
    path, line = f"./{program.name}", _first_line(program.directory / program.name)
    if line.startswith(_MAGIC_OF_MACHINE_CODE):
        _make_executable(program)
        return [path]
    words = os.fsdecode(line[2:]).strip().split(None, 1) if line.startswith(b"#!") else []
    interpreter = words or ["/bin/sh"]
    if not (program.directory / interpreter[0]).is_file():
        raise ScriptError(
            f"The program {program.name} needs the interpreter {interpreter[0]}, which is not in "
            "this image; correct its first line."
        )
    return [*interpreter, path]


def _make_executable(program: Program) -> None:
    file = program.directory / program.name
    if not os.access(file, os.X_OK):
        try:
            file.chmod(0o755)
        except OSError as error:
            raise ScriptError(
                f"The program {file} is not executable and its mode cannot be changed "
                f"({error.strerror}); give it the mode 755."
            ) from error


def _first_line(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.readline(4096)
