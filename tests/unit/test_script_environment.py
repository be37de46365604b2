"""Arguments and variables of a program, compared with those of AWS's training toolkit."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from container.paths import Paths
from container.script_mode.configuration import read
from container.script_mode.entry_point import name_of
from container.script_mode.environment import arguments, variables
from support.material import ROOT
from support.processes import DEADLINE_SECONDS
from support.script_mode import random_jobs

N_JOBS = 300

FAKES = {
    "nvidia-smi": "echo 'GPU 0: Fake'; echo 'GPU 1: Fake'",
    "neuron-ls": 'echo \'[{"nc_count": 2}, {"nc_count": 4}, {}]\'',
    "smddprun": "true",
}
"""Fake programs of machines with GPUs and Neuron cores."""

LEAST = {
    "hyperparameters": '{"sagemaker_program": "train.py", "depth": "5"}',
    "inputdataconfig": "{}",
    "resourceconfig": '{"current_host": "algo-1", "hosts": ["algo-1"]}',
    "environ": {"PATH": "/usr/bin:/bin"},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that replaces /opt/ml, for the toolkit and for this program."""
    base = tmp_path_factory.mktemp("ml")
    (base / "input/config").mkdir(parents=True)
    (base / "fakes").mkdir()
    for name, command in FAKES.items():
        file = base / "fakes" / name
        file.write_text(f"#!/bin/sh\n{command}\n")
        file.chmod(0o755)
    return base


def toolkits(cases: list[dict[str, Any]], base: Path) -> list[dict[str, Any]]:
    """Return the toolkit's result for each case."""
    ended = subprocess.run(
        [sys.executable, ROOT / "tests/support/script_mode/toolkit.py"],
        check=True,
        env={"SAGEMAKER_BASE_DIR": str(base), "PYTHONIOENCODING": "utf-8"},
        input=json.dumps(cases),
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    answers: list[dict[str, Any]] = json.loads(ended.stdout)
    return answers


def ours(case: dict[str, Any], base: Path) -> dict[str, Any]:
    """Return this program's result for a case."""
    for name in ("hyperparameters", "inputdataconfig", "resourceconfig"):
        file = base / "input/config" / f"{name}.json"
        file.unlink(missing_ok=True)
        if case[name] is not None:
            file.write_text(case[name], encoding="utf-8")
    job = read(Paths(base), case["environ"])
    return {
        "arguments": arguments(job.hyperparameters),
        "variables": variables(job, name_of(job)),
    }


def difference(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Return the variables that differ, with both values."""
    found, expected = left["variables"], right["variables"]
    return {
        name: (found.get(name), expected.get(name))
        for name in found.keys() | expected.keys()
        if found.get(name) != expected.get(name)
    }


def test_arguments_and_variables_equal_those_of_the_toolkit(base: Path) -> None:
    """Both are exactly the same for 300 random jobs."""
    cases = [random_jobs.job(seed, str(base / "fakes")) for seed in range(N_JOBS)]

    answers = toolkits(cases, base)

    assert [answer["error"] for answer in answers if "error" in answer] == []
    for case, expected in zip(cases, answers, strict=True):
        found = ours(case, base)
        assert found["arguments"] == expected["arguments"], case
        assert difference(found, expected) == {}, case


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hyperparameters": None, "environ": {"SAGEMAKER_PROGRAM": "x.py"}}, "SM_HPS={}"),
        ({"inputdataconfig": None}, "SM_CHANNELS=[]"),
        ({"resourceconfig": None}, f'SM_HOSTS=["{socket.gethostname()}"]'),
        ({"resourceconfig": '{"current_host": "algo-1"}'}, 'SM_HOSTS=["algo-1"]'),
        (
            {"hyperparameters": '{"sagemaker_program": "a.py", "sagemaker_job_name": "7"}'},
            "SAGEMAKER_JOB_NAME=7",
        ),
        ({"environ": {"SAGEMAKER_CONTAINER_LOG_LEVEL": "INFO"}}, "SM_LOG_LEVEL=20"),
    ],
)
def test_job_that_crashes_the_toolkit_works_here(
    base: Path, change: dict[str, Any], expected: str
) -> None:
    """A missing file counts as empty, and a name may be a number."""
    case = LEAST | change
    [answer] = toolkits([case], base)

    found = ours(case, base)["variables"]

    assert "error" in answer
    assert expected in [f"{name}={value}" for name, value in found.items()]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"environ": {"SAGEMAKER_PROGRAM": ""}}, {"SM_MODULE_NAME": ("train", "")}),
        (
            {"environ": {"AWS_REGION": "eu-west-1"}},
            {"SAGEMAKER_REGION": ("eu-west-1", "")},
        ),
        (
            {
                "hyperparameters": '{"sagemaker_submit_directory": "null"}',
                "environ": {"SAGEMAKER_PROGRAM": "x.py"},
            },
            {"SM_MODULE_DIR": ("BASE/code", "None")},
        ),
    ],
)
def test_variable_that_is_wrong_in_the_toolkit_is_right_here(
    base: Path, change: dict[str, Any], expected: dict[str, tuple[str, str]]
) -> None:
    """These are all other differences from the toolkit: (our value, the toolkit's)."""
    case = LEAST | change
    [answer] = toolkits([case], base)

    found = difference(ours(case, base), answer)
    found.pop("SM_TRAINING_ENV", None)  # it repeats the others

    assert json.loads(json.dumps(found).replace(str(base), "BASE")) == {
        name: list(pair) for name, pair in expected.items()
    }
