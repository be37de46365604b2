"""What is trained: a scikit-learn decision tree. To bring your own algorithm, edit this file."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.base import is_classifier
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact import export
from container.data.dataset import Dataset
from container.data.table import Table
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import is_number
from container.hyperparameters.input_options import NOT_TUNABLE, InputOptions, expected
from trees import engine, evaluation
from trees.engine import refusals

logger = logging.getLogger(__name__)

_ESTIMATORS = {"classification": DecisionTreeClassifier, "regression": DecisionTreeRegressor}
_CRITERIA = {
    "classification": ("gini", "entropy", "log_loss"),
    "regression": ("squared_error", "absolute_error", "poisson"),
}
HISTOGRAM_ROWS = 400_000
"""From here on histogram is not slower than exact at any depth, by benchmarks/histogram.py.

With 28 features, 3 classes and 2 cores: 8 times at depth 6, 6 to 10 times at depth 12, and as
fast without a limit, where exact is faster for 100,000 and 200,000 rows. Accuracies are alike.
"""

_SLICE_ROWS = 65_536
_Weight = Annotated[int | float, Field(ge=0, le=1e100)]  # so that no sum of weights overflows


class Hyperparameters(InputOptions):
    """YOURS: the hyperparameters of a job; here those of scikit-learn's decision trees."""

    # YOURS: one field a hyperparameter: its type and range, its default, a line of help.
    engine: Annotated[Literal["auto", "exact", "histogram"], NOT_TUNABLE] = "auto"
    """What grows the tree: exact is scikit-learn on one core, histogram is XGBoost on all; auto
    takes histogram from 400,000 rows on, where it can do the job."""

    max_bins: Annotated[int, Field(ge=2, le=65_536), NOT_TUNABLE] = 256
    """Values of a feature that histogram tells apart."""

    criterion: (
        Literal["gini", "entropy", "log_loss", "squared_error", "absolute_error", "poisson"] | None
    ) = None
    """What a split improves; the first three are for classification, the others for regression,
    and None means gini or squared_error."""

    splitter: Literal["best", "random"] = "best"
    """How a split is chosen."""

    max_depth: Annotated[int, Field(ge=1)] | None = None
    """Largest depth of the tree."""

    min_samples_split: Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0, le=1)] = 2
    """Rows that a node needs to split: count, or fraction of all."""

    min_samples_leaf: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = 1
    """Rows that a leaf needs: count, or fraction of all."""

    min_weight_fraction_leaf: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Part of all weight that a leaf needs."""

    max_features: (
        Annotated[int, Field(ge=1)]
        | Annotated[float, Field(gt=0, le=1)]
        | Literal["sqrt", "log2"]
        | None
    ) = None
    """Features that a split looks at: count, fraction, or a function of their number."""

    random_state: Annotated[Annotated[int, Field(ge=0, le=2**32 - 1)] | None, NOT_TUNABLE] = 0
    """Seed; the same seed and data give the same model."""

    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = None
    """Largest number of leaves, grown best first."""

    min_impurity_decrease: Annotated[float, Field(ge=0)] = 0.0
    """Gain that a split needs."""

    class_weight: (
        Literal["balanced"]
        | Annotated[
            dict[str, _Weight],
            expected('a JSON object of labels and weights such as {"setosa": 1, "virginica": 4}'),
        ]
        | None
    ) = None
    """Weight of each label, for classification."""

    ccp_alpha: Annotated[float, Field(ge=0)] = 0.0
    """Cost of a leaf when the tree is pruned."""

    monotonic_cst: (
        Annotated[
            list[Annotated[int, Field(ge=-1, le=1)]],
            expected("a JSON list of -1, 0 and 1, one for each feature"),
        ]
        | None
    ) = None
    """Whether the prediction may only fall (-1) or rise (1) with each feature."""


def fit(table: Table, chosen: Hyperparameters) -> Any:
    """Return a tree grown on `table`: a DecisionTreeClassifier or a DecisionTreeRegressor.

    Raises:
        TrainingDataError: the labels are no classes.
        HyperparameterError: hyperparameters do not fit the task, each other or the data.
    """
    # YOURS: another estimator; any that skl2onnx converts can be served.
    estimator = _estimator(chosen, np.unique(table.labels), len(table))
    if _takes_histogram(chosen.engine, estimator, table):
        rows = Dataset.of_table(table, chosen.labels_are_numbers)
        return engine.fit(estimator, rows, chosen.max_bins)
    try:
        return estimator.fit(table.features, table.labels, sample_weight=table.weights)
    except ValueError as error:
        raise HyperparameterError(f"scikit-learn refuses this job: {error}") from error


def takes_dataset(chosen: Hyperparameters, n_rows: int) -> bool:
    """Say whether so many rows or more may come in batches: for histogram they may."""
    if chosen.engine == "auto":
        if n_rows < HISTOGRAM_ROWS:
            return False
        estimator = _ESTIMATORS[chosen.task]()
        given = chosen.model_dump() | {"criterion": chosen.criterion or _CRITERIA[chosen.task][0]}
        estimator.set_params(**{n: given[n] for n in estimator.get_params() if n in given})
        return not refusals(estimator, chosen.weight is not None)
    return chosen.engine == "histogram"


def fit_dataset(dataset: Dataset, chosen: Hyperparameters) -> Any:
    """Return a tree grown on rows of several hosts or beyond memory; `fit` says what is raised.

    Leave this, `takes_dataset` and `evaluate_dataset` out where an algorithm needs all rows at
    once: jobs of several hosts are refused then.
    """
    n_hosts = len(dataset.communicator)
    if chosen.engine == "exact":
        raise HyperparameterError(
            f"The engine exact grows a tree on one host, and the job has {n_hosts}; set "
            "the number of instances to 1, or engine to histogram."
        )
    labels = np.zeros(1) if chosen.labels_are_numbers else dataset.classes[0]
    estimator = _estimator(chosen, labels, len(dataset))
    if chosen.engine == "auto":
        reason = f"{n_hosts} hosts" if n_hosts > 1 else "rows beyond memory"
        logger.info("engine: histogram, for %s", reason)
    return engine.fit(estimator, dataset, chosen.max_bins)


def evaluate(estimator: Any, table: Table) -> Mapping[str, float]:
    """Return the metrics of `estimator` on `table` by name, with the weights of its rows."""
    if table.weights is not None and not table.weights.any():
        return {}  # no row counts
    # YOURS: other metrics; each is printed as `train:NAME=VALUE;`, or `validation:NAME=VALUE;`.
    if not is_classifier(estimator):
        return _of_numbers(table, estimator.predict(table.features))
    labels = np.searchsorted(estimator.classes_, table.labels)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    return _of_classes(labels, weights, lambda rows: estimator.predict_proba(table.features[rows]))


def evaluate_dataset(estimator: Any, dataset: Dataset) -> Mapping[str, float]:
    """Return the same metrics of a tree over the rows of all hosts."""
    if not is_classifier(estimator):
        return evaluation.of_numbers(estimator, dataset)
    found = evaluation.cells(estimator, dataset)
    if not len(found.labels):
        return {}
    return _of_classes(found.labels, found.weights, lambda rows: found.probabilities[rows])


def describe(estimator: Any) -> Mapping[str, float]:
    """Return the size of the tree."""
    # YOURS: whatever is worth a number; it may be nothing.
    return {"depth": estimator.get_depth(), "leaves": int(estimator.get_n_leaves())}


def save(estimator: Any, directory: Path, table: Table, record: Mapping[str, Any]) -> None:
    """Write the artifact into `directory`: what `predictor.py` loads."""
    base = 1 if table.libsvm_base is None else table.libsvm_base
    naming = export.Naming(table.feature_names, base)
    export.save(estimator, directory, table.features, record, naming)


def _estimator(chosen: Hyperparameters, labels: NDArray[Any], n_rows: int) -> Any:
    """Return the estimator for a job, not fitted; `labels` are all that there are."""
    if chosen.task == "classification":
        _check_classes(labels, n_rows)
    estimator = _ESTIMATORS[chosen.task]()
    arguments = _arguments(chosen, labels, n_rows)
    known = estimator.get_params()
    return estimator.set_params(**{name: arguments[name] for name in known if name in arguments})


def _arguments(chosen: Hyperparameters, labels: NDArray[Any], n_rows: int) -> dict[str, Any]:
    """Return the hyperparameters as estimators take them, and others."""
    if chosen.criterion not in (None, *_CRITERIA[chosen.task]):
        raise HyperparameterError(
            f"The criterion {chosen.criterion} is not for {chosen.task}; choose one of "
            f"{', '.join(_CRITERIA[chosen.task])}, or another task."
        )
    if chosen.class_weight is not None and chosen.task != "classification":
        raise HyperparameterError(
            f"class_weight is {chosen.class_weight!r}, but {chosen.task} has no classes; name a "
            "column of weights with the hyperparameter weight."
        )
    given = chosen.model_dump()
    given["criterion"] = chosen.criterion or _CRITERIA[chosen.task][0]
    if chosen.max_leaf_nodes is not None:  # scikit-learn reserves memory for so many
        given["max_leaf_nodes"] = min(chosen.max_leaf_nodes, max(2, n_rows))
    if isinstance(chosen.class_weight, dict):
        given["class_weight"] = _by_label(chosen.class_weight, labels)
    return given


def _takes_histogram(asked: str, estimator: Any, table: Table) -> bool:
    """Choose the engine, and log which and why unless the job has chosen."""
    if asked != "auto":
        return asked == "histogram"
    if len(table) < HISTOGRAM_ROWS:
        logger.info("engine: exact, for fewer than %d rows", HISTOGRAM_ROWS)
        return False
    refused = refusals(estimator, table.weights is not None)
    if refused:
        logger.info("engine: exact, since histogram cannot do this: %s", "; ".join(refused))
        return False
    logger.info("engine: histogram, for %d rows or more", HISTOGRAM_ROWS)
    return True


def _of_classes(
    labels: NDArray[np.intp],
    weights: NDArray[np.float64],
    probabilities_of: Callable[[slice], NDArray[np.float64]],
) -> dict[str, float]:
    """Return the metrics of rows; labels are indices of the classes, one with a weight at least."""
    # Probabilities are made for some rows at a time: with all of them at once, the metrics of a
    # large table need more memory than its fit.
    found, last = np.empty(len(labels), dtype=np.intp), np.empty(len(labels))
    loss = 0.0
    for start in range(0, len(labels), _SLICE_ROWS):
        rows = slice(start, start + _SLICE_ROWS)
        probabilities = probabilities_of(rows)
        indices = range(probabilities.shape[1])
        found[rows], last[rows] = probabilities.argmax(axis=1), probabilities[:, -1]
        if weights[rows].any():
            loss += log_loss(
                labels[rows],
                probabilities,
                labels=indices,
                sample_weight=weights[rows],
                normalize=False,
            )
    present, macro = np.unique(labels[weights > 0]), {"average": "macro", "zero_division": 0.0}
    metrics = {
        "accuracy": accuracy_score(labels, found, sample_weight=weights),
        "balanced_accuracy": recall_score(
            labels, found, labels=present, sample_weight=weights, **macro
        ),
        "f1_macro": f1_score(labels, found, sample_weight=weights, **macro),
        "log_loss": loss / weights.sum(),
    }
    if len(indices) == len(present) == 2:
        metrics["roc_auc"] = roc_auc_score(labels, last, sample_weight=weights)
    return {name: float(value) for name, value in metrics.items()}


def _of_numbers(table: Table, found: NDArray[np.float64]) -> dict[str, float]:
    weighted = {"sample_weight": table.weights}
    metrics = {
        "rmse": root_mean_squared_error(table.labels, found, **weighted),
        "mae": mean_absolute_error(table.labels, found, **weighted),
    }
    if len(table) > 1:
        metrics["r2"] = r2_score(table.labels, found, **weighted)
    return {name: float(value) for name, value in metrics.items()}


def _check_classes(distinct: NDArray[Any], n_rows: int) -> None:
    """Refuse labels that are no classes; raises TrainingDataError."""
    labels = distinct.tolist()
    if len(labels) == 1:
        raise TrainingDataError(
            f"All {n_rows} rows have the label {labels[0]!r}; a classifier needs two labels at "
            "least: check that the hyperparameter label names the right column."
        )
    texts = [str(label) for label in labels]
    fractions = [text for text in texts if is_number(text) and not float(text).is_integer()]
    if fractions and all(map(is_number, texts)):
        raise TrainingDataError(
            f"The labels are numbers with fractions such as {fractions[0]}, and a classifier needs "
            "classes, whole numbers or text: set the hyperparameter task to regression, or label "
            "to the right column."
        )


def _by_label(weights: Mapping[str, float], labels: NDArray[Any]) -> dict[Any, float]:
    """Return the weights with the labels themselves as keys; JSON has only text for keys."""
    by_text = {str(label): label for label in labels.tolist()}
    unknown = sorted(set(weights) - set(by_text))
    if unknown:
        raise HyperparameterError(
            f"class_weight names {unknown[0]!r}, which is no label of the training data; "
            f"labels are {', '.join(list(by_text)[:10])}."
        )
    if not any(weights.get(text, 1) for text in by_text):
        raise HyperparameterError(
            "class_weight gives every label the weight 0, which leaves nothing to learn from; give "
            "one label at least a positive weight."
        )
    return {by_text[text]: weight for text, weight in weights.items()}
