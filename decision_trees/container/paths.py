"""Paths of the platform below /opt/ml, and of the program."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container.errors import SettingsError

PROGRAM_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Paths:
    """Where the platform puts things.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    and https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html.
    """

    base_dir: Path = Path("/opt/ml")
    """`SAGEMAKER_BASE_DIR`: stands in for /opt/ml, for runs without a container."""

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
        """The hyperparameters of the job, a flat JSON object of strings."""
        return self.base_dir / "input/config/hyperparameters.json"

    @property
    def input_data_config(self) -> Path:
        """The input mode and the content type of each channel, in JSON."""
        return self.base_dir / "input/config/inputdataconfig.json"

    @property
    def resource_config(self) -> Path:
        """The hosts of the job and what they are, in JSON."""
        return self.base_dir / "input/config/resourceconfig.json"

    @property
    def code(self) -> Path:
        """The program that a job brings, and its files: script mode."""
        return self.base_dir / "code"

    @property
    def data(self) -> Path:
        """The directory with one directory a channel, or the pipes of one."""
        return self.base_dir / "input/data"

    @property
    def model(self) -> Path:
        """The artifact: written by training, read-only for serving."""
        return self.base_dir / "model"

    @property
    def model_code(self) -> Path:
        """The program that comes with a model, and answers in place of predictor.py."""
        return self.model / "code"

    @property
    def metrics(self) -> Path:
        """The metrics of the job, in JSON; the platform keeps what is beside it too."""
        return self.base_dir / "output/data/metrics.json"

    @property
    def failure(self) -> Path:
        """Why the job failed, in text."""
        return self.base_dir / "output/failure"
