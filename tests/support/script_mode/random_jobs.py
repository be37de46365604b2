"""Random job configurations, as the platform and its SDKs may write them; repeatable by seed."""

import json
import random
from typing import Any

NAMES = ["max_depth", "max-depth", "a", "A", "", "with space", "UPPER", "Upper", "a.b", "groß", "s"]
NAMES += ["sagemaker_mpi_enabled", "sagemaker_job_name", "sagemaker_region", "sagemaker_s3_output"]
NAMES += ["sagemaker_container_log_level", "sagemaker_parameter_server_enabled", "sagemaker_", "MP"]
NAMES += ["sagemaker_enable_cloudwatch_metrics", "_tuning_objective_metric", "Sagemaker_x", "-k"]
NAMES += ["default_user_module_name", "sagemaker_torch_distributed_enabled", "s3", "--x", "'", '"']

TEXTS = ["5", "0.001", "1e-3", "gini", '"gini"', "true", "True", "false", "null", "None", "NaN"]
TEXTS += ['[1, 2, "a"]', '{"b": 1, "a": [1, 2]}', "{}", "[]", "007", "1e400", "-Infinity", "", " "]
TEXTS += [
    "'x'",
    '"',
    '"a b"',
    "$(id)",
    "; rm -rf /",
    "a\nb",
    '"\\u00e9\\n"',
    "ü",
    "日本",
    "-1",
    "--x",
]
TEXTS += [
    '{"a": {"b": null}}',
    "1" * 30,
    "0x10",
    "1_000",
    '"\\"q\\""',
    "{",
    "[1,",
    "`id`",
    "*",
    "\\",
]

CHANNELS = ["train", "training", "validation", "test-data", "with.dot", "UP", "up", "code", "s"]
HOSTS = ["algo-1", "algo-2", "algo-10", "algo-1-x7k2p", "sagemaker-local"]


def job(seed: int, path: str) -> dict[str, Any]:
    """Return one job: the texts of its files, and the variables of its container."""
    chance = random.Random(seed)  # noqa: S311 - the same jobs at each run
    return {
        "hyperparameters": json.dumps(_hyperparameters(chance)),
        "inputdataconfig": json.dumps(_channels(chance)),
        "resourceconfig": json.dumps(_resources(chance)),
        "environ": _environ(chance, path),
    }


def _hyperparameters(chance: random.Random) -> dict[str, Any]:
    names = chance.sample(NAMES, chance.randrange(len(NAMES)))
    values = {name: _value(chance) for name in names}
    # The toolkit takes nothing but text for what it sets as a variable.
    for name in ("sagemaker_job_name", "sagemaker_region"):
        if name in values:
            values[name] = chance.choice(["job-7", '"eu-west-1"', ""])
    program = chance.choice(["train.py", '"train.py"', "bin/train.sh", '"pkg.main"'])
    values["sagemaker_program"] = program
    if chance.random() < 0.5:
        source = chance.choice(["s3://bucket/key/sourcedir.tar.gz", '"/opt/ml/input/data/code"'])
        values["sagemaker_submit_directory"] = source
    if chance.random() < 0.2:
        values["sagemaker_distribution_instance_groups"] = '["groupA"]'
    return values


def _value(chance: random.Random) -> Any:
    kind = chance.random()
    if kind < 0.6:
        return chance.choice(TEXTS)
    if kind < 0.8:
        return json.dumps(_nested(chance, 3), ensure_ascii=chance.random() < 0.5)
    if kind < 0.9:
        return "".join(chr(chance.choice([*range(32, 127), 0xE9, 0x4E2D])) for _ in range(9))
    return _nested(chance, 2)  # no text: the platform never writes it, users do


def _nested(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(7 if depth else 5)
    if kind == 5:
        return [_nested(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        names = chance.sample(NAMES, chance.randrange(4))
        return {name: _nested(chance, depth - 1) for name in names}
    choices = [None, chance.random() < 0.5, chance.randint(-(10**20), 10**20), chance.gauss(0, 1e9)]
    return [*choices, chance.choice(TEXTS)][kind]


def _channels(chance: random.Random) -> dict[str, Any]:
    names = chance.sample(CHANNELS, chance.randrange(len(CHANNELS)))
    settings = [{"TrainingInputMode": "File"}, {"ContentType": "text/csv"}, {}]
    return {name: chance.choice(settings) for name in names}


def _resources(chance: random.Random) -> dict[str, Any]:
    hosts = chance.sample(HOSTS, chance.randint(1, len(HOSTS)))
    resources: dict[str, Any] = {"current_host": chance.choice(hosts), "hosts": sorted(hosts)}
    if chance.random() < 0.5:
        resources["network_interface_name"] = chance.choice(["eth0", "eth1", "ethwe"])
    if chance.random() < 0.5:
        types = ["local", "ml.m5.large", "ml.trn2.48xlarge"]
        resources["current_instance_type"] = chance.choice(types)
    if chance.random() < 0.6:
        half = chance.randint(1, len(hosts))
        parts = {"groupA": hosts[:half], "groupB": hosts[half:]}
        groups = [_group(name, members) for name, members in parts.items() if members]
        resources["instance_groups"] = groups
        resources["current_group_name"] = chance.choice(["groupA", "groupB", "homogeneousCluster"])
    if chance.random() < 0.2:
        resources["topology"] = [{"hostName": hosts[0], "capacityUnitId": "u1"}]
    return resources


def _group(name: str, hosts: list[str]) -> dict[str, Any]:
    return {"instance_group_name": name, "instance_type": "ml.m5.large", "hosts": hosts}


def _environ(chance: random.Random, path: str) -> dict[str, str]:
    offered = {
        "SAGEMAKER_PROGRAM": chance.choice(["other.py", "run.sh", "pkg.train"]),
        "SAGEMAKER_SUBMIT_DIRECTORY": "/elsewhere",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "10",
        "SAGEMAKER_TRAINING_MODULE": "framework.module:main",
        "TRAINING_JOB_NAME": "job-8",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "SM_HP_MP_PARAMETERS": chance.choice(["{}", '{"partitions": 2}', ""]),
        "CURRENT_HOST": "another",
    }
    paths = ["/usr/bin:/bin", f"{path}:/usr/bin:/bin"]
    given = {name: text for name, text in offered.items() if chance.random() < 0.4}
    return given | {"PATH": chance.choice(paths)}
