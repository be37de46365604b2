"""Requests of examples/*.json: AWS accepts them, and they fit the image."""

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator

from algorithm import Hyperparameters
from container.formats.media_types import REPLIES
from container.hyperparameters.loader import parse
from container.settings import Settings
from support.material import ROOT, OptMl
from support.pages import PAGES, metric_definitions
from support.processes import train

REQUESTS = sorted(path.stem for path in (ROOT / "examples").glob("*.json"))
LEAF_TRAIN = ROOT / "local_test/test_dir/input/data/training/leaf_train.csv"


def request_of(name: str) -> dict[str, Any]:
    """Return one of the requests."""
    request: dict[str, Any] = json.loads((ROOT / f"examples/{name}.json").read_text())
    return request


def input_of(name: str) -> Shape:
    """Return AWS's description of the input of the operation that a file is named after."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    operation = "".join(word.capitalize() for word in name.split("_"))
    return model.operation_model(operation).input_shape


def mistakes(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """Yield the violations that botocore's validator ignores: patterns, enumerations, lengths.

    Run botocore's validator first: it finds all other violations.
    """
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from mistakes(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from mistakes(shape.member, member, f"{path}[]")
    elif shape.type_name == "map":
        for name, member in value.items():
            yield from mistakes(shape.key, name, f"{path} key")
            yield from mistakes(shape.value, member, f"{path}.{name}")
    elif shape.type_name == "string":
        yield from (f"{path} is {value!r}: {reason}" for reason in _mistakes_of_text(shape, value))


def _mistakes_of_text(shape: Shape, text: str) -> Iterator[str]:
    if shape.enum and text not in shape.enum:
        yield f"not one of {shape.enum}"
    if not re.fullmatch(shape.metadata.get("pattern", ".*"), text):
        yield f"not as {shape.metadata['pattern']}"
    if len(text) > shape.metadata.get("max", len(text)):
        yield f"longer than {shape.metadata['max']}"


def test_there_are_requests() -> None:
    """The other tests check all of them."""
    operations = {"training_job", "model", "endpoint_config", "transform_job"}

    assert set(REQUESTS) == {f"create_{name}" for name in operations}


@pytest.mark.parametrize("name", REQUESTS)
def test_request_is_valid_for_aws(name: str) -> None:
    """Names, types, sizes, patterns and enumerations match AWS's description."""
    request, shape = request_of(name), input_of(name)

    assert ParamValidator().validate(request, shape).generate_report() == ""
    assert list(mistakes(shape, request)) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"RoleArn": "decision-trees"}, ".RoleArn is 'decision-trees': not as "),
        ({"TrainingJobName": "j" * 64}, ": longer than 63"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.tiny"}}, "'ml.m5.tiny': not one of ["),
    ],
)
def test_mistakes_of_a_request_are_found(change: dict[str, Any], reason: str) -> None:
    """The checks of these tests find mistakes."""
    found = list(mistakes(input_of("create_training_job"), change))

    assert any(reason in mistake for mistake in found), found


def test_requests_belong_together() -> None:
    """Image, role and bucket are the same, and the model that the job writes is served."""
    job, model = request_of("create_training_job"), request_of("create_model")
    endpoint, transform = request_of("create_endpoint_config"), request_of("create_transform_job")
    output = job["OutputDataConfig"]["S3OutputPath"]
    artifact = f"{output}{job['TrainingJobName']}/output/model.tar.gz"

    assert model["PrimaryContainer"]["Image"] == job["AlgorithmSpecification"]["TrainingImage"]
    assert model["PrimaryContainer"]["ModelDataUrl"] == artifact
    assert model["ExecutionRoleArn"] == job["RoleArn"]
    assert {variant["ModelName"] for variant in endpoint["ProductionVariants"]} == {
        transform["ModelName"]
    }
    assert transform["ModelName"] == model["ModelName"]
    assert len({re.split(r"(?<!:)/(?!/)", uri)[0] for uri in uris(job, model, transform)}) == 1


def uris(*requests: dict[str, Any]) -> set[str]:
    """Return all s3:// addresses of some requests."""
    return set(re.findall(r's3://[^"]+', json.dumps(requests)))


def test_hyperparameters_of_the_request_are_valid(opt_ml: OptMl) -> None:
    """`train` accepts them, and a job with these channels prints all of the metrics."""
    job = request_of("create_training_job")
    lines = LEAF_TRAIN.read_text().splitlines(keepends=True)
    parts = {"train": lines[::2], "validation": lines[1::2]}
    for channel in job["InputDataConfig"]:
        opt_ml.write("rows.csv", "".join(parts[channel["ChannelName"]]), channel["ChannelName"])
    opt_ml.configure(
        **{
            channel["ChannelName"]: {
                "TrainingInputMode": channel["InputMode"],
                "ContentType": channel["ContentType"],
            }
            for channel in job["InputDataConfig"]
        }
    )
    opt_ml.write_hyperparameters(job["HyperParameters"])
    parse(job["HyperParameters"], Hyperparameters)

    ended = train(opt_ml)

    assert ended.code == 0, ended.log
    definitions = job["AlgorithmSpecification"]["MetricDefinitions"]
    assert definitions == metric_definitions()
    found = {d["Name"] for d in definitions if re.search(d["Regex"], ended.log)}
    assert {d["Name"] for d in definitions} - found == {"train:roc_auc", "validation:roc_auc"}


@pytest.mark.parametrize(
    "environment",
    [
        request_of("create_model")["PrimaryContainer"]["Environment"],
        request_of("create_transform_job")["Environment"],
    ],
)
def test_variables_of_the_requests_are_settings(environment: dict[str, str]) -> None:
    """They are in the table of settings, and their values are valid."""
    settings = PAGES["docs/environment-variables.md"]

    assert environment
    assert [name for name in environment if f"`{name}`" not in settings] == []
    assert Settings.from_environ(environment) != Settings.from_environ({})


def test_transform_uses_formats_of_the_image() -> None:
    """Lines of CSV are sent; responses end with a newline and are concatenated unchanged."""
    job = request_of("create_transform_job")

    assert (job["TransformInput"]["ContentType"], job["TransformInput"]["SplitType"]) == (
        "text/csv",
        "Line",
    )
    assert job["TransformOutput"]["Accept"] in REPLIES
    assert "AssembleWith" not in job["TransformOutput"]  # it would add empty lines
