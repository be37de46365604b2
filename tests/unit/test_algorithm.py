"""The decision tree: its hyperparameters, its refusals, its metrics."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import algorithm
from algorithm import Hyperparameters
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters import parse
from container.tables import Table
from material import Rows


@pytest.fixture(scope="module")
def table(iris: Rows) -> Table:
    """The Iris table, as training reads it."""
    return Table(iris.features.astype(np.float32), np.array(iris.labels))


def table_of(labels: list[Any]) -> Table:
    """Return one row with one feature for each label."""
    features = np.arange(len(labels), dtype=np.float32).reshape(-1, 1)
    return Table(features, np.array(labels))


def test_hyperparameters_are_those_of_scikit_learn() -> None:
    """Names and defaults are scikit-learn's own, but for a seed that makes jobs repeatable."""
    assert asdict(Hyperparameters()) == DecisionTreeClassifier(random_state=0).get_params()


def test_every_hyperparameter_has_a_line_of_help() -> None:
    """Each field says what it is for, in one sentence."""
    assert all(field.metadata["doc"].endswith(".") for field in fields(Hyperparameters))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("criterion", "log_loss", "log_loss"),
        ("splitter", "random", "random"),
        ("max_depth", "3", 3),
        ("max_depth", "None", None),
        ("min_samples_split", "2", 2),
        ("min_samples_split", "1.0", 1.0),
        ("min_samples_leaf", "0.5", 0.5),
        ("min_weight_fraction_leaf", "0", 0.0),
        ("max_features", "sqrt", "sqrt"),
        ("max_features", "2", 2),
        ("max_features", "0.1", 0.1),
        ("random_state", "null", None),
        ("max_leaf_nodes", '"5"', 5),
        ("min_impurity_decrease", "1e-3", 0.001),
        ("class_weight", "balanced", "balanced"),
        ("class_weight", '{"setosa": 2, "virginica": 0.5}', {"setosa": 2, "virginica": 0.5}),
        ("ccp_alpha", "0.01", 0.01),
        ("monotonic_cst", "[0, 1, -1]", [0, 1, -1]),
    ],
)
def test_hyperparameter_takes(name: str, text: str, value: object) -> None:
    """Each hyperparameter takes what scikit-learn takes."""
    found = getattr(parse({name: text}, Hyperparameters), name)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("criterion", "mse"),
        ("max_depth", "0"),
        ("min_samples_split", "1"),
        ("min_samples_split", "1.5"),
        ("min_samples_leaf", "0"),
        ("min_samples_leaf", "1.5"),
        ("min_weight_fraction_leaf", "0.6"),
        ("max_features", "auto"),
        ("random_state", "-1"),
        ("max_leaf_nodes", "1"),
        ("ccp_alpha", "-1"),
        ("ccp_alpha", "nan"),
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
    """What scikit-learn would refuse is refused before the data are read."""
    with pytest.raises(HyperparameterError, match=f"The hyperparameter {name!r} is "):
        parse({name: text}, Hyperparameters)


@pytest.mark.parametrize(
    "values",
    [{}, {"max_leaf_nodes": "3"}, {"splitter": "random"}, {"class_weight": '{"setosa": 9}'}],
)
def test_fit_is_that_of_scikit_learn(table: Table, values: dict[str, str]) -> None:
    """The tree is the one that scikit-learn grows with the same arguments."""
    chosen = parse(values, Hyperparameters)

    found = algorithm.fit(table, chosen)

    oracle = DecisionTreeClassifier(**asdict(chosen)).fit(table.features, table.labels)
    assert found.tree_.threshold.tolist() == oracle.tree_.threshold.tolist()
    assert found.tree_.value.tolist() == oracle.tree_.value.tolist()


@pytest.mark.parametrize(
    ("labels", "weights", "keys"),
    [
        ([0, 1, -2], {"0": 1, "-2": 3}, [0, -2]),
        ([1.0, 2.0], {"1.0": 1}, [1.0]),
        (["No. 7", "1"], {"No. 7": 1}, ["No. 7"]),
    ],
)
def test_class_weight_names_labels_as_they_are_written(
    labels: list[Any], weights: dict[str, float], keys: list[Any]
) -> None:
    """JSON has only text for keys; the weights reach scikit-learn with the labels themselves."""
    found = algorithm.fit(table_of(labels), Hyperparameters(class_weight=weights)).class_weight

    assert list(found) == keys
    assert list(found.values()) == list(weights.values())


def test_class_weight_of_an_unknown_label_is_refused() -> None:
    """The message names the label and those that there are."""
    with pytest.raises(HyperparameterError) as caught:
        algorithm.fit(table_of([1, 2]), Hyperparameters(class_weight={"1": 1, "3": 1}))

    assert str(caught.value) == (
        "class_weight names '3', which is no label of the training data; labels are 1, 2."
    )


def test_class_weight_that_leaves_no_row_is_refused(table: Table) -> None:
    """Weights of zero for every label leave nothing to learn from."""
    weights = {"setosa": 0.0, "versicolor": 0.0, "virginica": 0.0}

    with pytest.raises(HyperparameterError, match="class_weight"):
        algorithm.fit(table, Hyperparameters(class_weight=weights))


@pytest.mark.parametrize(
    ("labels", "phrase"),
    [
        (
            ["a", "a", "a"],
            "All 3 rows have the label 'a'; a classifier needs two labels at least: ",
        ),
        ([7, 7], "All 2 rows have the label 7; "),
        ([0.5, 1.0], "The labels are numbers with fractions such as 0.5; "),
        ([1.0, 2.5], "The labels are numbers with fractions such as 2.5; "),
        (["1", "2.50"], "The labels are numbers with fractions such as 2.50; "),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels: list[Any], phrase: str) -> None:
    """The message asks whether the label is in the first column."""
    with pytest.raises(TrainingDataError) as caught:
        algorithm.fit(table_of(labels), Hyperparameters())

    assert str(caught.value).startswith(phrase)
    assert str(caught.value).endswith("check that the label is in the first column.")


@pytest.mark.parametrize(
    "labels", [[1, 2], [1.0, 2.0], ["1.5", "2", "x"], ["a", "b"], [-1, 10**17]]
)
def test_labels_that_are_classes_are_kept(labels: list[Any]) -> None:
    """Whole numbers and text are classes, and stay what they are."""
    estimator = algorithm.fit(table_of(labels), Hyperparameters())

    assert estimator.classes_.tolist() == sorted(labels)


def test_combination_that_scikit_learn_refuses_is_the_users(table: Table) -> None:
    """Where hyperparameters do not fit the data, scikit-learn's own words are in the message."""
    with pytest.raises(HyperparameterError, match=r"^scikit-learn refuses this job: monotonic_cst"):
        algorithm.fit(table, Hyperparameters(monotonic_cst=[1]))


def test_accuracy_is_that_of_scikit_learn(table: Table) -> None:
    """The metric is the share of rows whose label is predicted."""
    estimator = algorithm.fit(table, Hyperparameters(max_depth=1))

    assert algorithm.evaluate(estimator, table) == {"accuracy": 100 / 150}


def test_save_writes_what_serving_loads(table: Table, tmp_path: Path) -> None:
    """The artifact is there, with the record of the job."""
    estimator = algorithm.fit(table, Hyperparameters())

    algorithm.save(estimator, tmp_path, table, {"rows": {"train": 150}})

    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.onnx"]
    record = json.loads((tmp_path / "model.json").read_text())
    assert record["training"] == {"rows": {"train": 150}}
