"""Example of argument parsing from the SageMaker Containers toolkit, with a model."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import SGDClassifier


def load(directory: str) -> tuple[Any, Any]:
    """Read all files of a channel, with the label first."""
    parts = [np.loadtxt(file, delimiter=",", dtype=str) for file in Path(directory).iterdir()]
    table = np.concatenate(parts)
    return table[:, 1:].astype(np.float64), table[:, 0]


def train(args: argparse.Namespace) -> None:
    """Train a linear model and write a report."""
    features, labels = load(args.training)
    model = SGDClassifier(
        alpha=args.learning_rate, max_iter=args.epochs, tol=None, random_state=0
    ).fit(features, labels)
    accuracy = model.score(*load(args.testing))
    report = {"accuracy": accuracy, "batch-size": args.batch_size, "hosts": args.hosts}
    (Path(args.output_data_dir) / "report.json").write_text(json.dumps(report))
    joblib.dump(model, Path(args.model_dir) / "model.joblib")


def model_fn(model_dir: str) -> Any:
    """Load the model."""
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(request_body: str, request_content_type: str) -> Any:
    """Decode JSON; refuse other types."""
    if request_content_type != "application/json":
        raise ValueError(f"{request_content_type} is not supported by this script")
    return np.array(json.loads(request_body)["rows"])


def predict_fn(input_data: Any, model: Any) -> Any:
    """Return labels and decision values."""
    return model.predict(input_data), model.decision_function(input_data)


def output_fn(prediction: Any, accept: str) -> tuple[str, str]:
    """Encode JSON for any Accept header."""
    labels, scores = prediction
    answers = [
        {"label": str(label), "score": float(max(row))}
        for label, row in zip(labels, scores, strict=True)
    ]
    return json.dumps({"answers": answers}), "application/json"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()

    # hyperparameters sent by the client are passed as command-line arguments to the script.
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1)
    parser.add_argument("--communicator", type=str)
    parser.add_argument("--frequency", type=int, default=20)

    # an alternative way to load hyperparameters via SM_HPS environment variable.
    parser.add_argument("--sm-hps", type=json.loads, default=os.environ["SM_HPS"])

    # input data and model directories
    parser.add_argument("--hosts", type=json.loads, default=os.environ["SM_HOSTS"])
    parser.add_argument("--output-data-dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--training", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--testing", type=str, default=os.environ["SM_CHANNEL_TESTING"])

    train(parser.parse_args())
