"""Pipeline of scikit-learn: impute missing cells, scale, logistic regression."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import artifact
from container.training import NOT_TUNABLE, InputOptions, Table, TrainingDataError


class Hyperparameters(InputOptions):
    """Hyperparameters of a job, in addition to those of every job (label, header, ...)."""

    task: Annotated[Literal["classification"], NOT_TUNABLE] = "classification"
    """What to predict."""

    strategy: Literal["mean", "median", "most_frequent"] = "mean"
    """Replacement of missing cells, for each column."""

    C: Annotated[float, Field(gt=0)] = 1.0
    """Inverse of the regularization strength."""

    max_iter: Annotated[int, Field(ge=1)] = 1000
    """Maximum number of steps of the solver."""


def fit(table: Table, chosen: Hyperparameters) -> Any:
    """Return a pipeline; raises TrainingDataError if scikit-learn rejects the rows."""
    pipeline = make_pipeline(
        SimpleImputer(strategy=chosen.strategy, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=chosen.C, max_iter=chosen.max_iter),
    )
    weights = {"logisticregression__sample_weight": table.weights}
    try:
        return pipeline.fit(table.features, table.labels, **weights)
    except ValueError as error:
        raise TrainingDataError(f"scikit-learn rejected the rows: {error}") from error


def evaluate(pipeline: Any, table: Table) -> Mapping[str, float]:
    """Return metrics, which are printed as `train:accuracy=`, `validation:log_loss=` etc."""
    probabilities = pipeline.predict_proba(table.features)
    of_labels = {"labels": pipeline.classes_, "sample_weight": table.weights}
    return {
        "accuracy": pipeline.score(table.features, table.labels, table.weights),
        "log_loss": log_loss(table.labels, probabilities, **of_labels),
    }


def describe(pipeline: Any) -> Mapping[str, float]:
    """Return the number of steps of the solver."""
    return {"steps": int(pipeline[-1].n_iter_.max())}


def save(pipeline: Any, directory: Path, table: Table, record: Mapping[str, Any]) -> None:
    """Write model.onnx and model.json, which the built-in predictor.py loads."""
    naming = artifact.Naming(table.feature_names, table.libsvm_base)
    artifact.save(pipeline, directory, table.features, record, naming)
