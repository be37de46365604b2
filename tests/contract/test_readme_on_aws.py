"""Commands of docs/ for AWS, run with a simulated AWS account."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from sklearn.tree import DecisionTreeClassifier

from support.aws.account import IMAGE, NUMBER, REGION, ROLE, SimulatedAccount, account
from support.aws.sdk_examples import options_of
from support.clones import Fake
from support.material import ROOT, LabelledRows, OptMl
from support.pages import PAGES, blocks, commands, section
from support.servers import serving

DEPLOY, PERFORMANCE = "docs/deploy-to-sagemaker.md", "docs/performance.md"
BUCKET = f"decision-trees-{NUMBER}-{REGION}"
NOT_OPERATIONS = {"iam:PassRole", "s3:ListBucket"}
S3_ACTIONS = {
    "mb": {"s3:CreateBucket"},
    "cp": {"s3:PutObject"},
    "sync": {"s3:ListBucket", "s3:PutObject"},
    "rb": {"s3:ListBucket", "s3:DeleteObject", "s3:DeleteBucket"},
}


def deployment_commands() -> list[str]:
    """Return the commands from a clone to an endpoint; the last block deletes everything."""
    titles = ("Prepare the account", "Use the Python SDK", "Use the AWS CLI", "Delete everything")
    return commands(DEPLOY, *titles)


def scaling_commands() -> list[str]:
    """Return the commands that scale an endpoint and a batch transform."""
    return commands(PERFORMANCE, "Scaling an endpoint", "Scaling batch transform")


@dataclass(frozen=True)
class Walk:
    """Results of the commands of both pages, run in order."""

    job: dict[str, Any]
    labels: dict[str, Any]
    target: dict[str, Any]
    policy: dict[str, Any]
    keys: set[str]
    transform: dict[str, Any]
    python: list[list[str]]
    left: dict[str, list[Any]]
    """Resources that exist after the commands that delete."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose image builds fast."""
    clone = tmp_path_factory.mktemp("readme") / "a clone"
    clone.mkdir()
    for name in ("examples", "local_test"):
        shutil.copytree(ROOT / name, clone / name)
    push = (
        f"aws ecr create-repository --repository-name decision-trees >/dev/null 2>&1\necho {IMAGE}"
    )
    Fake(clone, "build_and_push.sh", push)
    for name in ("python", "pip"):
        Fake(clone / "fakes", name)
    (clone / "tmp").mkdir()
    (clone / "rows.csv").write_text("5.1,3.5,1.4,0.2\n")
    return clone


@pytest.fixture(scope="module")
def walk(clone: Path, trained: OptMl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Results of all commands, the deleting ones last."""
    set_up, *others, delete = deployment_commands()
    model = json.loads((clone / "examples/create_model.json").read_text())["PrimaryContainer"]
    log = tmp_path_factory.mktemp("endpoint")
    with serving(trained, log, **model["Environment"]) as container:
        container.await_ready()
        with account(container) as aws:
            run(clone, aws, [set_up, *others, *scaling_commands()])
            sagemaker, scaling = aws.client("sagemaker"), aws.client("application-autoscaling")
            found = {
                "job": sagemaker.describe_training_job(TrainingJobName="iris-1"),
                "labels": json.loads(next(clone.glob("tmp/*/labels.json")).read_text()),
                "target": scaling.describe_scalable_targets(ServiceNamespace="sagemaker"),
                "policy": scaling.describe_scaling_policies(ServiceNamespace="sagemaker"),
                "transform": sagemaker.describe_transform_job(TransformJobName="iris-1"),
                "keys": aws.keys_of(BUCKET),
            }
            run(clone, aws, [set_up, delete])
            yield Walk(**found, python=calls_of_python(clone), left=inventory(aws))


def run(clone: Path, aws: SimulatedAccount, script: list[str]) -> None:
    """Run commands as a user who pastes them, until one fails."""
    path = f"{clone / 'fakes'}{os.pathsep}{os.environ['PATH']}"
    here = {"PATH": path, "HOME": str(clone), "TMPDIR": str(clone / "tmp")}
    here["NO_PROXY"] = "127.0.0.1"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=clone,
        env=here | aws.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def calls_of_python(clone: Path) -> list[list[str]]:
    """Return the arguments of all calls of Python."""
    records = (clone / "fakes/python.calls").read_text().split("\036")[:-1]
    return [record.split("\037")[:-1] for record in records]


def inventory(aws: SimulatedAccount) -> dict[str, list[Any]]:
    """Return the resources of an account that the commands can create."""
    sagemaker = aws.client("sagemaker")
    return {
        "endpoints": sagemaker.list_endpoints()["Endpoints"],
        "configurations": sagemaker.list_endpoint_configs()["EndpointConfigs"],
        "models": sagemaker.list_models()["Models"],
        "buckets": aws.client("s3").list_buckets()["Buckets"],
        "roles": aws.client("iam").list_roles()["Roles"],
    }


@pytest.mark.soak
def test_commands_create_an_endpoint_that_predicts(walk: Walk, iris: LabelledRows) -> None:
    """The response in labels.json has the label of each row of payload.csv."""
    tree = DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)

    answered = [row["predicted_label"] for row in walk.labels["predictions"]]
    assert answered == tree.predict(iris.features[::10]).tolist()


@pytest.mark.soak
def test_commands_fill_in_account_region_and_image(walk: Walk) -> None:
    """The job has the digest of the pushed image, the role, and data in the bucket."""
    sources = [channel["DataSource"]["S3DataSource"] for channel in walk.job["InputDataConfig"]]
    sources.append(walk.transform["TransformInput"]["DataSource"]["S3DataSource"])

    assert walk.job["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert walk.job["RoleArn"] == ROLE
    for source in sources:
        prefix = source["S3Uri"].removeprefix(f"s3://{BUCKET}/")
        assert any(key.startswith(prefix) for key in walk.keys), prefix


@pytest.mark.soak
def test_commands_scale_the_endpoint(walk: Walk) -> None:
    """Target and number of instances are those of the page's arithmetic."""
    target, instances = scale()
    (registered,) = walk.target["ScalableTargets"]
    (policy,) = walk.policy["ScalingPolicies"]
    tracked = policy["TargetTrackingScalingPolicyConfiguration"]
    metric = "SageMakerVariantInvocationsPerInstance"

    assert (registered["MinCapacity"], registered["MaxCapacity"]) == (2, instances)
    assert tracked["TargetValue"] == target
    assert tracked["PredefinedMetricSpecification"] == {"PredefinedMetricType": metric}
    assert "rows/rows-aa" in walk.keys


@pytest.mark.soak
def test_commands_delete_all_resources(walk: Walk) -> None:
    """At the end the account has the same resources as before."""
    assert set(walk.left) == {"endpoints", "configurations", "models", "buckets", "roles"}
    assert [found for found in walk.left.values() if found] == []


@pytest.mark.soak
def test_commands_pass_valid_arguments_to_the_examples(walk: Walk) -> None:
    """Each option is one of the example's parser, and each other word is one of its steps."""
    used = set()
    for script, *arguments in walk.python:
        example = Path(script).name
        used.add(example)
        given = {argument for argument in arguments if argument.startswith("--")}
        assert given <= options_of(example), example
    words = {word for words in walk.python for word in words}

    assert used == {"sagemaker_sdk.py", "model_trainer.py"}
    assert {"tune", "realtime", "serverless", "batch"} <= words


def scale() -> tuple[int, int]:
    """Return the results of the page's arithmetic: the target, and the number of instances."""
    arithmetic = re.findall(r"^\w+=(?:\d+|\$\(\(.*\)\))$", scaling_commands()[0], re.MULTILINE)
    script = "\n".join([*arithmetic, 'echo "$target" "$instances"'])
    done = subprocess.run(["bash", "-euc", script], check=True, capture_output=True, text=True)
    target, instances = map(int, done.stdout.split())
    return target, instances


def test_page_states_the_results_of_its_arithmetic() -> None:
    """The sentence below the commands has the numbers that the shell computes."""
    target, instances = scale()

    assert (
        f"This sets a target of {target:,} requests per minute and instance, "
        f"and at most {instances} instances." in PAGES[PERFORMANCE]
    )


def test_page_installs_the_tested_versions() -> None:
    """The arguments of pip are the requirements of tests/sdk/."""
    text = "\n".join(deployment_commands())
    installed = re.findall(r"^pip install '(.*)'$", text, re.MULTILINE)
    locked = [(ROOT / f"tests/sdk/sdk{version}.in").read_text() for version in (2, 3)]

    assert installed == [text.splitlines()[-1] for text in locked]


def policies() -> list[dict[str, Any]]:
    """Return all policies of the pages, from blocks and commands."""
    shown = [block.text for block in blocks() if block.language == "json"]
    given = re.findall(
        r"document '(\{.*?\})'$", "\n".join(deployment_commands()), re.MULTILINE | re.DOTALL
    )
    return [json.loads(text) for text in [*shown, *given]]


def actions(policy: dict[str, Any]) -> set[str]:
    """Return the actions that a policy allows."""
    lists = [statement["Action"] for statement in policy["Statement"]]
    return {
        action for listed in lists for action in ([listed] if isinstance(listed, str) else listed)
    }


def test_policies_name_actions_of_aws() -> None:
    """Each action is an operation of its service, or a permission with another name."""
    session, named = botocore.session.get_session(), set().union(*map(actions, policies()))
    named |= set(re.findall(r"`([a-z-]+:[A-Z]\w+)`", PAGES[DEPLOY] + PAGES[PERFORMANCE]))
    known = NOT_OPERATIONS | {
        f"{service.removesuffix('-runtime')}:{operation}"
        for service in {action.split(":")[0] for action in named} | {"sagemaker-runtime"}
        for operation in session.get_service_model(service).operation_names
    }

    assert len(policies()) == 4
    assert named - known == set()


def test_policy_allows_what_the_commands_do() -> None:
    """The documented policies include each operation of the AWS CLI that the pages use."""
    session = botocore.session.get_session()
    text = "\n".join([*deployment_commands(), *scaling_commands()])
    called = set()
    for service, command, word in re.findall(r"\baws ([\w-]+) ([\w-]+)(?: ([\w-]+))?", text):
        if service == "s3":
            called |= S3_ACTIONS[command]
        elif command == "wait":
            waiter = "".join(part.capitalize() for part in word.split("-"))
            operation = session.get_waiter_model(service).get_waiter(waiter).operation
            called.add(f"{service}:{operation}")
        else:
            operation = "".join(part.capitalize() for part in command.split("-"))
            called.add(f"{service.removesuffix('-runtime')}:{operation}")
    shown = [json.loads(block.text) for block in blocks() if block.language == "json"]
    allowed = set().union(*map(actions, shown))
    allowed |= set(re.findall(r"`([a-z-]+:[A-Z]\w+)`", section(PERFORMANCE, "Scaling an endpoint")))

    assert called - allowed == {"sts:GetCallerIdentity"}
