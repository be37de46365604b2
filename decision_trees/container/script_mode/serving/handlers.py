"""The program that answers in place of predictor.py: found, imported, and called."""

import inspect
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from container.errors import ContainerError, ModelNotReady, ScriptError
from container.script_mode import source_code
from container.script_mode.serving.failures import LOG, blame
from container.settings import Settings

DEFAULT_NAME = "inference.py"
"""Source: https://github.com/aws/sagemaker-inference-toolkit (environment.py)"""

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "pre_model_fn": ("model_dir",),
    "model_fn": ("model_dir",),
    "model_warmup_fn": ("model_dir", "model"),
    "input_fn": ("body", "content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "body", "content_type", "accept"),
}
"""What a program may define, and with what it is called.

Source: https://github.com/aws/sagemaker-inference-toolkit (transformer.py)
"""

_PARTS = ("input_fn", "predict_fn", "output_fn")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handlers:
    """The functions of a program; each of ARGUMENTS may be absent."""

    name: str
    functions: Mapping[str, Callable[..., Any]]

    def has(self, function: str) -> bool:
        """Say whether the program defines a function."""
        return function in self.functions

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of the program returns.

        Raises:
            ContainerError: it has raised something; see `blame`.
        """
        try:
            with _copies_ended():
                return self.functions[function](*arguments)
        except ContainerError:
            raise
        except BaseException as error:
            raise blame(function, self.name, error) from error


@contextmanager
def _copies_ended() -> Iterator[None]:
    """End a copy of this process that a program forks and lets return: it is to answer nobody."""
    own = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != own:
            os._exit(_exit_code(sys.exception()))


def _exit_code(error: BaseException | None) -> int:
    match error:
        case None | SystemExit(code=None):
            return 0
        case SystemExit(code=int() as code):
            return code
        case _:
            return 1


def find(settings: Settings, scratch: Path) -> Path:
    """Return the file of the program.

    Args:
        settings: what names the program and where it is.
        scratch: a directory, into which code is brought that is in an archive or in S3.

    Raises:
        ModelNotReady: there is none of that name, or none can be chosen.
    """
    directories = _directories(settings, scratch)
    if settings.program is not None:
        return _named(settings.program, directories)
    directory = directories[0]
    scripts = sorted(file.name for file in directory.glob("*.py"))
    if DEFAULT_NAME in scripts or len(scripts) == 1:
        return directory / (DEFAULT_NAME if DEFAULT_NAME in scripts else scripts[0])
    found = ", ".join(scripts) or "no Python script"
    raise ModelNotReady(
        f"In {directory} there is {found}, and no {DEFAULT_NAME}; name the program with "
        "SAGEMAKER_PROGRAM."
    )


def load(file: Path) -> Handlers:
    """Import a program, its directory and `lib` in it first on the path of Python.

    Raises:
        ModelNotReady: it cannot be read, compiled or imported, or its functions do not fit.
    """
    sys.dont_write_bytecode = True  # the directory of a model is not to be written to
    sys.path[:0] = [str(file.parent), str(file.parent / "lib")]
    module = _imported(file)
    names = [name for name in ARGUMENTS if getattr(module, name, None) is not None]
    program = Handlers(file.name, {name: getattr(module, name) for name in names})
    _check(program)
    logger.info("%s defines %s", file, ", ".join(names) or "no function of its own")
    return program


def _directories(settings: Settings, scratch: Path) -> list[Path]:
    """Return where the program may be, in the order in which it is looked for."""
    if settings.submit_directory is None:
        return [settings.paths.model_code, settings.paths.code]
    source = settings.submit_directory.removeprefix("file://")
    if Path(source).is_dir():
        return [Path(source)]
    directory = scratch / "code"
    if source_code.is_empty(directory):
        _bring(source, directory)
    return [directory]


def _bring(source: str, directory: Path) -> None:
    try:
        source_code.fetch(source, directory)
    except ScriptError as error:
        raise ModelNotReady(f"SAGEMAKER_SUBMIT_DIRECTORY cannot be used. {error}") from error
    except OSError as error:
        raise ModelNotReady(
            f"The code of SAGEMAKER_SUBMIT_DIRECTORY cannot be written to {directory} "
            f"({error.strerror}); make room in {tempfile.gettempdir()}."
        ) from error


def _named(program: str, directories: list[Path]) -> Path:
    if Path(program).suffix not in ("", ".py"):
        raise ModelNotReady(
            f"SAGEMAKER_PROGRAM is {program!r}, which can train and cannot serve; name a Python "
            "script that defines model_fn."
        )
    name = program if program.endswith(".py") else f"{program}.py"  # AWS takes a module's name too
    for directory in directories:
        if (directory / name).is_file():
            return directory / name
    places = " nor in ".join(map(str, directories))
    raise ModelNotReady(
        f"SAGEMAKER_PROGRAM is {program!r}, and there is no {name} in {places}; put it there, or "
        "say with SAGEMAKER_SUBMIT_DIRECTORY where it is."
    )


def _imported(file: Path) -> ModuleType:
    """Import a file by its path; what it raises is told of without its text, which is private."""
    # A pickle finds the classes of the program by this name, unless a module of ours has it.
    name = file.stem if file.stem not in sys.modules else f"program_{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ModelNotReady(f"{file} is no Python script; name one with SAGEMAKER_PROGRAM.")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        logger.error("%s cannot be imported", file, exc_info=error)
        raise ModelNotReady(_why_not(file, error)) from error
    return module


def _why_not(file: Path, error: BaseException) -> str:
    """Return why a program cannot be imported, and what to do."""
    where = f"{file.name}, line {_line(file, error)},"
    match error:
        case SyntaxError():
            name = Path(error.filename or file).name
            return f"{name}, line {error.lineno}, is no valid Python ({error.msg}); correct it."
        case PermissionError() if error.filename == str(file):
            return f"{file} may not be read by the user of the server; allow it to all (chmod a+r)."
        case ModuleNotFoundError():
            return (
                f"{where} needs the package {error.name}, which is not installed; name it in "
                "requirements.txt beside the program, or build it into the image."
            )
        case SystemExit():
            return (
                f"{where} ends the program while it is imported; put what is to run in training "
                'alone below `if __name__ == "__main__":`.'
            )
        case _:
            return f"{where} raised {type(error).__name__} while it was imported; {LOG}."


def _line(file: Path, error: BaseException) -> int:
    """Return the last line of the program that an error went through, 1 if there was none."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file) and frame.lineno]
    return lines[-1] if lines else 1


def _check(program: Handlers) -> None:
    """Refuse functions that cannot be called as they will be; raises ModelNotReady."""
    parts = [name for name in _PARTS if program.has(name)]
    if program.has("transform_fn") and parts:
        raise ModelNotReady(
            f"{program.name} defines transform_fn, which takes the place of {parts[0]}, and "
            f"{' and '.join(parts)} too; keep one or the other."
        )
    for name, function in program.functions.items():
        _check_arguments(program.name, name, function)


def _check_arguments(program: str, name: str, function: Any) -> None:
    arguments = ARGUMENTS[name]
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise ModelNotReady(
            f"{name} of {program} cannot be called with ({', '.join(arguments)}); define it with "
            f"{'this argument' if len(arguments) == 1 else 'these arguments'}."
        ) from error
    except ValueError as error:  # compiled functions do not tell what they take
        logger.debug("%s has no signature: %s", name, error)
