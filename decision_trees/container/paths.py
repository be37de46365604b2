"""Paths below /opt/ml, the environment, atomic writes to a directory, and what can be read."""

import errno
import json
import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from container.errors import ContainerError, ModelNotReady, PlatformError, SettingsError

PROGRAM_DIR = Path(__file__).resolve().parent.parent

UNFINISHED = ".unfinished"
"""Subdirectory for the files of an unfinished `written_atomically`."""


def environment() -> dict[str, str]:
    """Return a copy of all environment variables, to pass to another program."""
    return dict(os.environ)


def read_json(file: Path, error: type[ContainerError], remedy: str) -> Any:
    """Return the content of a JSON file; an empty object without the file; raise `error`."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as cause:
        raise error(f"{file} cannot be read ({cause.strerror}); {remedy}") from cause
    except (ValueError, RecursionError) as cause:
        raise error(f"{file} is not JSON ({cause}); {remedy}") from cause


@dataclass(frozen=True)
class Paths:
    """Paths of the platform.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    and https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html.
    """

    base_dir: Path = Path("/opt/ml")
    """`SAGEMAKER_BASE_DIR`: replaces /opt/ml in runs without a container."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Paths":
        """Read the paths; raises SettingsError for a relative base directory."""
        base_dir = Path(environ.get("SAGEMAKER_BASE_DIR") or cls.base_dir)
        if not base_dir.is_absolute():
            raise SettingsError(
                f"SAGEMAKER_BASE_DIR is {str(base_dir)!r}; it must be an absolute path, "
                f"for example {str(base_dir.resolve())!r}."
            )
        return cls(base_dir)

    @property
    def hyperparameters(self) -> Path:
        """The hyperparameters of the job: a flat JSON object of strings."""
        return self.base_dir / "input/config/hyperparameters.json"

    @property
    def input_data_config(self) -> Path:
        """The input mode and the content type of each channel, as JSON."""
        return self.base_dir / "input/config/inputdataconfig.json"

    @property
    def resource_config(self) -> Path:
        """The hosts of the job, as JSON."""
        return self.base_dir / "input/config/resourceconfig.json"

    @property
    def code(self) -> Path:
        """The user's program and its files, for script mode."""
        return self.base_dir / "code"

    @property
    def data(self) -> Path:
        """The training data: one directory for each channel, or the named pipes of Pipe mode."""
        return self.base_dir / "input/data"

    @property
    def model(self) -> Path:
        """The artifact: written by training, read by serving."""
        return self.base_dir / "model"

    @property
    def model_code(self) -> Path:
        """The user's program that is packed with a model and replaces predictor.py."""
        return self.model / "code"

    @property
    def metrics(self) -> Path:
        """The metrics of the job, as JSON, in the directory that the platform keeps."""
        return self.base_dir / "output/data/metrics.json"

    @property
    def failure(self) -> Path:
        """The reason why the job failed, as text."""
        return self.base_dir / "output/failure"


@contextmanager
def named_if_full(path: Path) -> Iterator[None]:
    """Add the path to the error of a full disk: that of a write has none."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            error.filename = error.filename or str(path)
        raise


@contextmanager
def written_atomically(directory: Path) -> Iterator[Path]:
    """Write all files or none: yield an empty directory and move its files on success.

    Raises:
        PlatformError: a directory is in the place of a file.
    """
    unfinished = directory / UNFINISHED
    directory.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        with named_if_full(directory):
            yield unfinished
        files = sorted(unfinished.iterdir())
        for file in files:
            _refuse_directory(directory / file.name, file)
        for file in files:
            file.rename(directory / file.name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _refuse_directory(target: Path, file: Path) -> None:
    if target.is_dir() and not target.is_symlink() and not file.is_dir():
        raise PlatformError(
            f"{target} is a directory, and a file must be written there; remove the directory."
        )


FileTimes = dict[Path, tuple[int, int]]
"""When the content and the status of each file last changed, in nanoseconds."""


def file_times(*directories: Path) -> FileTimes:
    """Return the times of all files in directories, except hidden files and Python's caches."""
    return {
        file: times
        for directory in directories
        for file in directory.rglob("*")
        if _counts(file.relative_to(directory)) and (times := _times(file))
    }


def refuse_changes(before: FileTimes) -> None:
    """Raise ModelNotReady if a file has changed or is absent; new files are allowed."""
    for file, times in before.items():
        if _times(file) != times:
            raise ModelNotReady(
                f"{file} has changed since the server started, and other workers may have the old "
                "model; restart the container to serve the new one."
            )


def _counts(file: Path) -> bool:
    return not any(part.startswith(".") or part == "__pycache__" for part in file.parts)


def _times(file: Path) -> tuple[int, int] | None:
    """Return the times of a regular file; None if it is another kind, or absent."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns) if stat.S_ISREG(status.st_mode) else None


def is_readable(path: Path) -> bool:
    """Return whether this process can read a file, or list a directory and enter it."""
    access = partial(os.access, path, effective_ids=os.access in os.supports_effective_ids)
    return access(os.R_OK) and (access(os.X_OK) or not path.is_dir())


def why_unreadable(error: BaseException) -> str:
    """Return who cannot read a file, and what to do, if that caused an error; otherwise nothing."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, PermissionError) and cause.filename):
        cause = cause.__cause__
    if cause is None:
        return ""
    file = Path(os.path.realpath(cause.filename))
    closed = [path for path in reversed(file.parents) if not os.access(path, os.X_OK)]
    place = [*closed, file][0]
    status = place.stat()
    return (
        f" The workers run as {_user_name(os.geteuid())}, and {place} has the mode "
        f"{stat.S_IMODE(status.st_mode):04o} and belongs to {_user_name(status.st_uid)}: allow "
        f"others to read it (chmod -R a+rX {place}), or run the workers as its owner, with "
        "MODEL_SERVER_USER if serve runs as root, otherwise with docker run --user."
    )


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
