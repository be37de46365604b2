#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["sagemaker < 3"]
# ///
"""Train, tune, deploy and transform with the SageMaker Python SDK, version 2.

usage: sagemaker_sdk.py --image URI --role ARN --region REGION [STEP...]   on AWS
       sagemaker_sdk.py --image IMAGE --local [STEP...]                    in containers, here

Without steps it trains, and nothing else. Everything that a step has started and that costs money
while nobody uses it is deleted before the step ends.
"""

import argparse
import json
import logging
import tempfile
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
from sagemaker.tuner import HyperparameterTuner, IntegerParameter
from sagemaker.utils import name_from_base

LOCAL_TEST = Path(__file__).resolve().parent.parent / "local_test"
LOCAL_ROLE = "arn:aws:iam::123456789012:role/nobody"  # local mode asks for one, and uses it nowhere
NO_KEYS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
NAME = "decision-trees"  # the SDK would take the image's, which with a digest is no valid name
AWS_ONLY = {"tune", "serverless"}
METRICS = [
    {"Name": f"{rows}:{metric}", "Regex": f"{rows}:{metric}=(.*?);"}
    for rows in ("train", "validation")
    for metric in ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc")
]
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
        if self.local:
            self._directory = Path(arguments.output or tempfile.mkdtemp()).resolve()
            self.session = LocalSession(boto3.DEFAULT_SESSION)
            self.session.config = {
                "local": {
                    "local_code": True,  # data and models stay in files
                    "container_root": str(self._directory),
                    "serving_port": arguments.port,
                }
            }
        else:
            self.session = Session(boto3.DEFAULT_SESSION)
            self._prefix = arguments.output or f"s3://{self.session.default_bucket()}/{NAME}"

    @property
    def instance_type(self) -> str:
        """The smallest that SageMaker has for training, endpoints and batch transform alike."""
        return "local" if self.local else "ml.m5.large"

    def source(self, path: Path) -> str:
        """Return the URI of a file or directory; on AWS it is uploaded first."""
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

    def estimator(self, **hyperparameters: object) -> Estimator:
        """Return what trains on this image."""
        return Estimator(
            image_uri=self.image,
            role=self.role,
            base_job_name=NAME,
            instance_count=self.instances,
            instance_type=self.instance_type,
            hyperparameters=hyperparameters,
            metric_definitions=METRICS,
            output_path=self.destination("models"),
            sagemaker_session=self.session,
        )

    def model(self, data: str) -> Model:
        """Return what serves a model.tar.gz from this image."""
        return Model(
            image_uri=self.image,
            model_data=data,
            name=name_from_base(NAME),
            role=self.role,
            predictor_cls=Predictor,
            sagemaker_session=self.session,
        )


def train(account: Account, training: Path) -> str:
    """Train one tree, and return the URI of its model.tar.gz."""
    estimator = account.estimator(max_leaf_nodes=5)
    estimator.fit({"training": account.source(training)}, logs="All" if account.local else "None")
    data: str = estimator.model_data
    return data


def tune(account: Account, training: Path) -> str:
    """Train eight trees, two at a time, and return the URI of the best one's model.tar.gz."""
    tuner = HyperparameterTuner(
        account.estimator(validation_fraction=0.3),
        objective_metric_name="validation:accuracy",
        hyperparameter_ranges={
            "max_depth": IntegerParameter(1, 12),
            "min_samples_leaf": IntegerParameter(1, 20),
        },
        metric_definitions=METRICS,
        base_tuning_job_name=NAME,
        max_jobs=8,
        max_parallel_jobs=2,
    )
    tuner.fit({"training": account.source(training)})
    data: str = tuner.best_estimator().model_data
    return data


def realtime(account: Account, model: Model, rows: Path) -> None:
    """Ask an endpoint on an instance of its own."""
    predictor = model.deploy(initial_instance_count=1, instance_type=account.instance_type)
    ask_and_delete(predictor, rows)


def serverless(model: Model, rows: Path) -> None:
    """Ask an endpoint that costs nothing while nobody asks."""
    memory = ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=5)
    ask_and_delete(model.deploy(serverless_inference_config=memory), rows)


def ask_and_delete(predictor: Predictor, rows: Path) -> None:
    """Ask for the labels of all rows in each format, and for their probabilities; then clean up."""
    features = np.loadtxt(rows, delimiter=",", ndmin=2)
    try:
        for name, (predictor.serializer, predictor.deserializer) in FORMATS.items():
            tell(f"{name} labels", labels_of(predictor.predict(plain(name, features))))
        wanted = {"custom_attributes": "output=probabilities"}
        tell("probabilities", predictor.predict(features, **wanted)["predictions"])
    finally:
        predictor.delete_endpoint()


def plain(name: str, features: Any) -> Any:
    """Return rows as a serializer takes them: JSON has no arrays."""
    return features if name == "npy" else features.tolist()


def labels_of(answer: Any) -> list[str]:
    """Return the label of each row, from parsed CSV or JSON."""
    if isinstance(answer, dict):
        return [row["predicted_label"] for row in answer["predictions"]]
    return [label for (label,) in answer]


def tell(what: str, answers: object) -> None:
    """Log answers as one line of JSON."""
    logger.info("%s: %s", what, json.dumps(answers))


def batch(account: Account, model: Model, rows: Path, strategy: str | None) -> None:
    """Label every line of a file; beside the rows' name the answers' has the suffix .out."""
    transformer = model.transformer(
        instance_count=1,
        instance_type=account.instance_type,
        strategy=strategy,  # None: what /execution-parameters says, else MultiRecord
        accept="text/csv",
        output_path=account.destination("batch"),
    )
    transformer.transform(
        account.source(rows), content_type="text/csv", split_type="Line", wait=True, logs=False
    )
    logger.info("batch: %s/%s.out", transformer.output_path, rows.name)


def parse() -> argparse.Namespace:
    """Return the arguments, after a check that they fit together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = ["tune", "realtime", "serverless", "batch"]
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(steps))
    parser.add_argument("--image", required=True, help="what build_and_push.sh has printed")
    parser.add_argument("--role", help="ARN of the execution role")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--local", action="store_true", help="run containers on this machine")
    parser.add_argument("--instances", type=int, default=1, help="hosts that train one tree")
    parser.add_argument("--port", type=int, default=8080, help="of a local endpoint")
    parser.add_argument("--output", help="where all goes: s3://BUCKET/PREFIX, or a directory")
    parser.add_argument("--model-data", help="URI of a model.tar.gz: do not train")
    parser.add_argument("--training", type=Path, help="directory of the training channel")
    parser.add_argument("--rows", type=Path, help="CSV file of rows to predict")
    parser.add_argument("--strategy", choices=["MultiRecord", "SingleRecord"], help="of batch")
    parser.set_defaults(training=LOCAL_TEST / "test_dir/input/data/training")
    parser.set_defaults(rows=LOCAL_TEST / "payload.csv")
    arguments = parser.parse_intermixed_args()  # steps may stand before, between and after options
    for step in arguments.steps:
        if step not in steps:
            parser.error(f"there is no step '{step}'; try one of {', '.join(steps)}.")
        if arguments.local and step in AWS_ONLY:
            parser.error(f"local mode has no '{step}'; leave it out.")
    if not (arguments.local or arguments.role):
        parser.error("AWS needs the role that it takes on; give --role, or try --local.")
    return arguments


def main() -> None:
    """Train or tune, and then do what the arguments ask for."""
    arguments = parse()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    account = Account(arguments)
    choose = tune if "tune" in arguments.steps else train
    data = arguments.model_data or choose(account, arguments.training)
    logger.info("model: %s", data)
    model = account.model(data)
    if "realtime" in arguments.steps:
        realtime(account, model, arguments.rows)
    if "serverless" in arguments.steps:
        serverless(model, arguments.rows)
    if "batch" in arguments.steps:
        batch(account, model, arguments.rows, arguments.strategy)


if __name__ == "__main__":
    main()
