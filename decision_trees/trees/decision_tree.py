"""Decision trees of scikit-learn: the hyperparameters of a job become checked parameters."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import Field
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from container.data.table import Table
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import is_number, stripped
from container.hyperparameters.input_options import expected

_ESTIMATORS = {"classification": DecisionTreeClassifier, "regression": DecisionTreeRegressor}
_CRITERIA = {
    "classification": ("gini", "entropy", "log_loss"),
    "regression": ("squared_error", "absolute_error", "poisson"),
}

Criterion = Literal["gini", "entropy", "log_loss", "squared_error", "absolute_error", "poisson"]

_Weight = Annotated[int | float, Field(ge=0, le=1e100)]  # no sum of weights overflows
ClassWeight = (
    Literal["balanced"]
    | Annotated[
        dict[str, _Weight],
        expected('a JSON object of labels and weights such as {"setosa": 1, "virginica": 4}'),
    ]
)

MonotonicCst = Annotated[
    list[Annotated[int, Field(ge=-1, le=1)]],
    expected("a JSON list of -1, 0 and 1, one for each feature"),
]


def unfitted(given: Mapping[str, Any]) -> Any:
    """Return the estimator of a job with the parameters of its hyperparameters, unchecked."""
    task = given["task"]
    estimator = _ESTIMATORS[task]()
    parameters = {**given, "criterion": given["criterion"] or _CRITERIA[task][0]}
    known = estimator.get_params()
    return estimator.set_params(**{name: parameters[name] for name in known if name in parameters})


def of_job(given: Mapping[str, Any], labels: NDArray[Any], n_rows: int) -> Any:
    """Return the unfitted estimator of a job.

    Args:
        given: hyperparameters by name.
        labels: the distinct labels of all rows; any for regression.
        n_rows: number of rows on all hosts.

    Raises:
        TrainingDataError: the labels are not classes.
        HyperparameterError: hyperparameters do not fit the task or the labels.
    """
    if given["task"] == "classification":
        _check_classes(labels, n_rows)
    _check_task(given)
    estimator = unfitted(given)
    if given["max_leaf_nodes"] is not None:  # scikit-learn reserves memory for all of them
        estimator.set_params(max_leaf_nodes=min(given["max_leaf_nodes"], max(2, n_rows)))
    if isinstance(given["class_weight"], dict):
        estimator.set_params(class_weight=_by_label(given["class_weight"], labels))
    return estimator


def fit(estimator: Any, table: Table) -> Any:
    """Fit an estimator; raises HyperparameterError if scikit-learn refuses its parameters."""
    try:
        return estimator.fit(table.features, table.labels, sample_weight=table.weights)
    except ValueError as error:
        raise HyperparameterError(f"scikit-learn rejected the job: {error}") from error


def _check_task(given: Mapping[str, Any]) -> None:
    task, criterion, class_weight = given["task"], given["criterion"], given["class_weight"]
    if criterion not in (None, *_CRITERIA[task]):
        raise HyperparameterError(
            f"The criterion {criterion} is not for {task}; choose one of "
            f"{', '.join(_CRITERIA[task])}, or another task."
        )
    if class_weight is not None and task != "classification":
        raise HyperparameterError(
            f"class_weight is {class_weight!r}, but {task} has no classes; name a column of "
            "weights with the hyperparameter weight."
        )


def _check_classes(distinct: NDArray[Any], n_rows: int) -> None:
    """Refuse labels that are not classes; raises TrainingDataError."""
    labels = distinct.tolist()
    if len(labels) == 1:
        raise TrainingDataError(
            f"All {n_rows} rows have the label {labels[0]!r}; a classifier needs at least two "
            "labels: check that the hyperparameter label names the right column."
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
    """Return the weights by label; the keys of JSON are text, labels may be numbers."""
    by_text = {str(label): label for label in labels.tolist()}
    if len({*map(stripped, weights)}) < len(weights):
        raise HyperparameterError(
            "class_weight names a label twice, apart from blanks at its ends; name each label once."
        )
    weights = {stripped(text): weight for text, weight in weights.items()}
    unknown = sorted(set(weights) - set(by_text))
    if unknown:
        raise HyperparameterError(
            f"class_weight names {unknown[0]!r}, which is not a label of the training data; "
            f"the labels are {', '.join(list(by_text)[:10])}."
        )
    if not any(weights.get(text, 1) for text in by_text):
        raise HyperparameterError(
            "class_weight gives every label the weight 0, so no row counts; give at least one "
            "label a positive weight."
        )
    return {by_text[text]: weight for text, weight in weights.items()}
