"""Boosted and bagged trees of scikit-learn: exported with the same labels, also at thresholds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact import export, model
from support.ensembles import Features, asked_rows, assert_same, class_labels, training_rows

ULPS = 1
"""Exponentials of float64 may differ in their last bit, and so may their float32 roundings."""


def histogram(kind: type[Any], n_trees: int, seed: int, **options: Any) -> Any:
    """Return gradient boosting that splits small nodes."""
    options = {"max_iter": n_trees, "min_samples_leaf": 3, "random_state": seed} | options
    return kind(**options)


Make = Callable[[int, int], Any]
"""From a number of trees and a seed to an estimator."""

CLASSIFIERS: dict[str, Make] = {
    "bagging": lambda n, seed: BaggingClassifier(
        DecisionTreeClassifier(max_depth=3), n, max_features=2, max_samples=0.2, random_state=seed
    ),
    "gradient": lambda n, seed: GradientBoostingClassifier(n_estimators=n, random_state=seed),
    "gradient_from_zero": lambda n, seed: GradientBoostingClassifier(
        n_estimators=n, init="zero", subsample=0.5, random_state=seed
    ),
    "histogram": lambda n, seed: histogram(HistGradientBoostingClassifier, n, seed),
    "categories": lambda n, seed: histogram(
        HistGradientBoostingClassifier, n, seed, categorical_features=[0, 2]
    ),
    "ada_stumps": lambda n, seed: AdaBoostClassifier(n_estimators=n, random_state=seed),
    "ada": lambda n, seed: AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=2), n_estimators=n, random_state=seed
    ),
}
REGRESSORS: dict[str, Make] = {
    "bagging": lambda n, seed: BaggingRegressor(
        DecisionTreeRegressor(max_depth=3), n, max_features=2, random_state=seed
    ),
    "gradient": lambda n, seed: GradientBoostingRegressor(n_estimators=n, random_state=seed),
    "gradient_quantile": lambda n, seed: GradientBoostingRegressor(
        loss="quantile", n_estimators=n, random_state=seed
    ),
    "histogram": lambda n, seed: histogram(HistGradientBoostingRegressor, n, seed),
    "categories": lambda n, seed: histogram(
        HistGradientBoostingRegressor, n, seed, loss="poisson", categorical_features=[1]
    ),
    "ada": lambda n, seed: AdaBoostRegressor(n_estimators=n, random_state=seed),
}
TAKES_MISSING = ("bagging", "histogram", "categories")


def rows_to_ask(name: str, n_rows: int, seed: int, missing: float) -> Features:
    """Return rows at thresholds; categories are whole numbers, some of them not trained on."""
    rows = asked_rows(n_rows, seed, missing)
    return np.round(rows) if name == "categories" else rows


@given(
    name=st.sampled_from(list(CLASSIFIERS)),
    n_labels=st.integers(2, 5),
    n_trees=st.integers(1, 15),
    missing=st.sampled_from([0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_classifier_answers_as_scikit_learn(
    name: str, n_labels: int, n_trees: int, missing: float, seed: int
) -> None:
    """Labels are the same, and probabilities to the last bit but one."""
    missing = missing if name in TAKES_MISSING else 0
    classifier = CLASSIFIERS[name](n_trees, seed)
    classifier.fit(training_rows(80, seed, missing), class_labels(80, n_labels, seed))

    assert_same(classifier, rows_to_ask(name, 300, seed, missing), ULPS)


@given(
    name=st.sampled_from(list(REGRESSORS)),
    n_trees=st.integers(1, 15),
    missing=st.sampled_from([0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_regressor_answers_as_scikit_learn(
    name: str, n_trees: int, missing: float, seed: int
) -> None:
    """Scores are the same, rounded to float32."""
    missing = missing if name in TAKES_MISSING else 0
    labels = np.random.default_rng(seed).gamma(2, 20, 80)
    regressor = REGRESSORS[name](n_trees, seed).fit(training_rows(80, seed, missing), labels)

    assert_same(regressor, rows_to_ask(name, 300, seed, missing), ULPS)


def test_exponential_loss_is_exported() -> None:
    """Its probabilities have twice the slope."""
    boosting = GradientBoostingClassifier(loss="exponential", n_estimators=20, random_state=0)
    boosting.fit(training_rows(100, 0), class_labels(100, 2, 0))

    assert_same(boosting, asked_rows(1000, 0), ULPS)


@pytest.mark.parametrize("make", [CLASSIFIERS["histogram"], CLASSIFIERS["categories"]])
def test_histogram_boosting_is_saved_with_missing_cells(tmp_path: Path, make: Make) -> None:
    """The record says that a request may leave cells empty."""
    rows = training_rows(200, 0, missing=0.3)
    boosting = make(10, 0).fit(rows, class_labels(200, 3, 0))

    export.save(boosting, tmp_path, rows, {})

    assert model.load(tmp_path).record.accepts_missing


def test_many_categories_with_gaps_are_exported() -> None:
    """Categories need not be small or whole; values between them are unknown."""
    random = np.random.default_rng(0)
    categories = np.array([-7.5, 0, 0.25, 1, 3, 40, 41, 1000, 70_000, np.nan], dtype=np.float32)
    rows = random.choice(categories, (400, 3))
    labels = np.nan_to_num(rows[:, 0]) % 3 > random.random(400)
    boosting = histogram(HistGradientBoostingClassifier, 10, 0, categorical_features=[1, 0])
    boosting.fit(rows, labels)
    asked = random.choice([*categories, 2, 500, -1, 1e9], (3000, 3)).astype(np.float32)

    assert_same(boosting, asked, ULPS)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("n_labels", [2, 3])
def test_graph_of_a_classifier_is_one_that_onnx_allows(name: str, n_labels: int) -> None:
    """ONNX's own checker accepts it."""
    classifier = CLASSIFIERS[name](3, 0)
    classifier.fit(training_rows(80, 0), class_labels(80, n_labels, 0))

    graph = onnx.load_from_string(export.to_onnx(classifier, 3))

    onnx.checker.check_model(graph, full_check=True)


@pytest.mark.parametrize("name", REGRESSORS)
def test_graph_of_a_regressor_is_one_that_onnx_allows(name: str) -> None:
    """ONNX's own checker accepts it."""
    regressor = REGRESSORS[name](3, 0).fit(training_rows(80, 0), np.arange(80.0) + 1)

    graph = onnx.load_from_string(export.to_onnx(regressor, 3))

    onnx.checker.check_model(graph, full_check=True)
