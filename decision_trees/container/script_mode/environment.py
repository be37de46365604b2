"""Environment variables and command-line arguments of a program, as the toolkit sets them."""

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from container.script_mode import devices
from container.script_mode.configuration import Configuration

_DEFAULT_GROUP = "homogeneousCluster"
_DEFAULT_LOG_LEVEL = 20
_DISTRIBUTION_SWITCHES = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_torch_distributed_enabled",
)
_WITHOUT_VARIABLE = frozenset(
    {
        "additional_framework_parameters",
        "channel_input_dirs",
        "distribution_hosts",
        "hyperparameters",
        "is_master",
        "is_modelparallel_enabled",
        "is_smddpmprun_installed",
        "is_smddprun_installed",
        "job_name",
        "master_hostname",
        "topology",
    }
)
"""Properties without a variable of their own, or with one of another name."""


def variables(job: Configuration, program: str) -> dict[str, str]:
    """Return the environment variables that describe a job to its program.

    A name is `SM_` and the key in upper case, otherwise unchanged. A text is written as it is, null
    as an empty text, any other value as JSON in ASCII, with sorted keys and without spaces.

    Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/environment.py
    """
    properties = _properties(job, program)
    values = {key: value for key, value in properties.items() if key not in _WITHOUT_VARIABLE}
    values |= {
        "hps": job.hyperparameters,
        "framework_params": job.framework_parameters,
        "channels": sorted(job.channels),
        "training_env": properties,
        "user_args": arguments(job.hyperparameters),
    }
    if properties["topology"]:
        values["topology"] = properties["topology"]
    values |= {f"channel_{name}": path for name, path in properties["channel_input_dirs"].items()}
    values |= {f"hp_{name}": value for name, value in job.hyperparameters.items()}
    return _others(job) | {f"SM_{key.upper()}": _text(value) for key, value in values.items()}


def _others(job: Configuration) -> dict[str, str]:
    """Return the variables that the toolkit sets under other names."""
    region = job.option("region")
    if region is None:
        region = job.environ.get("AWS_DEFAULT_REGION") or job.environ.get("AWS_REGION") or ""
    return {
        "CURRENT_HOST": str(job.resources.get("current_host", "")),
        "SAGEMAKER_JOB_NAME": job.option("job_name") or "",
        "SAGEMAKER_REGION": region,
    }


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _properties(job: Configuration, program: str) -> dict[str, Any]:
    """Return all properties of a job, under the names of the toolkit's `Environment`."""
    files = {
        "hyperparameters": job.hyperparameters,
        "additional_framework_parameters": job.framework_parameters,
        "resource_config": job.resources,
        "input_data_config": job.channels,
    }
    return _directories(job) | _program(job, program) | _machine(job) | _hosts(job) | files


def _directories(job: Configuration) -> dict[str, Any]:
    base = job.paths.base_dir
    return {
        "input_dir": str(base / "input"),
        "input_config_dir": str(base / "input/config"),
        "model_dir": str(job.paths.model),
        "output_dir": str(base / "output"),
        "output_data_dir": str(base / "output/data"),
        "output_intermediate_dir": str(base / "output/intermediate"),
        "channel_input_dirs": {name: str(job.paths.data / name) for name in job.channels},
    }


def _program(job: Configuration, program: str) -> dict[str, Any]:
    level = job.all_hyperparameters.get("sagemaker_container_log_level", _DEFAULT_LOG_LEVEL)
    return {
        "user_entry_point": program,
        "module_name": program.removesuffix(".py"),
        "module_dir": job.option("submit_directory") or str(job.paths.code),
        "framework_module": job.environ.get("SAGEMAKER_TRAINING_MODULE"),
        "log_level": level,
        "job_name": job.environ.get("TRAINING_JOB_NAME"),
    }


def _machine(job: Configuration) -> dict[str, Any]:
    path = job.environ.get("PATH")
    model_parallel = job.environ.get("SM_HP_MP_PARAMETERS")
    kind = job.resources.get("current_instance_type", "local")
    return {
        "current_instance_type": kind,
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": devices.gpus(path),
        "num_neurons": devices.neurons(str(kind), path),
        "is_modelparallel_enabled": model_parallel and model_parallel != "{}",
        "is_smddprun_installed": shutil.which("smddprun", path=path) is not None,
        "is_smddpmprun_installed": shutil.which("smddpmprun", path=path) is not None,
    }


def _hosts(job: Configuration) -> dict[str, Any]:
    """Return the properties of the hosts, which may be in groups."""
    resources = job.resources
    host = resources.get("current_host", "")
    hosts = resources.get("hosts", [host])
    group = resources.get("current_group_name", _DEFAULT_GROUP)
    groups = {entry["instance_group_name"]: entry for entry in resources.get("instance_groups", [])}
    distributed = _distributed_groups(job.framework_parameters, group)
    working = _hosts_of(groups, distributed) if groups else list(hosts)
    leader = next(iter(working or hosts), host)
    return {
        "hosts": hosts,
        "current_host": host,
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "topology": resources.get("topology", []),
        "current_instance_group": group,
        "current_instance_group_hosts": groups.get(group, {}).get("hosts", []),
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "distribution_instance_groups": distributed,
        "distribution_hosts": working,
        "master_hostname": leader,
        "is_master": host == leader,
    }


def _hosts_of(groups: Mapping[str, Any], names: Any) -> list[str]:
    return [host for name, entry in groups.items() if name in names for host in entry["hosts"]]


def _distributed_groups(parameters: Mapping[str, Any], group: str) -> Any:
    """Return the names of the host groups that train together."""
    switched_on = any(parameters.get(name) for name in _DISTRIBUTION_SWITCHES)
    default = [group] if switched_on else []
    return parameters.get("sagemaker_distribution_instance_groups", default)


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return `--NAME VALUE` for each, sorted by name; `-N VALUE` for a name of one letter.

    There are no flags: true is `--NAME True`. A list is written in Python's notation, an object as
    `key=value,key=value`, null as an empty argument.

    Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/mapping.py
    """
    written = []
    for name in sorted(hyperparameters):
        written += [_option(name), _argument(hyperparameters[name])]
    return written


def _option(name: str) -> str:
    if not name:
        return ""
    return f"--{name}" if len(name) > 1 else f"-{name}"


def _argument(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return str(value)
