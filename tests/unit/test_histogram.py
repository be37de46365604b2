"""Histogram engine: its trees are trees that scikit-learn could have grown.

XGBoost 3.4, which the engine needs, is in the image; tests/image/test_histogram_image.py runs this
file there too.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, export_text

import algorithm
from algorithm import Hyperparameters
from artifact import model
from container.data.dataset import BATCH_ROWS, Dataset
from container.data.table import Table
from container.errors import TrainingDataError
from container.hyperparameters.input_options import Task
from support.tree_shapes import best_gain, gains, in_preorder
from trees import engine
from trees.engine_choice import refusals

MISSING = refusals(DecisionTreeClassifier(), is_weighted=False)

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not here: {'; '.join(MISSING)}")


def table_of(n_rows: int, n_classes: int | None, **more: Any) -> Table:
    """Return rows with at most 256 values a feature; numbers as labels without `n_classes`.

    `missing` blanks a fifth of the cells, which tell something; `weighted` gives rows weights, 0
    among them, whose sums have no rounding: scikit-learn's would split nodes of one class.
    """
    random = np.random.default_rng(more.get("seed", 0))
    features = random.integers(0, more.get("n_values", 256), (n_rows, 6)).astype(np.float32)
    score = features[:, 0] + features[:, 1] * features[:, 2] / 200
    score = score.astype(np.float64) + random.normal(0, 40, n_rows)
    if more.get("missing"):
        blank = random.random(features.shape) < 0.2
        features[blank] = np.nan
        score += 50 * blank[:, 1]
    weights = random.integers(0, 40, n_rows) / 8 if more.get("weighted") else None
    if n_classes is None:
        return Table(features, score, weights)
    borders = np.quantile(score, np.arange(1, n_classes) / n_classes)
    return Table(features, np.array([f"class {i}" for i in np.digitize(score, borders)]), weights)


def grown(table: Table, **given: Any) -> Any:
    """Return the tree that the engine grows."""
    task: Task = "regression" if table.labels.dtype == np.float64 else "classification"
    return algorithm.fit(table, Hyperparameters(task=task, engine="histogram", **given))


def estimator_of(table: Table, **given: Any) -> Any:
    """Return an unfitted estimator of scikit-learn."""
    is_numbers = table.labels.dtype == np.float64
    estimator = (DecisionTreeRegressor if is_numbers else DecisionTreeClassifier)(random_state=0)
    return estimator.set_params(**given)


def oracle_of(table: Table, **given: Any) -> Any:
    """Return scikit-learn's own tree."""
    return estimator_of(table, **given).fit(table.features, table.labels, table.weights)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 5, None])
@pytest.mark.parametrize(
    "given",
    [
        {"max_depth": 1},
        {"max_depth": 4},
        {"max_leaf_nodes": 12},
        {"max_leaf_nodes": 12, "max_depth": 3},
        {"max_depth": 6, "min_samples_split": 500},
        {"max_depth": 6, "min_samples_split": 0.1},
        {"max_depth": 4, "min_weight_fraction_leaf": 0.05},
        {"max_depth": 5, "ccp_alpha": 0.002},
    ],
)
def test_tree_is_that_of_scikit_learn(
    n_classes: int | None, weighted: bool, missing: bool, given: dict[str, Any]
) -> None:
    """With as many bins as values and no ties, all nodes equal scikit-learn's."""
    table = table_of(5000, n_classes, weighted=weighted, missing=missing)

    found, oracle = (in_preorder(fit(table, **given)) for fit in (grown, oracle_of))

    assert found.keys() == oracle.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, oracle[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("n_classes", "given"),
    [
        (3, {"max_depth": 6, "min_samples_leaf": 400}),
        (2, {"max_depth": 6, "min_samples_leaf": 0.013}),
        (None, {"max_leaf_nodes": 25, "min_samples_leaf": 77}),
        (3, {"max_depth": 6, "min_impurity_decrease": 0.002}),
        (2, {"max_leaf_nodes": 80, "min_impurity_decrease": 0.002}),
        (None, {"max_leaf_nodes": 80, "min_impurity_decrease": 5.0}),
        (3, {"max_depth": 4, "class_weight": "balanced"}),
        (2, {"max_depth": 4, "class_weight": {"class 0": 0.25}}),
        (3, {"max_depth": 4, "class_weight": {"class 0": 0, "class 2": 7}}),
    ],
)
def test_tree_honours_what_scikit_learn_does(n_classes: int | None, given: dict[str, Any]) -> None:
    """Sizes of leaves, gains and class weights end the growth as in scikit-learn."""
    table = table_of(20_000, n_classes)

    found, oracle = (in_preorder(fit(table, **given)) for fit in (grown, oracle_of))

    assert len(found["n_node_samples"]) == len(oracle["n_node_samples"])
    for name, values in found.items():
        np.testing.assert_allclose(values, oracle[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4, None])
@pytest.mark.parametrize(("n_rows", "n_values", "seed"), [(60, 3, 1), (300, 20, 2), (1500, 256, 3)])
def test_every_split_is_a_best_one(
    n_rows: int, n_values: int, seed: int, n_classes: int | None, missing: bool
) -> None:
    """If splits tie, another one may be chosen, but none with a smaller gain, and none is left out.

    A gain is told apart from others down to a millionth of the impurity of all rows.
    """
    table = table_of(n_rows, n_classes, n_values=n_values, seed=seed, missing=missing)

    found = grown(table)

    for rows, gain in gains(found, table):
        best = best_gain(found, table.take(rows))
        assert gain == pytest.approx(best, rel=1e-6, abs=1e-6 * found.tree_.impurity[0])


@pytest.mark.parametrize("n_classes", [2, 3, None])
def test_impurity_is_that_of_scikit_learn_at_every_depth(n_classes: int | None) -> None:
    """The impurity of the leaves on the training rows equals scikit-learn's at any depth."""
    table = table_of(20_000, n_classes, missing=True)

    for depth in (1, 2, 3, 5, 8):
        left = [impurity_of(fit(table, max_depth=depth)) for fit in (grown, oracle_of)]
        assert left[0] == pytest.approx(left[1], rel=2e-3 if depth > 5 else 1e-9)


def impurity_of(estimator: Any) -> float:
    """Return the mean impurity of the leaves."""
    tree = estimator.tree_
    leaves = tree.children_left == -1
    return float(np.average(tree.impurity[leaves], weights=tree.weighted_n_node_samples[leaves]))


@pytest.mark.parametrize("n_classes", [2, 3, None])
def test_rows_beyond_a_batch_and_values_beyond_the_bins_are_counted(n_classes: int | None) -> None:
    """With several batches and more values than bins, node statistics match the rows."""
    random = np.random.default_rng(0)
    table = table_of(2 * BATCH_ROWS + 1000, n_classes, missing=True)
    table.features[:] += random.random(table.features.shape).astype(np.float32)

    found = grown(table, max_depth=7, max_bins=16)

    leaves, counts = np.unique(found.apply(table.features), return_counts=True)
    assert found.tree_.node_count > 100
    assert counts.tolist() == found.tree_.n_node_samples[leaves].tolist()
    assert found.tree_.n_node_samples[0] == len(table)


@pytest.mark.parametrize("n_classes", [2, 3, None])
def test_result_is_a_fitted_estimator(n_classes: int | None, tmp_path: Path) -> None:
    """A fitted tree has all attributes of scikit-learn's, and the artifact predicts the same."""
    table = table_of(5000, n_classes, missing=True)

    found, oracle = (fit(table, max_depth=4) for fit in (grown, oracle_of))
    algorithm.save(found, tmp_path, table, {})

    assert vars(found).keys() == vars(oracle).keys()
    assert (found.get_depth(), found.get_n_leaves()) == (4, oracle.get_n_leaves())
    assert export_text(found) == export_text(oracle)
    np.testing.assert_allclose(found.feature_importances_, oracle.feature_importances_)
    assert found.apply(table.features).tolist() == oracle.apply(table.features).tolist()
    predictions = oracle.predict(table.features)
    answers = model.load(tmp_path).answers(table.features)
    if n_classes is None:
        np.testing.assert_allclose(found.predict(table.features), predictions)
        np.testing.assert_allclose(answers, predictions, rtol=1e-6)
    else:
        assert found.predict(table.features).tolist() == predictions.tolist()
        assert found.classes_[answers].tolist() == predictions.tolist()


def test_missing_values_alone_can_be_split_off() -> None:
    """If missing values decide the class, the threshold is above all values, on either side."""
    values = np.array([[1], [2], [3], [np.nan], [np.nan], [4]], dtype=np.float32)

    for labels in ([0, 0, 0, 1, 1, 0], [1, 1, 1, 0, 0, 1]):
        found = grown(Table(values, np.array(labels)))
        assert found.tree_.threshold[0] == np.inf
        assert found.predict(values).tolist() == labels


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e30])
def test_numbers_may_be_of_any_size(scale: float) -> None:
    """Labels that are huge or differ in their last digits give the same splits."""
    table = table_of(3000, None)
    labels = table.labels * scale + 1e6 * scale

    found = grown(Table(table.features, labels), max_depth=4)

    assert (
        found.apply(table.features).tolist()
        == grown(table, max_depth=4).apply(table.features).tolist()
    )


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_weights_may_be_of_any_size(scale: float) -> None:
    """Only the proportions of weights matter."""
    table = table_of(3000, 3, weighted=True)
    assert table.weights is not None

    found = grown(Table(table.features, table.labels, table.weights * scale), max_depth=4)

    expected = grown(table, max_depth=4)
    assert found.predict(table.features).tolist() == expected.predict(table.features).tolist()


def test_labels_that_are_all_the_same_make_one_leaf() -> None:
    """Rows that cannot be split give a single leaf."""
    features = np.arange(2000, dtype=np.float32).reshape(-1, 1)

    found = grown(Table(features, np.full(2000, 0.37)))

    assert found.tree_.node_count == 1
    assert found.predict(features[:1]).tolist() == [0.37]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_nodes_of_one_class_are_leaves(n_classes: int) -> None:
    """Rounding causes no split without a gain, for any weights."""
    table = table_of(20_000, n_classes, weighted=True)
    labels = np.array(["a", "b", "c"])[(table.features[:, 0] // 100).astype(int) % n_classes]

    found = grown(Table(table.features, labels, table.weights))

    assert found.get_n_leaves() == 3


def test_the_same_rows_give_the_same_tree() -> None:
    """Two runs on several threads give the same tree."""
    table = table_of(20_000, 3, weighted=True)

    trees = [in_preorder(grown(table)) for _ in range(2)]

    assert all((trees[0][name] == values).all() for name, values in trees[1].items())


def test_rows_without_weight_are_refused() -> None:
    """Rows that all have the weight 0 are refused."""
    table = table_of(10, 2)
    weights: NDArray[np.float64] = np.zeros(10)

    with pytest.raises(TrainingDataError, match="have the weight 0"):
        grown(Table(table.features, table.labels, weights))


@pytest.mark.parametrize("n_classes", [2, 3, None])
def test_rows_beyond_memory_give_the_tree_of_those_in_memory(n_classes: int | None) -> None:
    """Quantised rows in memory and in a file give the same tree."""
    table = table_of(BATCH_ROWS + 5000, n_classes, missing=True, weighted=True)
    dataset = Dataset.of_table(table, n_classes is None)

    trees = [
        engine.fit(estimator_of(table, max_depth=6), replace(dataset, is_in_memory=where), 64)
        for where in (True, False)
    ]

    assert trees[0].get_n_leaves() > 30
    for name, values in in_preorder(trees[0]).items():
        np.testing.assert_array_equal(values, in_preorder(trees[1])[name])
