"""Train a logistic regression on a CSV file, and load it to serve."""

import argparse
import os
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression


def model_fn(model_dir: str) -> Any:
    """Load the model. The container reads requests, calls predict and writes responses."""
    return joblib.load(f"{model_dir}/model.joblib")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--training", default=os.environ["SM_CHANNEL_TRAINING"])
    args = parser.parse_args()
    table = np.loadtxt(f"{args.training}/leaf_train.csv", delimiter=",", dtype=str)
    features, labels = table[:, 1:].astype(np.float64), table[:, 0]
    model = LogisticRegression(C=args.C, max_iter=1000).fit(features, labels)
    joblib.dump(model, f"{os.environ['SM_MODEL_DIR']}/model.joblib")
