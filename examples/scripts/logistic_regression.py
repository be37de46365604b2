"""Train a logistic regression on a CSV file, and load it to serve."""

import argparse
import os
from typing import Any

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression


def model_fn(model_dir: str) -> Any:
    """Load the model. The container reads requests, calls predict and writes responses."""
    return joblib.load(f"{model_dir}/model.joblib")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-C", type=float, default=1.0)
    parser.add_argument("--training", default=os.environ["SM_CHANNEL_TRAINING"])
    args = parser.parse_args()
    table = pd.read_csv(f"{args.training}/leaf_train.csv", header=None)
    model = LogisticRegression(C=args.C, max_iter=1000)
    model.fit(table.iloc[:, 1:].to_numpy(), table[0])
    joblib.dump(model, f"{os.environ['SM_MODEL_DIR']}/model.joblib")
