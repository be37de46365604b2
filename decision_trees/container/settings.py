"""Every environment variable and every /opt/ml path, read once and then passed on."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container.errors import SettingsError
from container.resources import available_cores

PROGRAM_DIR = Path(__file__).resolve().parent.parent

_MEBIBYTE = 1024 * 1024


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
    def data(self) -> Path:
        """The directory with one directory a channel, or the pipes of one."""
        return self.base_dir / "input/data"

    @property
    def model(self) -> Path:
        """The artifact: written by training, read-only for serving."""
        return self.base_dir / "model"

    @property
    def metrics(self) -> Path:
        """The metrics of the job, in JSON; the platform keeps what is beside it too."""
        return self.base_dir / "output/data/metrics.json"

    @property
    def failure(self) -> Path:
        """Why the job failed, in text."""
        return self.base_dir / "output/failure"


@dataclass(frozen=True)
class Settings:
    """How `serve` runs. Each field names its variable, unit, default and reason."""

    paths: Paths

    cores: int
    """The cores that the container may use; no variable."""

    workers: int
    """`MODEL_SERVER_WORKERS`: gunicorn's worker processes. Default: the cores."""

    timeout_seconds: int = 60
    """`MODEL_SERVER_TIMEOUT`: seconds for one answer. Default: what the platform waits.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    """

    max_payload_bytes: int = 100 * _MEBIBYTE
    """`SAGEMAKER_MAX_PAYLOAD_IN_MB`: largest body of a request in MiB; 0 means no limit.

    Default: 100, the most that batch transform sends (real-time endpoints send 25 at most).
    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    """

    port: int = 8080
    """`SAGEMAKER_BIND_TO_PORT`: where nginx listens. Default: 8080, the platform's rule.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
    """

    worker_user: str | None = None
    """`MODEL_SERVER_USER`: whom the workers of nginx and gunicorn run as when `serve` itself
    runs as root. Default: nobody in the image; the same user as `serve` elsewhere."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; raises SettingsError naming variable, value and expectation."""
        cores = available_cores()
        payload_default = cls.max_payload_bytes // _MEBIBYTE
        return cls(
            paths=Paths.from_environ(environ),
            cores=cores,
            workers=_whole_number(environ, "MODEL_SERVER_WORKERS", cores, 1, 512),
            timeout_seconds=_whole_number(
                environ, "MODEL_SERVER_TIMEOUT", cls.timeout_seconds, 1, 86_400
            ),
            max_payload_bytes=_MEBIBYTE
            * _whole_number(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", payload_default, 0, 1_048_576),
            port=_whole_number(environ, "SAGEMAKER_BIND_TO_PORT", cls.port, 1, 65_535),
            worker_user=environ.get("MODEL_SERVER_USER") or cls.worker_user,
        )


def _whole_number(
    environ: Mapping[str, str], name: str, default: int, minimum: int, maximum: int
) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if re.fullmatch(r"[0-9]{1,9}", text) and minimum <= int(text) <= maximum:
        return int(text)
    raise SettingsError(
        f"{name} is {text!r}; it must be a whole number from {minimum} to {maximum}."
    )
