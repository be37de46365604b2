#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["sagemaker < 3"]
# ///
"""Train, tune, deploy and transform with the SageMaker Python SDK, version 2.

usage: sagemaker_sdk.py --image URI --role ARN --region REGION [STEP...]   on AWS
       sagemaker_sdk.py --image IMAGE --local [STEP...]                    on this machine

Without steps, the script only trains. With `tune` it trains several times and keeps the best
model. The other steps use the model: `realtime` and `serverless` deploy an endpoint, send rows to
it and delete it; `batch` runs a batch transform.
"""

import argparse
import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import CSVSerializer, JSONSerializer, NumpySerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.session import Session
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter
from sagemaker.utils import name_from_base

LOCAL_TEST = Path(__file__).resolve().parent.parent / "local_test"
LOCAL_ROLE = "arn:aws:iam::123456789012:role/nobody"  # local mode needs one, but does not use it
NO_KEYS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
NAME = "decision-trees"  # the SDK's default name is not valid if the image's URI has a digest
STEPS = ("tune", "realtime", "serverless", "batch")
AWS_ONLY = ("tune", "serverless")
METRICS = [
    f"{rows}:{metric}"
    for rows in ("train", "validation")
    for metric in ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc")
]
# What `tune` does by default, for the decision tree of this image.
OBJECTIVE = "validation:accuracy"
RANGES = {"max_depth": IntegerParameter(1, 12), "min_samples_leaf": IntegerParameter(1, 20)}
FORMATS = {
    "csv": (CSVSerializer(), CSVDeserializer()),
    "json": (JSONSerializer(), JSONDeserializer()),
    "npy": (NumpySerializer(), JSONDeserializer()),
}

logger = logging.getLogger("sagemaker_sdk")


class Account:
    """Where jobs run: an AWS account, or with --local the Docker engine of this machine."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        keys = NO_KEYS if arguments.local else {}
        boto3.setup_default_session(region_name=arguments.region, **keys)
        self.image: str = arguments.image
        self.local: bool = arguments.local
        self.role: str = arguments.role or LOCAL_ROLE
        self.instances: int = arguments.instances
        self.hyperparameters = dict(arguments.hyperparameter)
        self.metrics = definitions(arguments.objective)
        if self.local:
            self._directory = Path(arguments.output or tempfile.mkdtemp()).resolve()
            self.session = LocalSession(boto3.DEFAULT_SESSION)
            self.session.config = {
                "local": {
                    "local_code": True,  # read and write files, not S3
                    "container_root": str(self._directory),
                    "serving_port": arguments.port,
                }
            }
        else:
            self.session = Session(boto3.DEFAULT_SESSION)
            self._prefix = arguments.output or f"s3://{self.session.default_bucket()}/{NAME}"

    @property
    def instance_type(self) -> str:
        """The smallest type that training, endpoints and batch transform have in common."""
        return "local" if self.local else "ml.m5.large"

    def source(self, path: Path) -> str:
        """Return the URI of a file or directory; on AWS, upload it first."""
        if self.local:
            return path.resolve().as_uri()
        prefix = self.destination(f"input/{path.stem}")
        uri: str = S3Uploader.upload(str(path), prefix, sagemaker_session=self.session)
        return uri

    def destination(self, name: str) -> str:
        """Return the URI of a directory to write to."""
        if not self.local:
            return f"{self._prefix.rstrip('/')}/{name}"
        directory = self._directory / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory.as_uri()

    def estimator(self, **defaults: str) -> Estimator:
        """Return an estimator that trains on this image; --hyperparameter overrides `defaults`."""
        return Estimator(
            image_uri=self.image,
            role=self.role,
            base_job_name=NAME,
            instance_count=self.instances,
            instance_type=self.instance_type,
            hyperparameters=defaults | self.hyperparameters,
            metric_definitions=self.metrics,
            output_path=self.destination("models"),
            sagemaker_session=self.session,
        )

    def model(self, data: str) -> Model:
        """Return a model that serves a model.tar.gz with this image."""
        return Model(
            image_uri=self.image,
            model_data=data,
            name=name_from_base(NAME),
            role=self.role,
            predictor_cls=Predictor,
            sagemaker_session=self.session,
        )


def definitions(objective: str) -> list[dict[str, str]]:
    """Return how SageMaker finds the metrics in the log; a name that no job prints does no harm."""
    names = [*METRICS, *({objective} - set(METRICS))]
    return [{"Name": name, "Regex": f"{name}=(.*?);"} for name in names]


def train(account: Account, training: Path) -> str:
    """Train once; return the URI of the model.tar.gz."""
    estimator = account.estimator()
    estimator.fit({"training": account.source(training)}, logs="All" if account.local else "None")
    data: str = estimator.model_data
    return data


def tune(account: Account, training: Path, objective: str, ranges: Mapping[str, Any]) -> str:
    """Train eight times, two at a time; return the URI of the model.tar.gz of the best job."""
    tuner = HyperparameterTuner(
        account.estimator(validation_fraction="0.3"),
        objective_metric_name=objective,
        hyperparameter_ranges=dict(ranges),
        metric_definitions=account.metrics,
        base_tuning_job_name=NAME,
        max_jobs=8,
        max_parallel_jobs=2,
    )
    tuner.fit({"training": account.source(training)})
    data: str = tuner.best_estimator().model_data
    return data


def realtime(account: Account, model: Model, rows: Path) -> None:
    """Send rows to an endpoint on an instance."""
    predictor = model.deploy(initial_instance_count=1, instance_type=account.instance_type)
    ask_and_delete(predictor, rows)


def serverless(model: Model, rows: Path) -> None:
    """Send rows to a serverless endpoint, which costs nothing between requests."""
    memory = ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=5)
    ask_and_delete(model.deploy(serverless_inference_config=memory), rows)


def ask_and_delete(predictor: Predictor, rows: Path) -> None:
    """Log the predictions for all rows in each format, and probabilities; delete the endpoint."""
    features = np.loadtxt(rows, delimiter=",", ndmin=2)
    try:
        for name, (predictor.serializer, predictor.deserializer) in FORMATS.items():
            reply = predictor.predict(serializable(name, features))
            tell(f"{name} labels", predictions_of(reply))
        if "predicted_label" in reply["predictions"][0]:  # not a regression
            wanted = {"custom_attributes": "output=probabilities"}
            tell("probabilities", predictor.predict(features, **wanted)["predictions"])
    finally:
        predictor.delete_endpoint()


def serializable(name: str, features: Any) -> Any:
    """Return rows as the serializer of a format accepts them: JSON has no arrays."""
    return features if name == "npy" else features.tolist()


def predictions_of(reply: Any) -> list[Any]:
    """Return the label or score of each row, from parsed CSV or JSON."""
    if isinstance(reply, dict):
        return [prediction for row in reply["predictions"] for prediction in row.values()]
    return [prediction for (prediction,) in reply]


def tell(what: str, predictions: object) -> None:
    """Log predictions as one line of JSON."""
    logger.info("%s: %s", what, json.dumps(predictions))


def batch(account: Account, model: Model, rows: Path, strategy: str | None) -> None:
    """Predict every line of a file; the results are in a file of the same name with .out added."""
    transformer = model.transformer(
        instance_count=1,
        instance_type=account.instance_type,
        strategy=strategy,  # None: as /execution-parameters says, or MultiRecord
        accept="text/csv",
        output_path=account.destination("batch"),
    )
    transformer.transform(
        account.source(rows), content_type="text/csv", split_type="Line", wait=True, logs=False
    )
    logger.info("batch: %s/%s.out", transformer.output_path, rows.name)


def hyperparameter(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return name, value


def search_range(text: str) -> tuple[str, Any]:
    """Parse NAME=LOW:HIGH; if both bounds are whole numbers, so are the values that are tried."""
    try:
        name, bounds = hyperparameter(text)
        low, high = bounds.split(":")
        if low.isdecimal() and high.isdecimal():
            return name, IntegerParameter(int(low), int(high))
        return name, ContinuousParameter(float(low), float(high))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=LOW:HIGH") from error


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    add("--image", required=True, help="image; on AWS, the URI that build_and_push.sh printed")
    add("--role", help="ARN of the execution role")
    add("--region", default="us-east-1", help="AWS region (default: us-east-1)")
    add("--local", action="store_true", help="run containers on this machine")
    add("--instances", type=int, default=1, help="number of hosts of a training job")
    add("--port", type=int, default=8080, help="port of a local endpoint")
    add("--output", help="where to write: s3://BUCKET/PREFIX, or a directory with --local")
    add("--model-data", help="URI of a model.tar.gz to use instead of training")
    add("--training", type=Path, help="directory of the training data")
    add("--rows", type=Path, help="CSV file of rows to predict")
    add("--strategy", choices=["MultiRecord", "SingleRecord"], help="of the batch transform")
    add(
        "--hyperparameter",
        type=hyperparameter,
        action="append",
        metavar="NAME=VALUE",
        help="set a hyperparameter; may be repeated",
    )
    add(
        "--range",
        type=search_range,
        action="append",
        metavar="NAME=LOW:HIGH",
        help="tune this hyperparameter; may be repeated",
    )
    add("--objective", help=f"metric that `tune` maximizes (default: {OBJECTIVE})")
    parser.set_defaults(training=LOCAL_TEST / "test_dir/input/data/training")
    parser.set_defaults(rows=LOCAL_TEST / "payload.csv", hyperparameter=[])
    return parser


def parse() -> argparse.Namespace:
    """Return the arguments; exit with a message if they do not fit together."""
    parser = make_parser()
    arguments = parser.parse_intermixed_args()  # steps may be before, between and after options
    for step in arguments.steps:
        if step not in STEPS:
            parser.error(f"there is no step '{step}'; the steps are {', '.join(STEPS)}.")
        if arguments.local and step in AWS_ONLY:
            parser.error(f"'{step}' does not work with --local; leave it out.")
    if not (arguments.local or arguments.role):
        parser.error("--role is missing; give it, or run on this machine with --local.")
    if (arguments.range or arguments.objective) and "tune" not in arguments.steps:
        parser.error("--range and --objective need the step 'tune'.")
    arguments.objective = arguments.objective or OBJECTIVE
    return arguments


def main() -> None:
    """Train or tune, then run the other steps."""
    arguments = parse()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    account = Account(arguments)
    data = arguments.model_data or make_model(account, arguments)
    logger.info("model: %s", data)
    model = account.model(data)
    if "realtime" in arguments.steps:
        realtime(account, model, arguments.rows)
    if "serverless" in arguments.steps:
        serverless(model, arguments.rows)
    if "batch" in arguments.steps:
        batch(account, model, arguments.rows, arguments.strategy)


def make_model(account: Account, arguments: argparse.Namespace) -> str:
    """Train or tune; return the URI of the model.tar.gz."""
    if "tune" not in arguments.steps:
        return train(account, arguments.training)
    ranges = dict(arguments.range or RANGES)
    return tune(account, arguments.training, arguments.objective, ranges)


if __name__ == "__main__":
    main()
