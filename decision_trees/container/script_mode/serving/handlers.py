"""Handler functions of a user's program: find the program, import it and call its functions."""

import inspect
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from container.errors import ContainerError, ModelNotReady, ScriptError, fault
from container.script_mode import source_code
from container.script_mode.serving.script_errors import SEE_LOG, translated
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
"""Functions that a program may define, with their arguments.

Source: https://github.com/aws/sagemaker-inference-toolkit (transformer.py)
"""

_PARTS = ("input_fn", "predict_fn", "output_fn")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handlers:
    """The functions that a program defines: some of ARGUMENTS, or none."""

    name: str
    functions: Mapping[str, Callable[..., Any]]

    def has(self, function: str) -> bool:
        """Return whether the program defines a function."""
        return function in self.functions

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the program and return its result.

        Raises:
            ContainerError: the function raised an exception; see `translated`.
        """
        try:
            with _forks_ended():
                return self.functions[function](*arguments)
        except ContainerError:
            raise
        except BaseException as error:
            raise translated(function, self.name, error) from error


@contextmanager
def _forks_ended() -> Iterator[None]:
    """End a forked copy of this process that returns from the call: only the original responds."""
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
        settings: the settings with the name and the directory of the program.
        scratch: a directory into which code in an archive or in S3 is fetched.

    Raises:
        ModelNotReady: the program does not exist, or several files could be the program.
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
        f"{directory} has {found} and no {DEFAULT_NAME}; name the program with SAGEMAKER_PROGRAM."
    )


def load(file: Path) -> Handlers:
    """Import a program, with its directory and the subdirectory `lib` first on Python's path.

    Raises:
        ModelNotReady: the program cannot be read, compiled or imported, or one of its functions
            has the wrong arguments.
    """
    sys.dont_write_bytecode = True  # the directory of a model is read-only
    sys.path[:0] = [str(file.parent), str(file.parent / "lib")]
    module = _imported(file)
    names = [name for name in ARGUMENTS if getattr(module, name, None) is not None]
    program = Handlers(file.name, {name: getattr(module, name) for name in names})
    _check(program)
    logger.info("%s defines %s", file, ", ".join(names) or "no handler function")
    return program


def _directories(settings: Settings, scratch: Path) -> list[Path]:
    if settings.submit_directory is None:
        return [settings.paths.model_code, settings.paths.code]
    source = settings.submit_directory.removeprefix("file://")
    if Path(source).is_dir():
        return [Path(source)]
    directory = scratch / "code"
    if source_code.is_empty(directory):
        _fetch(source, directory)
    return [directory]


def _fetch(source: str, directory: Path) -> None:
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
            f"SAGEMAKER_PROGRAM is {program!r}, which can train but not serve; name a Python "
            "script that defines model_fn."
        )
    name = program if program.endswith(".py") else f"{program}.py"  # AWS accepts modules too
    for directory in directories:
        if (directory / name).is_file():
            return directory / name
    places = " nor in ".join(map(str, directories))
    raise ModelNotReady(
        f"SAGEMAKER_PROGRAM is {program!r}, and there is no {name} in {places}; put it there, or "
        "set SAGEMAKER_SUBMIT_DIRECTORY to its directory."
    )


def _imported(file: Path) -> ModuleType:
    """Import a file by its path; the message leaves out the text of an error, which is private."""
    # A pickle finds the classes of the program by this name, unless another module has it.
    name = file.stem if file.stem not in sys.modules else f"program_{file.stem}"
    loader = SourceFileLoader(name, str(file))
    module = module_from_spec(cast("ModuleSpec", spec_from_loader(name, loader)))
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException as error:
        logger.error("%s cannot be imported", file, exc_info=error)
        raise ModelNotReady(_import_failure(file, error)) from error
    return module


def _import_failure(file: Path, error: BaseException) -> str:
    found = fault(file.name, error)
    match error:
        case SyntaxError():
            return f"{found}; correct it."
        case PermissionError() if error.filename == str(file):
            return f"{file} is not readable by the user of the server."
        case ModuleNotFoundError():
            return f"{found}; add it to requirements.txt next to the program, or to the image."
        case SystemExit():
            return (
                f"{found} during its import; put the code for training below "
                '`if __name__ == "__main__":`.'
            )
        case _:
            return f"{found} during the import; {SEE_LOG}."


def _check(program: Handlers) -> None:
    """Check that the functions fit together and take their arguments; raises ModelNotReady."""
    parts = [name for name in _PARTS if program.has(name)]
    if program.has("transform_fn") and parts:
        raise ModelNotReady(
            f"{program.name} defines both transform_fn and {' and '.join(parts)}, which "
            "transform_fn replaces; keep one or the other."
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
    except ValueError as error:  # a compiled function may have no signature
        logger.debug("%s has no signature: %s", name, error)
