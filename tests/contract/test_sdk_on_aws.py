"""examples/*.py without --local: the SageMaker Python SDK with a simulated AWS account."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sklearn.tree import DecisionTreeClassifier

from algorithm import Hyperparameters
from container.hyperparameters.declaration import declarations
from container.hyperparameters.loader import parse
from support.aws.account import IMAGE, REGION, ROLE, SimulatedAccount, account
from support.aws.sdk_examples import Examples, interpreter, logged
from support.clones import ScriptResult
from support.material import ROOT, LabelledRows, OptMl
from support.pages import PAGES, metric_definitions
from support.servers import serving

# The SDKs are large, and poll an endpoint only every 30 seconds.
pytestmark = pytest.mark.soak

BUCKET = "flowers"
ON_AWS = ("--image", IMAGE, "--role", ROLE, "--region", REGION, "--output", f"s3://{BUCKET}/iris")
BEST = "FakeTrainingJobName"  # the name that moto returns for the best job of a tuner


@pytest.fixture(scope="module")
def aws(trained: OptMl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAccount]:
    """An account with a bucket, whose endpoints serve a model of the Iris table."""
    with serving(trained, tmp_path_factory.mktemp("endpoint")) as container:
        container.await_ready()
        with account(container) as aws:
            place = {"LocationConstraint": REGION}
            aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
            best = json.loads((ROOT / "examples/create_training_job.json").read_text())
            best["OutputDataConfig"]["KmsKeyId"] = ""  # as in the response of DescribeTrainingJob
            aws.client("sagemaker").create_training_job(**best | {"TrainingJobName": BEST})
            yield aws


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Version 2 of the SDK."""
    return Examples(interpreter(2), tmp_path_factory.mktemp("sdk2"))


@pytest.fixture(scope="module")
def every_step(aws: SimulatedAccount, examples: Examples) -> ScriptResult:
    """A run of the example with all steps."""
    steps = ("tune", "realtime", "serverless", "batch")
    ended = examples.run("sagemaker_sdk.py", *steps, *ON_AWS, **aws.variables())
    assert ended.code == 0, ended.out + ended.err
    return ended


def described(aws: SimulatedAccount, kind: str) -> dict[str, Any]:
    """Return the description of the newest job of a kind, such as training_job."""
    sagemaker, name = aws.client("sagemaker"), f"{kind.title().replace('_', '')}Name"
    (jobs,) = (
        found for found in getattr(sagemaker, f"list_{kind}s")().values() if isinstance(found, list)
    )
    newest = max(
        (job for job in jobs if job[name] != BEST), key=lambda job: str(job["CreationTime"])
    )
    found: dict[str, Any] = getattr(sagemaker, f"describe_{kind}")(**{name: newest[name]})
    return found


def is_uploaded(aws: SimulatedAccount, source: dict[str, Any]) -> bool:
    """Return whether an S3DataSource has objects."""
    prefix = source["S3DataSource"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
    return any(key.startswith(prefix) for key in aws.keys_of(BUCKET))


def is_complete(aws: SimulatedAccount, job: dict[str, Any]) -> bool:
    """Return whether a training job has this image and role, and data only in this bucket."""
    channels = job["InputDataConfig"]
    return (
        job["AlgorithmSpecification"]["TrainingImage"] == IMAGE
        and job["RoleArn"] == ROLE
        and all(is_uploaded(aws, channel["DataSource"]) for channel in channels)
        and job["OutputDataConfig"]["S3OutputPath"].startswith(f"s3://{BUCKET}/iris")
    )


def test_example_trains_on_aws(aws: SimulatedAccount, examples: Examples) -> None:
    """Without steps there is one job without hyperparameters, whose data was uploaded."""
    ended = examples.run("sagemaker_sdk.py", *ON_AWS, **aws.variables())

    assert ended.code == 0, ended.out + ended.err
    job = described(aws, "training_job")
    assert is_complete(aws, job)
    assert job.get("HyperParameters", {}) == {}
    assert [channel["ChannelName"] for channel in job["InputDataConfig"]] == ["training"]


def test_example_passes_hyperparameters_on(aws: SimulatedAccount, examples: Examples) -> None:
    """The job receives them as text, whatever characters a value contains."""
    weights = '{"a=b": 2}'
    given = ("--hyperparameter", "max_leaf_nodes=5", f"--hyperparameter=class_weight={weights}")

    ended = examples.run("sagemaker_sdk.py", *ON_AWS, *given, **aws.variables())

    assert ended.code == 0, ended.out + ended.err
    job = described(aws, "training_job")
    assert job["HyperParameters"] == {"max_leaf_nodes": "5", "class_weight": weights}


@pytest.mark.parametrize("kind", ["csv", "json", "npy"])
def test_example_predicts_with_both_kinds_of_endpoints(
    every_step: ScriptResult, iris: LabelledRows, kind: str
) -> None:
    """On an instance and serverless, each row of payload.csv receives scikit-learn's label."""
    tree = DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)

    assert logged(every_step, f"{kind} labels") == [tree.predict(iris.features[::10]).tolist()] * 2


def test_example_deletes_its_endpoints(every_step: ScriptResult, aws: SimulatedAccount) -> None:
    """No endpoint and no endpoint configuration is left."""
    sagemaker = aws.client("sagemaker")

    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []


def test_example_tunes_what_the_algorithm_declares(
    every_step: ScriptResult, aws: SimulatedAccount
) -> None:
    """The ranges are of tunable hyperparameters, and the objective is one of the metrics."""
    tuning = described(aws, "hyper_parameter_tuning_job")
    chosen, job = tuning["HyperParameterTuningJobConfig"], tuning["TrainingJobDefinition"]
    ranges = chosen["ParameterRanges"]["IntegerParameterRanges"]
    tunable = {declared.name for declared in declarations(Hyperparameters) if declared.tunable}

    assert {parameter["Name"] for parameter in ranges} <= tunable
    for bound in ("MinValue", "MaxValue"):
        bounds = {parameter["Name"]: parameter[bound] for parameter in ranges}
        parse(job["StaticHyperParameters"] | bounds, Hyperparameters)
    definitions = job["AlgorithmSpecification"]["MetricDefinitions"]
    assert definitions == metric_definitions()
    objective = chosen["HyperParameterTuningJobObjective"]["MetricName"]
    assert objective in {definition["Name"] for definition in definitions}


def test_example_tunes_other_algorithms(aws: SimulatedAccount, examples: Examples) -> None:
    """Ranges, objective and hyperparameters are those of the command line, and no others."""
    given = (
        *("tune", "--objective", "validation:score", "--hyperparameter=validation_fraction=0.2"),
        *("--range", "n_estimators=10:200", "--range=learning_rate=0.01:1"),
    )

    ended = examples.run("sagemaker_sdk.py", *given, *ON_AWS, **aws.variables())

    assert ended.code == 0, ended.out + ended.err
    tuning = described(aws, "hyper_parameter_tuning_job")
    chosen, job = tuning["HyperParameterTuningJobConfig"], tuning["TrainingJobDefinition"]
    objective = chosen["HyperParameterTuningJobObjective"]["MetricName"]
    ranges = {
        kind: [(one["Name"], one["MinValue"], one["MaxValue"]) for one in found]
        for kind, found in chosen["ParameterRanges"].items()
        if found
    }
    assert ranges == {
        "IntegerParameterRanges": [("n_estimators", "10", "200")],
        "ContinuousParameterRanges": [("learning_rate", "0.01", "1.0")],
    }
    definitions = job["AlgorithmSpecification"]["MetricDefinitions"]
    assert {"Name": objective, "Regex": "validation:score=(.*?);"} in definitions
    assert job["StaticHyperParameters"]["validation_fraction"] == "0.2"
    assert not {"max_depth", "min_samples_leaf"} & set(job["StaticHyperParameters"])


def test_example_transforms_on_aws(every_step: ScriptResult, aws: SimulatedAccount) -> None:
    """Lines of an uploaded file are sent; /execution-parameters determines how many at once."""
    job = described(aws, "transform_job")

    assert is_uploaded(aws, job["TransformInput"]["DataSource"])
    assert job["TransformInput"]["SplitType"] == "Line"
    assert job["TransformInput"]["ContentType"] == job["TransformOutput"]["Accept"] == "text/csv"
    assert not {"BatchStrategy", "MaxPayloadInMB", "MaxConcurrentTransforms"} & set(job)


@pytest.mark.parametrize(
    "program",
    [
        (),
        (
            *("--program", ROOT / "tests/support/script_mode/scripts/tree.py"),
            *("--hyperparameter", "max_leaf_nodes=5"),
        ),
    ],
)
def test_model_trainer_trains_on_aws(
    aws: SimulatedAccount, tmp_path_factory: pytest.TempPathFactory, program: tuple[str, ...]
) -> None:
    """Version 3 uploads the data, and with --program also the directory of the program."""
    examples = Examples(interpreter(3), tmp_path_factory.mktemp("sdk3"))
    unchecked = {"SAGEMAKER_VALIDATE_ROLE": "false"}  # moto cannot simulate a policy
    variables = aws.variables() | unchecked

    ended = examples.run("model_trainer.py", *ON_AWS, *program, **variables)

    assert ended.code == 0, ended.out + ended.err
    job = described(aws, "training_job")
    assert is_complete(aws, job)
    assert ("max_leaf_nodes" in job.get("HyperParameters", {})) == bool(program)
    names = {channel["ChannelName"] for channel in job["InputDataConfig"]}
    assert names == ({"train", "code", "sm_drivers"} if program else {"train"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--local", "realtme"),
            "there is no step 'realtme'; the steps are tune, realtime, serverless, batch.",
        ),
        (("--local", "batch", "tune"), "'tune' does not work with --local; leave it out."),
        ((), "--role is missing; give it, or run on this machine with --local."),
        (("--local", "--range=a=1:2"), "--range and --objective need the step 'tune'."),
        (
            ("--local", "--hyperparameter", "max_depth"),
            "argument --hyperparameter: 'max_depth' is not NAME=VALUE",
        ),
        (("--local", "--range=a=1"), "argument --range: 'a=1' is not NAME=LOW:HIGH"),
        (("--local", "--range=a=x:y"), "argument --range: 'a=x:y' is not NAME=LOW:HIGH"),
        (("--local", "--range=1:2"), "argument --range: '1:2' is not NAME=LOW:HIGH"),
    ],
)
def test_example_rejects_arguments_that_do_not_match(
    examples: Examples, arguments: tuple[str, ...], sentence: str
) -> None:
    """The script exits with a message before anything is started."""
    ended = examples.run("sagemaker_sdk.py", "--image", IMAGE, *arguments)

    assert ended.code == 2
    assert ended.err.endswith(f"sagemaker_sdk.py: error: {sentence}\n")


@pytest.mark.parametrize(
    ("version", "file", "words"),
    [
        (2, "sagemaker/local/image.py", "Docker Compose is not installed"),
        (3, "sagemaker/core/helper/iam_role_resolver.py", "RoleValidationError"),
        (3, "sagemaker/core/helper/iam_role_resolver.py", "SAGEMAKER_VALIDATE_ROLE"),
    ],
)
def test_troubleshooting_explains_errors_of_the_sdk(version: int, file: str, words: str) -> None:
    """The page contains the messages of this version of the SDK."""
    (packages,) = interpreter(version).parent.parent.glob("lib/python*/site-packages")

    assert words in PAGES["docs/troubleshooting.md"]
    assert words in (packages / file).read_text(encoding="utf-8")
