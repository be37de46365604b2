"""Random forest of scikit-learn, for classification and regression."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import artifact
from container.training import NOT_TUNABLE, InputOptions, Table, TrainingDataError

_FORESTS = {"classification": RandomForestClassifier, "regression": RandomForestRegressor}


class Hyperparameters(InputOptions):
    """Hyperparameters of a job, in addition to those of every job (task, label, ...)."""

    n_estimators: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Number of trees."""

    max_depth: Annotated[int, Field(ge=1)] | None = None
    """Maximum depth of a tree."""

    max_features: (
        Annotated[int, Field(ge=1)]
        | Annotated[float, Field(gt=0, le=1)]
        | Literal["sqrt", "log2"]
        | None
    ) = "sqrt"
    """Features to consider for a split: number, fraction, or function of their number."""

    random_state: Annotated[int, Field(ge=0, le=2**32 - 1), NOT_TUNABLE] = 0
    """Seed."""


def fit(table: Table, chosen: Hyperparameters) -> Any:
    """Return a forest; raises TrainingDataError if scikit-learn rejects the rows."""
    forest = _FORESTS[chosen.task](
        n_estimators=chosen.n_estimators,
        max_depth=chosen.max_depth,
        max_features=chosen.max_features,
        random_state=chosen.random_state,
    )
    try:
        return forest.fit(table.features, table.labels, table.weights)
    except ValueError as error:
        raise TrainingDataError(f"scikit-learn rejected the rows: {error}") from error


def evaluate(forest: Any, table: Table) -> Mapping[str, float]:
    """Return accuracy or r2, which is printed as `train:score=` and `validation:score=`."""
    return {"score": forest.score(table.features, table.labels, table.weights)}


def describe(forest: Any) -> Mapping[str, float]:
    """Return the size of the model."""
    return {"leaves": sum(int(tree.get_n_leaves()) for tree in forest.estimators_)}


def save(forest: Any, directory: Path, table: Table, record: Mapping[str, Any]) -> None:
    """Write model.onnx and model.json, which the built-in predictor.py loads."""
    naming = artifact.Naming(table.feature_names, table.libsvm_base)
    artifact.save(forest, directory, table.features, record, naming)
