"""What is measured of a tree on a dataset is what is measured on a table of the same rows."""

import numpy as np
import pytest

import algorithm
from algorithm import Hyperparameters
from container.data.dataset import BATCH_ROWS, Dataset
from container.data.table import Table
from container.hyperparameters.input_options import Task

N_ROWS = BATCH_ROWS + 5000


def table_of(n_classes: int | None, is_weighted: bool) -> Table:
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
    """All of them, and none is left out; weights count."""
    table = table_of(n_classes, is_weighted)
    task: Task = "regression" if n_classes is None else "classification"
    estimator = algorithm.fit(table, Hyperparameters(task=task, max_depth=4))

    found = algorithm.evaluate_dataset(estimator, Dataset.of_table(table, n_classes is None))

    expected = algorithm.evaluate(estimator, table)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-6)
    assert ("roc_auc" in found) == (n_classes == 2)


@pytest.mark.parametrize("n_classes", [2, None])
def test_rows_that_weigh_nothing_have_no_metrics(n_classes: int | None) -> None:
    """So it is on a table too."""
    table = table_of(n_classes, is_weighted=False)
    task: Task = "regression" if n_classes is None else "classification"
    estimator = algorithm.fit(table, Hyperparameters(task=task, max_depth=2))
    empty = Table(table.features, table.labels, np.zeros(N_ROWS))

    assert algorithm.evaluate_dataset(estimator, Dataset.of_table(empty, n_classes is None)) == {}


def test_numbers_that_are_all_the_same_have_the_r2_of_scikit_learn() -> None:
    """It is 1 where the tree is right, and 0 where it is not."""
    features: list[list[float]] = [[0], [1]]
    table = Table(np.array(features, dtype=np.float32), np.array([1.0, 2.0]))
    estimator = algorithm.fit(table, Hyperparameters(task="regression"))

    for rows in ([0, 0, 0], [0, 1, 1]):
        same = Table(table.features[rows], np.ones(3))
        found = algorithm.evaluate_dataset(estimator, Dataset.of_table(same, are_numbers=True))
        assert found == pytest.approx(algorithm.evaluate(estimator, same))
