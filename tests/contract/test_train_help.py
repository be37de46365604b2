"""`train --help` and `train --schema` describe the hyperparameters without running a job."""

import json
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from algorithm import Hyperparameters
from container.hyperparameters import specification
from support.material import PROGRAM_DIR, OptMl
from support.processes import DEADLINE_SECONDS, environment


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `train` with these arguments, without a job."""
    return subprocess.run(
        [PROGRAM_DIR / "train", *arguments],
        env=environment(OptMl(directory / "ml")),
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


@pytest.fixture(scope="module")
def specifications(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the output of `train --schema`."""
    ended = run(tmp_path_factory.mktemp("schema"), "--schema")
    assert (ended.returncode, ended.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


@pytest.fixture(scope="module")
def shape() -> Any:
    """Return the shape of SupportedHyperParameters of SageMaker's CreateAlgorithm."""
    service = botocore.session.Session().get_service_model("sagemaker")
    return service.shape_for("HyperParameterSpecifications")


def test_train_help_only_prints_the_table(tmp_path: Path) -> None:
    """The help is written to standard output, and no job is run."""
    ended = run(tmp_path, "--help")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == specification.help_text(Hyperparameters)
    assert max(map(len, ended.stdout.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []


def test_train_schema_names_every_hyperparameter(specifications: list[dict[str, Any]]) -> None:
    """Names and order are those of the declaration."""
    names = [one["Name"] for one in specifications]

    assert names == list(Hyperparameters.model_fields)


def test_train_schema_is_valid_for_sagemaker(
    specifications: list[dict[str, Any]], shape: Any
) -> None:
    """The output is valid by botocore's model of the service and by limits that it ignores."""
    report = ParamValidator().validate(specifications, shape)

    assert report.generate_report() == ""
    assert violations(specifications, shape) == []


def test_train_schema_is_compared_with_the_limits_of_sagemaker(shape: Any) -> None:
    """The comparison finds text that is too long, unknown, or contains a line break."""
    wrong = [{"Name": "n" * 257, "Type": "Text", "Description": "two\nlines"}] * 101

    assert violations(wrong, shape)[:4] == ["101 items", "257 characters", "'Text'", "'\\n'"]


@pytest.mark.parametrize("arguments", [["--hepl"], ["--help", "--schema"], [""]])
def test_train_with_other_arguments_prints_its_usage(tmp_path: Path, arguments: list[str]) -> None:
    """Wrong arguments run no job: usage on standard error, exit code 64, no failure file."""
    ended = run(tmp_path, *arguments)

    assert (ended.returncode, ended.stdout) == (os.EX_USAGE, "")
    assert ended.stderr == specification.USAGE
    assert list(tmp_path.iterdir()) == []


def violations(value: Any, shape: Any) -> list[str]:
    """Return the violations of the limits of a shape and of its nested shapes."""
    most = shape.metadata.get("max", 10**9)
    if shape.type_name == "structure":
        members = shape.members
        return [found for name in value for found in violations(value[name], members[name])]
    if shape.type_name == "list":
        within = [found for item in value for found in violations(item, shape.member)]
        return [f"{len(value)} items"] * (len(value) > most) + within
    if shape.type_name != "string":
        return []
    too_long = [f"{len(value)} characters"] * (len(value) > most)
    unknown = [repr(value)] * bool(shape.enum and value not in shape.enum)
    # All patterns have the same meaning here: any printable characters.
    control = [repr(mark) for mark in value if unicodedata.category(mark)[0] not in "LMZSNP"]
    return too_long + unknown + control


@pytest.mark.parametrize("option", ["--help", "--schema"])
def test_mistake_in_algorithm_py_is_the_last_line(tmp_path: Path, option: str) -> None:
    """The build of an image runs `train --schema`, so its log ends with what to correct."""
    program = tmp_path / "program"
    shutil.copytree(PROGRAM_DIR, program, ignore=shutil.ignore_patterns("__pycache__"))
    (program / "algorithm.py").write_text("import no_such_package\n", encoding="utf-8")

    ended = subprocess.run(
        [program / "train", option],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )

    assert (ended.returncode, ended.stdout) == (os.EX_DATAERR, "")
    assert ended.stderr.splitlines()[-1] == (
        "train: algorithm.py, line 1, needs the package no_such_package, which is not installed; "
        "add it to requirements/train.in and build the image again."
    )
