#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["sagemaker >= 3"]
# ///
"""Train with the SageMaker Python SDK, version 3: the algorithm of the image, or your program.

usage: model_trainer.py --image URI --role ARN --region REGION [--program FILE]   on AWS
       model_trainer.py --image IMAGE --local [--program FILE]                    on this machine

With --program, the SDK uploads the directory of the file and runs the file in the image instead of
`train`. The program can import the packages of the image, and those that a requirements.txt next to
it names.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.model_trainer import Mode

LOCAL_TEST = Path(__file__).resolve().parent.parent / "local_test"
LOCAL_ROLE = "arn:aws:iam::123456789012:role/nobody"  # local mode needs one, but does not use it
NO_KEYS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}


def trainer(arguments: argparse.Namespace) -> ModelTrainer:
    """Return a trainer that uses the image."""
    return ModelTrainer(
        training_image=arguments.image,
        source_code=source_code(arguments.program),
        hyperparameters=dict(arguments.hyperparameter),
        base_job_name="decision-trees",
        **(locally(arguments.output) if arguments.local else on_aws(arguments)),
    )


def source_code(program: Path | None) -> SourceCode | None:
    """Return the code to run instead of `train`; None without a program."""
    if program is None:
        return None
    return SourceCode(source_dir=str(program.resolve().parent), entry_script=program.name)


def locally(output: str | None) -> dict[str, Any]:
    """Return the arguments of a job on this machine, which writes compressed_artifacts/."""
    return {
        "sagemaker_session": Session(boto3.DEFAULT_SESSION),
        "training_mode": Mode.LOCAL_CONTAINER,
        "compute": Compute(instance_type="local_cpu", instance_count=1),
        "role": LOCAL_ROLE,
        "local_container_root": str(Path(output or tempfile.mkdtemp()).resolve()),
    }


def on_aws(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a job on AWS; its data, code and model go to --output."""
    bucket, _, prefix = (arguments.output or "").removeprefix("s3://").strip("/").partition("/")
    return {
        "sagemaker_session": Session(
            boto3.DEFAULT_SESSION,
            default_bucket=bucket or None,
            default_bucket_prefix=prefix or None,
        ),
        "compute": Compute(instance_type="ml.m5.large", instance_count=1),
        "role": arguments.role,
    }


def hyperparameter(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return name, value


def parse() -> argparse.Namespace:
    """Return the arguments; exit with a message if they do not fit together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--image", required=True, help="on AWS, the URI that build_and_push.sh printed"
    )
    parser.add_argument("--role", help="ARN of the execution role")
    parser.add_argument("--region", default="us-east-1", help="AWS region (default: us-east-1)")
    parser.add_argument("--local", action="store_true", help="run a container on this machine")
    parser.add_argument("--output", help="where to write: s3://BUCKET/PREFIX or a directory")
    parser.add_argument("--training", type=Path, help="directory of the training data")
    parser.add_argument("--program", type=Path, help="Python file to run instead of `train`")
    parser.add_argument(
        "--hyperparameter",
        type=hyperparameter,
        action="append",
        metavar="NAME=VALUE",
        help="set a hyperparameter; may be repeated",
    )
    parser.set_defaults(training=LOCAL_TEST / "test_dir/input/data/training", hyperparameter=[])
    arguments = parser.parse_args()
    if not (arguments.local or arguments.role):
        parser.error("--role is missing; give it, or run on this machine with --local.")
    return arguments


def main() -> None:
    """Train."""
    arguments = parse()
    keys = NO_KEYS if arguments.local else {}
    boto3.setup_default_session(region_name=arguments.region, **keys)
    channel = InputData(channel_name="train", data_source=str(arguments.training.resolve()))
    trainer(arguments).train(input_data_config=[channel])


if __name__ == "__main__":
    main()
