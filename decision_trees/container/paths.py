"""Paths below /opt/ml, the environment, and atomic writes to a directory."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from container.errors import SettingsError

PROGRAM_DIR = Path(__file__).resolve().parent.parent

UNFINISHED = ".unfinished"
"""Subdirectory for the files of an unfinished `written_atomically`."""


def environment() -> dict[str, str]:
    """Return a copy of all environment variables, to pass to another program."""
    return dict(os.environ)


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
def written_atomically(directory: Path) -> Iterator[Path]:
    """Write all files or none: yield an empty directory and move its files on success."""
    unfinished = directory / UNFINISHED
    directory.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        for file in sorted(unfinished.iterdir()):
            file.rename(directory / file.name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
