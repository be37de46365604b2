"""Metrics of trees: those of scikit-learn with the weights of rows, on tables and datasets."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

import algorithm
from algorithm import Hyperparameters
from container.data.dataset import BATCH_ROWS, Dataset
from container.data.table import Table
from container.hyperparameters.input_options import Task
from support.iris_tables import classes_of, quantities_of, table_of, weighted
from support.material import LabelledRows

N_ROWS = BATCH_ROWS + 5000
REGRESSION = Hyperparameters(task="regression")


@pytest.fixture(scope="module")
def table(iris: LabelledRows) -> Table:
    """Return the Iris table as training reads it."""
    return classes_of(iris)


@pytest.fixture(scope="module")
def quantities(iris: LabelledRows) -> Table:
    """Return the Iris table with the last feature as the label."""
    return quantities_of(iris)


def drawn(table: Table, is_weighted: bool) -> Table:
    """Return every third row; a tree that was grown on others makes mistakes on them."""
    part = table.take(np.arange(0, len(table), 3))
    return weighted(part) if is_weighted else part


def of_classes(estimator: Any, rows: Table, lacks: bool = False) -> dict[str, float]:
    """Return scikit-learn's own metrics."""
    weight, found = rows.weights, estimator.predict(rows.features)
    chances = estimator.predict_proba(rows.features)
    balanced = (
        metrics.recall_score(
            rows.labels,
            found,
            labels=np.unique(rows.labels),
            average="macro",
            sample_weight=weight,
        )
        if lacks  # balanced_accuracy_score gives the same, with a warning
        else metrics.balanced_accuracy_score(rows.labels, found, sample_weight=weight)
    )
    return {
        "accuracy": metrics.accuracy_score(rows.labels, found, sample_weight=weight),
        "balanced_accuracy": balanced,
        "f1_macro": metrics.f1_score(
            rows.labels, found, average="macro", sample_weight=weight, zero_division=0.0
        ),
        "log_loss": metrics.log_loss(
            rows.labels, chances, labels=estimator.classes_, sample_weight=weight
        ),
    }


@pytest.mark.parametrize("is_weighted", [False, True])
def test_metrics_of_classes_are_those_of_scikit_learn(table: Table, is_weighted: bool) -> None:
    """Metrics are weighted by the weights of the rows."""
    estimator = algorithm.fit(table, Hyperparameters(max_depth=2))
    rows = drawn(table, is_weighted)

    found = algorithm.evaluate(estimator, rows)

    assert found == pytest.approx(of_classes(estimator, rows))
    assert found["accuracy"] < 1


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("names", [["x", "y"], [0, 1], [1.0, -1.0]])
def test_two_classes_have_an_area_under_the_curve(
    table: Table, names: list[Any], is_weighted: bool
) -> None:
    """The larger of two labels, as numbers or as text, is the positive class."""
    labels = np.where(table.labels == "versicolor", names[0], names[1])
    both = Table(table.features[:, :1], labels)
    estimator = algorithm.fit(both, Hyperparameters(max_depth=2))
    rows = drawn(both, is_weighted)

    found = algorithm.evaluate(estimator, rows)

    area = metrics.roc_auc_score(
        rows.labels == estimator.classes_[1],
        estimator.predict_proba(rows.features)[:, 1],
        sample_weight=rows.weights,
    )
    assert found == pytest.approx({**of_classes(estimator, rows), "roc_auc": area})


@pytest.mark.parametrize("kept", [["setosa", "virginica"], ["versicolor"]])
def test_rows_to_validate_on_may_lack_a_class(table: Table, kept: list[str]) -> None:
    """A class without rows does not count in the metrics."""
    estimator = algorithm.fit(table, Hyperparameters(max_depth=2))
    rows = table.take(np.flatnonzero(np.isin(table.labels, kept)))

    found = algorithm.evaluate(estimator, rows)

    assert found == pytest.approx(of_classes(estimator, rows, lacks=True))


def test_rows_of_one_of_two_classes_have_no_area_under_the_curve() -> None:
    """roc_auc needs rows of both classes."""
    estimator = algorithm.fit(table_of(["a", "b", "a"]), Hyperparameters())

    found = algorithm.evaluate(estimator, table_of(["a"]))

    assert set(found) == {"accuracy", "balanced_accuracy", "f1_macro", "log_loss"}
    assert found["accuracy"] == 1


@pytest.mark.parametrize("n_without_weight", [0, 10, BATCH_ROWS + 10])
def test_metrics_of_many_rows_are_those_of_scikit_learn(n_without_weight: int) -> None:
    """Metrics of several slices of rows are those of the table, also if a slice has no weight."""
    random = np.random.default_rng(0)
    features = random.random((2 * BATCH_ROWS + 1, 1)).astype(np.float32)
    labels = (features[:, 0] + random.random(len(features)) > 1).astype(np.int64)
    weights = random.random(len(features))
    weights[:n_without_weight] = 0
    rows = Table(features, labels, weights)
    estimator = algorithm.fit(rows, Hyperparameters(max_depth=2))

    found = algorithm.evaluate(estimator, rows)

    expected = of_classes(estimator, rows)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_metrics_of_numbers_are_those_of_scikit_learn(quantities: Table, is_weighted: bool) -> None:
    """Metrics of a regression equal scikit-learn's."""
    estimator = algorithm.fit(quantities, Hyperparameters(task="regression", max_depth=2))
    rows = drawn(quantities, is_weighted)
    found: NDArray[np.float64] = estimator.predict(rows.features)

    expected = {
        "rmse": metrics.mean_squared_error(rows.labels, found, sample_weight=rows.weights) ** 0.5,
        "mae": metrics.mean_absolute_error(rows.labels, found, sample_weight=rows.weights),
        "r2": metrics.r2_score(rows.labels, found, sample_weight=rows.weights),
    }
    assert algorithm.evaluate(estimator, rows) == pytest.approx(expected)
    assert expected["rmse"] > 0


def test_single_row_has_no_r2(quantities: Table) -> None:
    """r2 needs two rows."""
    estimator = algorithm.fit(quantities, REGRESSION)

    assert set(algorithm.evaluate(estimator, quantities.take(np.array([3])))) == {"rmse", "mae"}


def test_class_without_weight_is_as_if_no_row_had_it() -> None:
    """A class whose rows have weight 0 does not count for balanced_accuracy and roc_auc."""
    rows = table_of(["a", "b", "a"])
    estimator = algorithm.fit(rows, Hyperparameters(max_depth=1))
    weighted = Table(rows.features, rows.labels, weights=np.array([2.0, 0.0, 1.0]))

    found = algorithm.evaluate(estimator, weighted)

    of_others = algorithm.evaluate(estimator, weighted.take(np.array([0, 2])))
    assert set(found) == set(of_others)
    assert found["balanced_accuracy"] == of_others["balanced_accuracy"] == found["accuracy"]
    assert found["log_loss"] == pytest.approx(of_others["log_loss"])


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["a", "b", "b"], [0.5, 1.5, 2.5]])
def test_rows_without_weight_have_no_metrics(labels: list[Any]) -> None:
    """If all weights are 0, there are no metrics, and no error."""
    rows = table_of(labels)
    chosen = REGRESSION if labels[0] == 0.5 else Hyperparameters()
    estimator = algorithm.fit(rows, chosen)
    without = Table(rows.features, rows.labels, weights=np.zeros(3))

    assert algorithm.evaluate(estimator, without) == {}


def rows_of(n_classes: int | None, is_weighted: bool) -> Table:
    """Return rows, more than a batch; numbers as labels without `n_classes`."""
    random = np.random.default_rng(0)
    features = random.normal(size=(N_ROWS, 3)).astype(np.float32)
    score = 1e6 + features[:, 0].astype(np.float64) + random.normal(size=N_ROWS)
    weights = random.integers(0, 5, N_ROWS).astype(float) if is_weighted else None
    if n_classes is None:
        return Table(features, score, weights)
    borders = np.quantile(score, np.arange(1, n_classes) / n_classes)
    return Table(features, np.digitize(score, borders), weights)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, None])
def test_metrics_of_a_dataset_are_those_of_its_rows(
    n_classes: int | None, is_weighted: bool
) -> None:
    """The metrics of a dataset equal those of its rows, with weights."""
    table = rows_of(n_classes, is_weighted)
    task: Task = "regression" if n_classes is None else "classification"
    estimator = algorithm.fit(table, Hyperparameters(task=task, max_depth=4))

    found = algorithm.evaluate_dataset(estimator, Dataset.of_table(table, n_classes is None))

    expected = algorithm.evaluate(estimator, table)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-6)
    assert ("roc_auc" in found) == (n_classes == 2)


@pytest.mark.parametrize("n_classes", [2, None])
def test_rows_that_weigh_nothing_have_no_metrics(n_classes: int | None) -> None:
    """If all weights are 0, there are no metrics."""
    table = rows_of(n_classes, is_weighted=False)
    task: Task = "regression" if n_classes is None else "classification"
    estimator = algorithm.fit(table, Hyperparameters(task=task, max_depth=2))
    empty = Table(table.features, table.labels, np.zeros(N_ROWS))

    assert algorithm.evaluate_dataset(estimator, Dataset.of_table(empty, n_classes is None)) == {}


def test_numbers_that_are_all_the_same_have_the_r2_of_scikit_learn() -> None:
    """r2 of constant labels is 1 if all predictions are right, otherwise 0."""
    features: list[list[float]] = [[0], [1]]
    table = Table(np.array(features, dtype=np.float32), np.array([1.0, 2.0]))
    estimator = algorithm.fit(table, Hyperparameters(task="regression"))

    for rows in ([0, 0, 0], [0, 1, 1]):
        same = Table(table.features[rows], np.ones(3))
        found = algorithm.evaluate_dataset(estimator, Dataset.of_table(same, are_numbers=True))
        assert found == pytest.approx(algorithm.evaluate(estimator, same))
