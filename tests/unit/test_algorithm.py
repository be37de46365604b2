"""Decision trees of algorithm.py: fit, refusals, description and artifact."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import algorithm
from algorithm import Hyperparameters
from container.data.table import Table
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters.input_options import Task
from container.hyperparameters.loader import parse
from support.iris_tables import classes_of, quantities_of, table_of, weighted
from support.material import ARTIFACT, LabelledRows

REGRESSION = Hyperparameters(task="regression")


@pytest.fixture(scope="module")
def table(iris: LabelledRows) -> Table:
    """Return the Iris table as training reads it."""
    return classes_of(iris)


@pytest.fixture(scope="module")
def quantities(iris: LabelledRows) -> Table:
    """Return the Iris table with the last feature as the label."""
    return quantities_of(iris)


def trees_are_equal(found: Any, oracle: Any) -> bool:
    """Return whether two trees have the same splits and values."""
    return bool(
        found.tree_.threshold.tolist() == oracle.tree_.threshold.tolist()
        and found.tree_.feature.tolist() == oracle.tree_.feature.tolist()
        and found.tree_.value.tolist() == oracle.tree_.value.tolist()
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_weight", "[1, 2]"),
        ("class_weight", '{"a": -1}'),
        ("class_weight", '{"a": true}'),
        ("class_weight", '{"a": "1"}'),
        ("class_weight", '{"a": NaN}'),
        ("class_weight", '{"a": 1' + "0" * 400 + "}"),
        ("class_weight", '{"a": 1e308}'),
        ("monotonic_cst", "[2]"),
        ("monotonic_cst", "[true]"),
        ("monotonic_cst", "1"),
    ],
)
def test_hyperparameter_refuses(name: str, text: str) -> None:
    """Values that scikit-learn refuses are refused before the data is read."""
    with pytest.raises(HyperparameterError, match=f"The hyperparameter {name!r} is "):
        parse({name: text}, Hyperparameters)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"criterion": "entropy", "max_leaf_nodes": 3},
        {"splitter": "random"},
        {"class_weight": {"setosa": 9}},
        {"max_features": 0.5, "random_state": 3, "min_samples_leaf": 5},
        {"ccp_alpha": 0.01, "class_weight": "balanced"},
    ],
)
def test_classifier_is_that_of_scikit_learn(
    table: Table, given: dict[str, Any], is_weighted: bool
) -> None:
    """The tree equals scikit-learn's with the same arguments and weights."""
    rows = weighted(table) if is_weighted else table

    found = algorithm.fit(rows, Hyperparameters(**given))

    oracle = DecisionTreeClassifier(**{"random_state": 0} | given)
    oracle.fit(rows.features, rows.labels, sample_weight=rows.weights)
    assert isinstance(found, DecisionTreeClassifier)
    assert trees_are_equal(found, oracle)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"criterion": "absolute_error", "max_depth": 3},
        {"criterion": "poisson", "max_leaf_nodes": 7},
        {"splitter": "random", "monotonic_cst": [1, 0, -1]},
    ],
)
def test_regressor_is_that_of_scikit_learn(
    quantities: Table, given: dict[str, Any], is_weighted: bool
) -> None:
    """The tree of a regression equals scikit-learn's."""
    rows = weighted(quantities) if is_weighted else quantities

    found = algorithm.fit(rows, Hyperparameters(task="regression", **given))

    oracle = DecisionTreeRegressor(**{"random_state": 0} | given)
    oracle.fit(rows.features, rows.labels, sample_weight=rows.weights)
    assert isinstance(found, DecisionTreeRegressor)
    assert trees_are_equal(found, oracle)


@pytest.mark.parametrize(("n_leaves", "task"), [(2, "classification"), (2**31 - 1, "regression")])
def test_number_of_leaves_may_be_any(n_leaves: int, task: Task) -> None:
    """max_leaf_nodes above the number of rows costs no memory."""
    found = algorithm.fit(
        table_of([1.0, 2.0, 1.0]), Hyperparameters(task=task, max_leaf_nodes=n_leaves)
    )

    assert found.get_n_leaves() == min(n_leaves, 3)


@pytest.mark.parametrize(
    ("task", "criterion", "known"),
    [
        ("classification", "poisson", "gini, entropy, log_loss"),
        ("regression", "gini", "squared_error, absolute_error, poisson"),
    ],
)
def test_criterion_of_the_other_task_is_refused(task: Task, criterion: Any, known: str) -> None:
    """The message names the criteria of the task."""
    with pytest.raises(HyperparameterError) as caught:
        algorithm.fit(table_of([1.0, 2.0]), Hyperparameters(task=task, criterion=criterion))

    assert str(caught.value) == (
        f"The criterion {criterion} is not for {task}; choose one of {known}, or another task."
    )


def test_class_weight_is_refused_where_there_are_no_classes() -> None:
    """The message names the hyperparameter to use instead."""
    with pytest.raises(HyperparameterError) as caught:
        algorithm.fit(
            table_of([1.0, 2.0]), Hyperparameters(task="regression", class_weight="balanced")
        )

    assert str(caught.value) == (
        "class_weight is 'balanced', but regression has no classes; name a column of weights with "
        "the hyperparameter weight."
    )


@pytest.mark.parametrize(
    ("labels", "weights", "keys"),
    [
        ([0, 1, -2], {"0": 1, "-2": 3}, [0, -2]),
        ([1.0, 2.0], {"1.0": 1}, [1.0]),
        (["No. 7", "1"], {"No. 7": 1}, ["No. 7"]),
        (["a", "b"], {" a": 1, "b\u00a0": 2}, ["a", "b"]),
    ],
)
def test_class_weight_names_labels_as_they_are_written(
    labels: list[Any], weights: dict[str, float], keys: list[Any]
) -> None:
    """Keys of JSON are text; scikit-learn receives the weights by label."""
    found = algorithm.fit(table_of(labels), Hyperparameters(class_weight=weights)).class_weight

    assert list(found) == keys
    assert list(found.values()) == list(weights.values())


def test_class_weight_of_an_unknown_label_is_refused() -> None:
    """The message names the unknown label and the known ones."""
    with pytest.raises(HyperparameterError) as caught:
        algorithm.fit(table_of([1, 2]), Hyperparameters(class_weight={"1": 1, "3": 1}))

    assert str(caught.value) == (
        "class_weight names '3', which is not a label of the training data; the labels are 1, 2."
    )


def test_class_weight_that_leaves_no_row_is_refused(table: Table) -> None:
    """Weights of 0 for every label are refused."""
    weights = {"setosa": 0.0, "versicolor": 0.0, "virginica": 0.0}

    with pytest.raises(HyperparameterError, match="class_weight gives every label the weight 0"):
        algorithm.fit(table, Hyperparameters(class_weight=weights))


@pytest.mark.parametrize(
    ("labels", "phrase"),
    [
        (["a", "a", "a"], "All 3 rows have the label 'a'; a classifier needs at least two labels"),
        ([7, 7], "All 2 rows have the label 7; "),
        ([0.5, 1.0], "The labels are numbers with fractions such as 0.5, "),
        ([1.0, 2.5], "The labels are numbers with fractions such as 2.5, "),
        (["1", "2.50"], "The labels are numbers with fractions such as 2.50, "),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels: list[Any], phrase: str) -> None:
    """Labels that are not classes are refused, with the hyperparameters to check."""
    with pytest.raises(TrainingDataError) as caught:
        algorithm.fit(table_of(labels), Hyperparameters())

    assert str(caught.value).startswith(phrase)
    assert "the hyperparameter" in str(caught.value)


@pytest.mark.parametrize(
    "labels", [[1, 2], [1.0, 2.0], ["1.5", "2", "x"], ["a", "b"], [-1, 10**17]]
)
def test_labels_that_are_classes_are_kept(labels: list[Any]) -> None:
    """Whole numbers and text are classes and keep their type."""
    estimator = algorithm.fit(table_of(labels), Hyperparameters())

    assert estimator.classes_.tolist() == sorted(labels)


def test_regression_learns_one_number(quantities: Table) -> None:
    """A regression accepts labels that are all the same."""
    found = algorithm.fit(table_of([7.0, 7.0]), REGRESSION)

    assert algorithm.describe(found) == {"depth": 0, "leaves": 1}


@pytest.mark.parametrize(
    ("chosen", "start"),
    [
        (Hyperparameters(monotonic_cst=[1]), "scikit-learn rejected the job: monotonic_cst"),
        (
            Hyperparameters(task="regression", criterion="poisson"),
            "scikit-learn rejected the job: Some value(s) of y are negative",
        ),
    ],
)
def test_combination_that_scikit_learn_refuses_is_the_users(
    chosen: Hyperparameters, start: str
) -> None:
    """If hyperparameters do not fit the data, the message has scikit-learn's text."""
    table = Table(np.zeros((2, 2), dtype=np.float32), np.array([-1.0, 2.0]))

    with pytest.raises(HyperparameterError) as caught:
        algorithm.fit(table, chosen)

    assert str(caught.value).startswith(start)


def test_tree_is_described_by_its_size(table: Table) -> None:
    """Describe returns depth and leaves as whole numbers."""
    found = algorithm.describe(algorithm.fit(table, Hyperparameters(max_leaf_nodes=4)))

    assert json.dumps(found) == '{"depth": 3, "leaves": 4}'


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_save_writes_what_serving_loads(
    table: Table, quantities: Table, tmp_path: Path, task: Task
) -> None:
    """Save writes the artifact with the record of the job."""
    rows = table if task == "classification" else quantities
    estimator = algorithm.fit(rows, Hyperparameters(task=task))

    algorithm.save(estimator, tmp_path, rows, {"metrics": {"train": {"rows": 150}}})

    assert sorted(file.name for file in tmp_path.iterdir()) == ARTIFACT
    record = json.loads((tmp_path / "model.json").read_text())
    assert record["training"] == {"metrics": {"train": {"rows": 150}}}
