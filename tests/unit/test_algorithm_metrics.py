"""What is measured of the decision trees: scikit-learn's own metrics, with the weights of rows."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

import algorithm
from algorithm import Hyperparameters
from container.data.table import Table
from support.iris_tables import classes_of, quantities_of, table_of, weighted
from support.material import Rows
from trees.evaluation import SLICE_ROWS

REGRESSION = Hyperparameters(task="regression")


@pytest.fixture(scope="module")
def table(iris: Rows) -> Table:
    """The Iris table, as training reads it."""
    return classes_of(iris)


@pytest.fixture(scope="module")
def quantities(iris: Rows) -> Table:
    """The Iris table, with the last feature as the label."""
    return quantities_of(iris)


def drawn(table: Table, is_weighted: bool) -> Table:
    """Return every third row, so that a tree that was grown on others makes mistakes."""
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
    """They are computed with the weights of the rows."""
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
    """The class that is the larger one, as numbers or as text, is the positive one."""
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
    """A class that no row has is no mistake: metrics are those of the others."""
    estimator = algorithm.fit(table, Hyperparameters(max_depth=2))
    rows = table.take(np.flatnonzero(np.isin(table.labels, kept)))

    found = algorithm.evaluate(estimator, rows)

    assert found == pytest.approx(of_classes(estimator, rows, lacks=True))


def test_rows_of_one_of_two_classes_have_no_area_under_the_curve() -> None:
    """Without both classes there is no curve."""
    estimator = algorithm.fit(table_of(["a", "b", "a"]), Hyperparameters())

    found = algorithm.evaluate(estimator, table_of(["a"]))

    assert set(found) == {"accuracy", "balanced_accuracy", "f1_macro", "log_loss"}
    assert found["accuracy"] == 1


@pytest.mark.parametrize("n_without_weight", [0, 10, SLICE_ROWS + 10])
def test_metrics_of_many_rows_are_those_of_scikit_learn(n_without_weight: int) -> None:
    """Rows that are looked at in slices count as one table, also where a slice weighs nothing."""
    random = np.random.default_rng(0)
    features = random.random((2 * SLICE_ROWS + 1, 1)).astype(np.float32)
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
    """So they are for a regression."""
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
    """What is compared with the spread of the labels needs two."""
    estimator = algorithm.fit(quantities, REGRESSION)

    assert set(algorithm.evaluate(estimator, quantities.take(np.array([3])))) == {"rmse", "mae"}


def test_class_without_weight_is_as_if_no_row_had_it() -> None:
    """It counts neither for the balanced accuracy nor for the area under the curve."""
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
    """There is nothing to divide by; a fitted model is not lost."""
    rows = table_of(labels)
    chosen = REGRESSION if labels[0] == 0.5 else Hyperparameters()
    estimator = algorithm.fit(rows, chosen)
    without = Table(rows.features, rows.labels, weights=np.zeros(3))

    assert algorithm.evaluate(estimator, without) == {}
