"""Job configuration for script mode: three JSON files, read as the training toolkit reads them."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.errors import ScriptError
from container.paths import Paths, read_json

PROGRAM = "SAGEMAKER_PROGRAM"
"""Variable that names the program to run instead of algorithm.py; it turns script mode on.

In lower case it is the name of the hyperparameter with the same meaning.

Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
"""

PREFIX = "sagemaker_"
"""Prefix of the hyperparameters that are meant for the container."""

TOOLKIT_HYPERPARAMETERS = frozenset(
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
"""Hyperparameters that the toolkit uses itself; all others with PREFIX are for frameworks.

Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/params.py
"""


@dataclass(frozen=True)
class Configuration:
    """Configuration of one job, as its program sees it."""

    paths: Paths
    environ: Mapping[str, str]
    """The environment of `train`."""

    all_hyperparameters: Mapping[str, Any]
    """All hyperparameters by name, parsed from JSON."""

    channels: Mapping[str, Any]
    """Content of inputdataconfig.json."""

    resources: Mapping[str, Any]
    """Content of resourceconfig.json."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Hyperparameters for the program, in the order of the file."""
        return {
            name: value for name, value in self.all_hyperparameters.items() if not _is_ours(name)
        }

    @property
    def framework_parameters(self) -> dict[str, Any]:
        """Hyperparameters with PREFIX that the toolkit does not use itself."""
        return {
            name: value
            for name, value in self.all_hyperparameters.items()
            if _is_ours(name) and name not in TOOLKIT_HYPERPARAMETERS
        }

    def option(self, name: str) -> str | None:
        """Return the hyperparameter `sagemaker_NAME` as text, None if it is absent."""
        value = self.all_hyperparameters.get(f"{PREFIX}{name}")
        return None if value is None else str(value)


def read(paths: Paths, environ: Mapping[str, str]) -> Configuration:
    """Read the configuration of a job; a missing file counts as an empty one.

    Raises:
        ScriptError: a file is not a JSON object, or resourceconfig.json has no lists of hosts.
    """
    hyperparameters = _read_object(paths.hyperparameters)
    host = socket.gethostname()
    return Configuration(
        paths=paths,
        environ=environ,
        all_hyperparameters={name: _parsed(value) for name, value in hyperparameters.items()},
        channels=_read_object(paths.input_data_config),
        resources=_resources(paths.resource_config) or {"current_host": host, "hosts": [host]},
    )


def _resources(file: Path) -> dict[str, Any]:
    found = _read_object(file)
    groups = found.get("instance_groups", [])
    if not (
        _are_names(found.get("hosts", []))
        and _are_names([found.get("current_host", ""), found.get("current_group_name", "")])
        and isinstance(groups, list)
        and all(isinstance(group, dict) for group in groups)
        and _are_names([group.get("instance_group_name") for group in groups])
        and all(_are_names(group.get("hosts")) for group in groups)
    ):
        raise ScriptError(
            f"{file} must have names of hosts, and lists of them; the platform writes it."
        )
    return found


def _are_names(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) or name in TOOLKIT_HYPERPARAMETERS


def _parsed(value: object) -> Any:
    """Parse the text of a hyperparameter as JSON; return the text itself if it is not JSON."""
    try:
        return json.loads(value)  # type: ignore[arg-type]  # other types are returned
    except (ValueError, TypeError, RecursionError):
        return value


def _read_object(file: Path) -> dict[str, Any]:
    values = read_json(file, ScriptError, "write a JSON object.")
    if not isinstance(values, dict):
        raise ScriptError(f"{file} holds a JSON {type(values).__name__}; write a JSON object.")
    return dict(values)


def program_is_named(paths: Paths, environ: Mapping[str, str]) -> bool:
    """Return whether the job names a program: the cheap test for script mode."""
    if environ.get(PROGRAM, "").strip():
        return True
    with suppress(OSError, ValueError, RecursionError):
        content = paths.hyperparameters.read_bytes()
        if PROGRAM.lower().encode() in content:
            values = json.loads(content)
            return isinstance(values, dict) and PROGRAM.lower() in values
    return False
