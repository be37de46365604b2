"""What a job tells its own program: three files of JSON, read as the training toolkit does."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from container.errors import ScriptError
from container.paths import Paths

PROGRAM = "SAGEMAKER_PROGRAM"
"""The variable that names a program to run in place of algorithm.py: script mode. In small letters
it is the hyperparameter that does the same.

Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
"""

PREFIX = "sagemaker_"
"""What the names of hyperparameters begin with that are meant for the container."""

KNOWN = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "program",
        "submit_directory",
        "enable_cloudwatch_metrics",
        "region",
        "container_log_level",
        "job_name",
        "s3_output",
    )
) | {"default_user_module_name", "_tuning_objective_metric"}
"""The hyperparameters that mean something to the toolkit; others of PREFIX are for frameworks.

Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/params.py
"""


@dataclass(frozen=True)
class Configuration:
    """One job, as its program is to see it."""

    paths: Paths
    environ: Mapping[str, str]
    """The variables that `train` itself was given."""

    all_hyperparameters: Mapping[str, Any]
    """By name, as JSON says what they are; those for the container too."""

    channels: Mapping[str, Any]
    """inputdataconfig.json."""

    resources: Mapping[str, Any]
    """resourceconfig.json."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Those for the program, in the order of the file."""
        return {
            name: value for name, value in self.all_hyperparameters.items() if not _is_ours(name)
        }

    @property
    def framework_parameters(self) -> dict[str, Any]:
        """Those that some framework may know: of PREFIX, and without a meaning here."""
        return {
            name: value
            for name, value in self.all_hyperparameters.items()
            if _is_ours(name) and name not in KNOWN
        }

    def option(self, name: str) -> str | None:
        """Return the hyperparameter `sagemaker_NAME` as text, None when there is none."""
        value = self.all_hyperparameters.get(f"{PREFIX}{name}")
        return None if value is None else str(value)

    def with_hyperparameters(self, values: Mapping[str, Any]) -> "Configuration":
        """Return the same job with other hyperparameters."""
        return replace(self, all_hyperparameters=values)


def read(paths: Paths, environ: Mapping[str, str]) -> Configuration:
    """Read the configuration of a job; a file that is not there is an empty one.

    Raises:
        ScriptError: a file is no JSON object.
    """
    hyperparameters = _read_object(paths.hyperparameters)
    return Configuration(
        paths=paths,
        environ=environ,
        all_hyperparameters={name: _typed(value) for name, value in hyperparameters.items()},
        channels=_read_object(paths.input_data_config),
        resources=_read_object(paths.resource_config) or _alone(),
    )


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) or name in KNOWN


def _alone() -> dict[str, Any]:
    """Return the resources of a job that nobody has described, as the toolkit makes them up."""
    host = socket.gethostname()
    return {"current_host": host, "hosts": [host]}


def _typed(value: object) -> Any:
    """Return what the text of a hyperparameter says in JSON; else the text itself."""
    try:
        return json.loads(value)  # type: ignore[arg-type]  # a value that is no text stays as it is
    except (ValueError, TypeError, RecursionError):
        return value


def _read_object(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ScriptError(f"{file} is not JSON ({error}); write a JSON object.") from error
    if not isinstance(values, dict):
        raise ScriptError(f"{file} holds no JSON object, but {type(values).__name__}; write one.")
    return values


def program_is_named(paths: Paths, environ: Mapping[str, str]) -> bool:
    """Say whether a program of its own comes with the job; reads next to nothing to find out."""
    if environ.get(PROGRAM, "").strip():
        return True
    with suppress(OSError, ValueError, RecursionError):
        content = paths.hyperparameters.read_bytes()
        if PROGRAM.lower().encode() in content:
            values = json.loads(content)
            return isinstance(values, dict) and PROGRAM.lower() in values
    return False
