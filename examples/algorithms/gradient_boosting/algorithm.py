"""Gradient boosted trees of scikit-learn, for classification and regression."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.metrics import log_loss, r2_score, root_mean_squared_error

import artifact
from container.training import InputOptions, Table, TrainingDataError


class Hyperparameters(InputOptions):
    """Hyperparameters of a job, in addition to those of every job (task, label, ...)."""

    n_estimators: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Number of boosting steps."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Weight of each step."""

    max_depth: Annotated[int, Field(ge=1, le=64)] = 3
    """Maximum depth of a tree."""

    subsample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of the rows that each step uses."""


def fit(table: Table, chosen: Hyperparameters) -> Any:
    """Return boosted trees; raises TrainingDataError if scikit-learn rejects the rows."""
    is_regression = chosen.task == "regression"
    trees = (GradientBoostingRegressor if is_regression else GradientBoostingClassifier)(
        n_estimators=chosen.n_estimators,
        learning_rate=chosen.learning_rate,
        max_depth=chosen.max_depth,
        subsample=chosen.subsample,
        random_state=0,
    )
    try:
        return trees.fit(table.features, table.labels, table.weights)
    except ValueError as error:
        raise TrainingDataError(f"scikit-learn rejected the rows: {error}") from error


def evaluate(trees: Any, table: Table) -> Mapping[str, float]:
    """Return the metrics of the task, which are printed as `train:r2=`, `validation:r2=` etc."""
    features, labels, weights = table.features, table.labels, table.weights
    if hasattr(trees, "predict_proba"):
        probabilities = trees.predict_proba(features)
        of_labels = {"labels": trees.classes_, "sample_weight": weights}
        return {
            "accuracy": trees.score(features, labels, weights),
            "log_loss": log_loss(labels, probabilities, **of_labels),
        }
    scores = trees.predict(features)
    return {
        "rmse": root_mean_squared_error(labels, scores, sample_weight=weights),
        "r2": r2_score(labels, scores, sample_weight=weights),
    }


def describe(trees: Any) -> Mapping[str, float]:
    """Return the size of the model."""
    return {"trees": trees.estimators_.size}


def save(trees: Any, directory: Path, table: Table, record: Mapping[str, Any]) -> None:
    """Write model.onnx and model.json, which the built-in predictor.py loads."""
    naming = artifact.Naming(table.feature_names, table.libsvm_base)
    artifact.save(trees, directory, table.features, record, naming)
