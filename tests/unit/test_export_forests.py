"""Forests of scikit-learn's trees: exported with the same answers, ties and missing cells too."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from artifact import export, model
from artifact.session import of_graph
from support.ensembles import as_model, asked_rows, assert_same, class_labels, training_rows

CLASSIFIERS = [RandomForestClassifier, ExtraTreesClassifier]
REGRESSORS = [RandomForestRegressor, ExtraTreesRegressor]


@given(
    kind=st.sampled_from(CLASSIFIERS),
    n_labels=st.integers(2, 10),
    n_trees=st.integers(1, 40),
    depth=st.none() | st.integers(1, 6),
    missing=st.sampled_from([0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_classifier_answers_as_scikit_learn(
    kind: type[Any], n_labels: int, n_trees: int, depth: int | None, missing: float, seed: int
) -> None:
    """Labels and probabilities are the same, at thresholds and where votes are tied."""
    rows = training_rows(60, seed, missing)
    forest = kind(n_trees, max_depth=depth, random_state=seed)
    forest.fit(rows, class_labels(60, n_labels, seed))

    assert_same(forest, asked_rows(500, seed, missing))


@given(
    kind=st.sampled_from(REGRESSORS),
    n_trees=st.integers(1, 40),
    depth=st.none() | st.integers(1, 6),
    missing=st.sampled_from([0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_regressor_answers_as_scikit_learn(
    kind: type[Any], n_trees: int, depth: int | None, missing: float, seed: int
) -> None:
    """Scores are the same, rounded to float32."""
    rows = training_rows(60, seed, missing)
    labels = np.random.default_rng(seed).normal(100, 20, 60)
    forest = kind(n_trees, max_depth=depth, random_state=seed).fit(rows, labels)

    assert_same(forest, asked_rows(500, seed, missing))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_trees", [80, 300])
def test_sum_of_many_trees_does_not_depend_on_threads(n_trees: int, n_threads: int) -> None:
    """Each tree is added in its turn, where onnxruntime sums a TreeEnsemble in parallel."""
    forest = RandomForestClassifier(n_trees, random_state=0)
    forest.fit(training_rows(100, 1), class_labels(100, 2, 1))
    rows = asked_rows(3000, 2)
    expected = forest.predict_proba(rows)

    session = of_graph(export.to_onnx(forest, 3), n_threads)

    for n_rows in (1, 50, 3000):
        index, probabilities = session.run(None, {"features": rows[:n_rows]})
        np.testing.assert_array_equal(index, expected[:n_rows].argmax(axis=1))
        np.testing.assert_array_equal(probabilities, expected[:n_rows].astype(np.float32))


def test_votes_that_are_tied_go_to_the_first_label() -> None:
    """Ties are frequent, and float32 probabilities would decide some of them otherwise."""
    forest = RandomForestClassifier(50, random_state=0)
    forest.fit(training_rows(100, 1), class_labels(100, 2, 1))
    rows = asked_rows(20_000, 2)
    probabilities = forest.predict_proba(rows)
    rounded = probabilities.astype(np.float32)

    labels, _ = as_model(forest).labels_and_probabilities(rows)

    assert (rounded[:, 0] == rounded[:, 1]).any()
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=1))


@pytest.mark.parametrize("kind", CLASSIFIERS + REGRESSORS)
def test_forest_that_learnt_from_missing_cells_accepts_them(tmp_path: Path, kind: Any) -> None:
    """The record says that a request may leave cells empty."""
    rows = training_rows(200, 0, missing=0.3)
    forest = kind(20, random_state=0).fit(rows, class_labels(200, 3, 0))

    export.save(forest, tmp_path, rows, {})

    assert model.load(tmp_path).record.accepts_missing


@pytest.mark.parametrize("kind", CLASSIFIERS + REGRESSORS)
def test_graph_of_a_forest_is_one_that_onnx_allows(kind: Any) -> None:
    """ONNX's own checker accepts it, and a tree of one leaf."""
    for labels in (class_labels(50, 3, 0), np.ones(50)):
        forest = kind(3, random_state=0).fit(training_rows(50, 0), labels)

        graph = onnx.load_from_string(export.to_onnx(forest, 3))

        onnx.checker.check_model(graph, full_check=True)
        assert_same(forest, asked_rows(100, 0))


def test_same_forest_gives_the_same_bytes() -> None:
    """The graph has no random names."""
    forest = RandomForestClassifier(5, random_state=0)
    forest.fit(training_rows(50, 0), class_labels(50, 3, 0))

    assert export.to_onnx(forest, 3) == export.to_onnx(forest, 3)


@pytest.mark.parametrize("n_trees", [20, 40, 50, 60])
def test_few_rows_with_tied_votes_are_saved(tmp_path: Path, n_trees: int) -> None:
    """Twelve rows of two labels are enough for ties; each row has scikit-learn's label."""
    rows = np.array([[7, 9, 2, 2, 7, 8, 5, 1, 8, 5, 1, 1]], dtype=np.float32).T
    labels = [0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0]
    forest = RandomForestClassifier(n_trees, random_state=0).fit(rows, labels)
    asked = np.linspace(0, 10, 4001, dtype=np.float32).reshape(-1, 1)

    export.save(forest, tmp_path, rows, {})

    found, _ = model.load(tmp_path).labels_and_probabilities(asked)
    np.testing.assert_array_equal(found, forest.predict(asked))
