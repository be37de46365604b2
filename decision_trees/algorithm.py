"""What is trained: a scikit-learn decision tree. To bring your own algorithm, edit this file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.tree import DecisionTreeClassifier

from artifact import export
from container.delimited import is_number
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters import Choice, Fraction, Integer, Json, Null, Number, hyperparameter
from container.tables import Table

_LARGEST_WEIGHT = 1e100  # so that no sum of weights overflows
_WEIGHTS = Json(
    'a JSON object of labels and weights such as {"setosa": 1, "virginica": 4}',
    lambda value: isinstance(value, dict) and all(_is_weight(v) for v in value.values()),
)
_SIGNS = Json(
    "a JSON list of -1, 0 and 1, one for each feature",
    lambda value: isinstance(value, list) and all(type(v) is int and -2 < v < 2 for v in value),
)


@dataclass(frozen=True)
class Hyperparameters:
    """YOURS: the hyperparameters of a job; here those of DecisionTreeClassifier."""

    # YOURS: one field a hyperparameter, with what it takes, its default and a line of help.
    criterion: str = hyperparameter(
        Choice("gini", "entropy", "log_loss"), default="gini", doc="What a split improves."
    )
    splitter: str = hyperparameter(
        Choice("best", "random"), default="best", doc="How a split is chosen."
    )
    max_depth: int | None = hyperparameter(
        Integer(1), Null(), default=None, doc="Largest depth of the tree."
    )
    min_samples_split: int | float = hyperparameter(
        Integer(2), Fraction(0, 1, excluded=True), default=2, doc="Rows that a node needs to split."
    )
    min_samples_leaf: int | float = hyperparameter(
        Integer(1), Fraction(0, 1, excluded=True), default=1, doc="Rows that a leaf needs."
    )
    min_weight_fraction_leaf: float = hyperparameter(
        Number(0, 0.5), default=0.0, doc="Part of all weight that a leaf needs."
    )
    max_features: int | float | str | None = hyperparameter(
        Integer(1),
        Fraction(0, 1, excluded=True),
        Choice("sqrt", "log2"),
        Null(),
        default=None,
        doc="Features that a split looks at: count, fraction, or a function of their number.",
    )
    random_state: int | None = hyperparameter(
        Integer(0), Null(), default=0, doc="Seed; the same seed and data give the same model."
    )
    max_leaf_nodes: int | None = hyperparameter(
        Integer(2), Null(), default=None, doc="Largest number of leaves, grown best first."
    )
    min_impurity_decrease: float = hyperparameter(
        Number(0, inf), default=0.0, doc="Gain that a split needs."
    )
    class_weight: dict[str, float] | str | None = hyperparameter(
        Choice("balanced"), _WEIGHTS, Null(), default=None, doc="Weight of each label."
    )
    ccp_alpha: float = hyperparameter(
        Number(0, inf), default=0.0, doc="Cost of a leaf when the tree is pruned."
    )
    monotonic_cst: list[int] | None = hyperparameter(
        _SIGNS, Null(), default=None, doc="Whether the prediction may only fall or rise."
    )


def fit(table: Table, chosen: Hyperparameters) -> DecisionTreeClassifier:
    """Return a tree grown on `table`.

    Raises:
        TrainingDataError: the labels are no classes.
        HyperparameterError: scikit-learn refuses a combination of hyperparameters and data.
    """
    labels = _classes(table)
    # YOURS: another estimator; any scikit-learn classifier that skl2onnx converts can be served.
    arguments = asdict(chosen) | {"class_weight": _class_weight(chosen.class_weight, labels)}
    estimator = DecisionTreeClassifier(**arguments)
    try:
        return estimator.fit(table.features, table.labels)
    except ValueError as error:
        raise HyperparameterError(f"scikit-learn refuses this job: {error}") from error


def evaluate(estimator: DecisionTreeClassifier, table: Table) -> Mapping[str, float]:
    """Return the metrics of `estimator` on `table` by name."""
    # YOURS: other metrics; each is printed as `train:NAME=VALUE;`.
    return {"accuracy": float(accuracy_score(table.labels, estimator.predict(table.features)))}


def save(
    estimator: DecisionTreeClassifier, directory: Path, table: Table, record: Mapping[str, Any]
) -> None:
    """Write the artifact into `directory`: what `predictor.py` loads."""
    export.save(estimator, directory, table.features, record)


def _classes(table: Table) -> list[Any]:
    """Return the distinct labels; raises TrainingDataError when they are no classes."""
    labels: list[Any] = np.unique(table.labels).tolist()
    if len(labels) == 1:
        raise TrainingDataError(
            f"All {len(table.labels)} rows have the label {labels[0]!r}; a classifier needs two "
            "labels at least: check that the label is in the first column."
        )
    texts = [str(label) for label in labels]
    fractions = [text for text in texts if is_number(text) and not float(text).is_integer()]
    if fractions and all(map(is_number, texts)):
        raise TrainingDataError(
            f"The labels are numbers with fractions such as {fractions[0]}; a classifier needs "
            "classes, whole numbers or text: check that the label is in the first column."
        )
    return labels


def _class_weight(
    chosen: dict[str, float] | str | None, labels: list[Any]
) -> dict[Any, float] | str | None:
    """Return the weights with the labels themselves as keys; JSON has only text for keys."""
    if not isinstance(chosen, dict):
        return chosen
    by_text = {str(label): label for label in labels}
    unknown = sorted(set(chosen) - set(by_text))
    if unknown:
        raise HyperparameterError(
            f"class_weight names {unknown[0]!r}, which is no label of the training data; "
            f"labels are {', '.join(list(by_text)[:10])}."
        )
    if not any(chosen.get(text, 1) for text in by_text):
        raise HyperparameterError(
            "class_weight gives every label the weight 0, which leaves nothing to learn from; give "
            "one label at least a positive weight."
        )
    return {by_text[text]: weight for text, weight in chosen.items()}


def _is_weight(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= _LARGEST_WEIGHT  # type: ignore[operator]
