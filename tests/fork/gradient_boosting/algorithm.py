"""What is trained: gradient boosted regression trees, of scikit-learn."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import r2_score, root_mean_squared_error

from artifact import export
from container.data.table import Table
from container.errors import TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.hyperparameters.loader import hyperparameter
from container.value_types import Choice, Integer, Number


@dataclass(frozen=True)
class Hyperparameters(InputOptions):
    """The hyperparameters of a job: those of every job (label, header, ...), and these."""

    task: str = hyperparameter(
        Choice("regression"), default="regression", doc="What is learnt.", tunable=False
    )
    n_estimators: int = hyperparameter(Integer(1, 10_000), default=100, doc="Number of trees.")
    learning_rate: float = hyperparameter(
        Number(0, 1, excluded=True), default=0.1, doc="Part of its correction that each tree makes."
    )
    max_depth: int = hyperparameter(Integer(1, 64), default=3, doc="Largest depth of a tree.")
    subsample: float = hyperparameter(
        Number(0, 1, excluded=True), default=1.0, doc="Part of the rows that each tree sees."
    )


def fit(table: Table, chosen: Hyperparameters) -> Any:
    """Return trees boosted on `table`; raises TrainingDataError for rows that they cannot use."""
    regressor = GradientBoostingRegressor(
        n_estimators=chosen.n_estimators,
        learning_rate=chosen.learning_rate,
        max_depth=chosen.max_depth,
        subsample=chosen.subsample,
        random_state=0,
    )
    try:
        return regressor.fit(table.features, table.labels, table.weights)
    except ValueError as error:
        raise TrainingDataError(f"scikit-learn refuses these rows: {error}") from error


def evaluate(regressor: Any, table: Table) -> Mapping[str, float]:
    """Return the metrics of `regressor` on `table`."""
    found, weights = regressor.predict(table.features), table.weights
    return {
        "rmse": root_mean_squared_error(table.labels, found, sample_weight=weights),
        "r2": r2_score(table.labels, found, sample_weight=weights),
    }


def describe(regressor: Any) -> Mapping[str, float]:
    """Return the number of trees."""
    return {"trees": int(regressor.n_estimators_)}


def save(regressor: Any, directory: Path, table: Table, record: Mapping[str, Any]) -> None:
    """Write model.onnx and model.json, which `predictor.py` loads."""
    naming = export.Naming(table.feature_names, table.libsvm_base)
    export.save(regressor, directory, table.features, record, naming)
