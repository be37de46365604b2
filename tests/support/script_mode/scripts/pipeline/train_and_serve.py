"""Pipeline with a step from another module, and transform_fn instead of three functions."""

import io
import json
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from ratios import with_ratios  # type: ignore[import-not-found]
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


def main() -> None:
    """Train with all options from the environment."""
    parameters = json.loads(os.environ["SM_HPS"])
    (channel,) = json.loads(os.environ["SM_CHANNELS"])
    directory = Path(os.environ[f"SM_CHANNEL_{channel.upper()}"])
    table = np.loadtxt(next(directory.glob("*.csv")), delimiter=",", dtype=str)
    model = make_pipeline(
        FunctionTransformer(with_ratios), StandardScaler(), LogisticRegression(C=parameters["C"])
    )
    model.fit(table[:, 1:].astype(np.float64), table[:, 0])
    joblib.dump({"model": model, "args": parameters}, Path(os.environ["SM_MODEL_DIR"]) / "all.job")


def model_fn(model_dir: str) -> Any:
    """Return the model and its hyperparameters."""
    return joblib.load(Path(model_dir) / "all.job")


def transform_fn(model: Any, body: str, content_type: str, accept: str) -> tuple[str, str]:
    """Return probabilities as CSV."""
    rows = np.loadtxt(io.StringIO(body), delimiter=",", ndmin=2)
    probabilities = model["model"].predict_proba(rows).round(4)
    return "\n".join(",".join(map(str, row)) for row in probabilities.tolist()), "text/csv"


if __name__ == "__main__":
    main()
