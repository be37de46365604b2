"""Decision trees of scikit-learn. To bring your own algorithm, edit this file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

import artifact
from container.training import NOT_TUNABLE, Dataset, InputOptions, Table
from trees import decision_tree, engine, engine_choice, evaluation


class Hyperparameters(InputOptions):
    """YOURS: hyperparameters of a job; here those of scikit-learn's decision trees."""

    # YOURS: one field a hyperparameter: its type and range, its default, and its help.
    engine: Annotated[Literal["auto", "exact", "histogram"], NOT_TUNABLE] = "auto"
    """Engine that grows the tree: exact is scikit-learn on one core, histogram is XGBoost on all
    cores; auto takes histogram from 400,000 rows on, if it can do the job."""

    max_bins: Annotated[int, Field(ge=2, le=65_536), NOT_TUNABLE] = 256
    """Maximum number of distinct values of a feature for histogram."""

    criterion: decision_tree.Criterion | None = None
    """Measure of the quality of a split. The first three are for classification, the others for
    regression; None means gini or squared_error."""

    splitter: Literal["best", "random"] = "best"
    """Strategy to choose a split."""

    max_depth: Annotated[int, Field(ge=1)] | None = None
    """Maximum depth of the tree."""

    min_samples_split: Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0, le=1)] = 2
    """Minimum number of rows to split a node: count, or fraction of all."""

    min_samples_leaf: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = 1
    """Minimum number of rows of a leaf: count, or fraction of all."""

    min_weight_fraction_leaf: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Minimum weight of a leaf, as a fraction of all weights."""

    max_features: (
        Annotated[int, Field(ge=1)]
        | Annotated[float, Field(gt=0, le=1)]
        | Literal["sqrt", "log2"]
        | None
    ) = None
    """Features to consider for a split: count, fraction, or function of their number."""

    random_state: Annotated[Annotated[int, Field(ge=0, le=2**32 - 1)] | None, NOT_TUNABLE] = 0
    """Seed; the same seed and data give the same model."""

    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = None
    """Maximum number of leaves, grown best first."""

    min_impurity_decrease: Annotated[float, Field(ge=0)] = 0.0
    """Minimum gain of a split."""

    class_weight: decision_tree.ClassWeight | None = None
    """Weight of each label, for classification."""

    ccp_alpha: Annotated[float, Field(ge=0)] = 0.0
    """Cost of a leaf when the tree is pruned."""

    monotonic_cst: decision_tree.MonotonicCst | None = None
    """Whether predictions may only decrease (-1) or increase (1) with each feature; 0 is both."""


def fit(table: Table, chosen: Hyperparameters) -> Any:
    """Return a tree grown on `table`: a DecisionTreeClassifier or a DecisionTreeRegressor.

    Raises:
        TrainingDataError: the labels are not classes.
        HyperparameterError: hyperparameters do not fit the task, each other or the data.
    """
    # YOURS: another estimator; any that skl2onnx converts can be served.
    tree = decision_tree.of_job(chosen.model_dump(), np.unique(table.labels), len(table))
    is_weighted = table.weights is not None
    if engine_choice.takes_histogram(chosen.engine, tree, len(table), is_weighted):
        dataset = Dataset.of_table(table, chosen.labels_are_numbers)
        return engine.fit(tree, dataset, chosen.max_bins)
    return decision_tree.fit(tree, table)


def evaluate(tree: Any, table: Table) -> Mapping[str, float]:
    """Return the metrics of `tree` on `table` by name, with the weights of the rows."""
    # YOURS: other metrics; each is printed as `train:NAME=VALUE;` or `validation:NAME=VALUE;`.
    return evaluation.of_table(tree, table)


def describe(tree: Any) -> Mapping[str, float]:
    """Return the size of the tree."""
    # YOURS: other numbers that describe the model, or none.
    return {"depth": tree.get_depth(), "leaves": int(tree.get_n_leaves())}


def save(tree: Any, directory: Path, table: Table, record: Mapping[str, Any]) -> None:
    """Write the artifact into `directory`, from which `predictor.py` loads it."""
    base = 1 if table.libsvm_base is None else table.libsvm_base
    naming = artifact.Naming(table.feature_names, base)
    artifact.save(tree, directory, table.features, record, naming)


# The functions below train on several hosts, or on more rows than fit in memory. Leave all three
# out if your algorithm needs all rows at once: jobs of several hosts are refused then.


def takes_dataset(chosen: Hyperparameters, n_rows: int) -> bool:
    """Return whether `fit_dataset` may replace `fit` for this number of rows or more."""
    tree = decision_tree.unfitted(chosen.model_dump())
    return engine_choice.takes_batches(chosen.engine, tree, n_rows, chosen.weight is not None)


def fit_dataset(dataset: Dataset, chosen: Hyperparameters) -> Any:
    """Return a tree grown on the rows of all hosts, which is the same on all of them."""
    engine_choice.check_batches(chosen.engine, len(dataset.communicator))
    labels = np.zeros(1) if chosen.labels_are_numbers else dataset.classes[0]
    tree = decision_tree.of_job(chosen.model_dump(), labels, len(dataset))
    return engine.fit(tree, dataset, chosen.max_bins)


def evaluate_dataset(tree: Any, dataset: Dataset) -> Mapping[str, float]:
    """Return the metrics of `tree` on the rows of all hosts by name."""
    return evaluation.of_dataset(tree, dataset)
