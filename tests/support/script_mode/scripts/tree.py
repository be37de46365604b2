"""Decision tree from the examples of AWS's scikit-learn container: pandas, only model_fn."""

import argparse
import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_leaf_nodes", type=int, default=-1)
    parser.add_argument("--output-data-dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", type=str, default=os.environ["SM_CHANNEL_TRAIN"])
    args = parser.parse_args()

    files = sorted(Path(args.train).iterdir())
    table = pd.concat([pd.read_csv(file, header=None, engine="python") for file in files])
    tree = DecisionTreeClassifier(max_leaf_nodes=args.max_leaf_nodes, random_state=0)
    tree.fit(table.iloc[:, 1:], table.iloc[:, 0])
    joblib.dump(tree, Path(args.model_dir) / "model.joblib")


def model_fn(model_dir: str) -> Any:
    """Load the fitted model from the file to which training saved it."""
    return joblib.load(Path(model_dir) / "model.joblib")
