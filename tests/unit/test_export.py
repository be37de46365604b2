"""Exported classifiers predict exactly as scikit-learn does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from artifact import export, model
from artifact.metadata import LabelProbe
from artifact.model import Model
from support.material import ARTIFACT

Matrix = NDArray[np.float32]
Labels = NDArray[Any]

LABELS = {
    "binary": np.array([0, 1]),
    "int": np.array([-3, 7, 10]),
    "str": np.array(["setosa", "é, b", "007"]),
    "float": np.array([-1.0, 0.0, 2.5e10]),
    "many": np.arange(12),
}
HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "default": {},
    "entropy": {"criterion": "entropy"},
    "stump": {"max_depth": 1},
    "ties": {"max_depth": 3, "min_samples_leaf": 10},
    "random": {"splitter": "random"},
    "best_first": {"max_leaf_nodes": 7},
    "balanced": {"class_weight": "balanced", "max_depth": 4},
    "pruned": {"ccp_alpha": 0.01},
    "sqrt": {"max_features": "sqrt", "max_depth": 5},
}


def rows_and_codes(seed: int, n_labels: int, missing: float = 0.0) -> tuple[Matrix, Labels]:
    """Return 200 rows of 4 features, half of them on a coarse grid, and noisy label numbers."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(200, 4)).astype(np.float32)
    features[:, :2] = features[:, :2].round(1)
    noise = random.normal(scale=0.3, size=200)
    codes = (np.abs(features[:, 0] + features[:, 2] + noise) * n_labels / 2).astype(int) % n_labels
    features[random.random(features.shape) < missing] = np.nan
    return features, codes


def questions(estimator: Any, features: Matrix) -> Matrix:
    """Return rows at every threshold, one ulp beside it, and with missing cells."""
    asked = [features, np.full((1, features.shape[1]), np.nan, dtype=np.float32)]
    split = np.isfinite(estimator.tree_.threshold) & (estimator.tree_.children_left != -1)
    for feature, threshold in zip(
        estimator.tree_.feature[split], estimator.tree_.threshold[split], strict=True
    ):
        at = np.float32(threshold)
        for value in (at, np.nextafter(at, np.float32(-9)), np.nextafter(at, np.float32(9))):
            rows = features[:20].copy()
            rows[:, feature] = value
            asked.append(rows)
    for feature in range(features.shape[1]):
        rows = features.copy()
        rows[:, feature] = np.nan
        asked.append(rows)
    return np.concatenate(asked)


def saved(estimator: Any, features: Matrix, directory: Path) -> Model:
    """Save the estimator and load it as serving does."""
    export.save(estimator, directory, features, {})
    return model.load(directory)


def assert_same(found: Model, estimator: Any, features: Matrix) -> None:
    """Compare labels and probabilities with scikit-learn's, exactly."""
    labels = np.array(found.record.labels)[found.predict(features)]
    np.testing.assert_array_equal(labels, estimator.predict(features), strict=True)
    np.testing.assert_array_equal(
        found.probabilities(features),
        estimator.predict_proba(features).astype(np.float32),
        strict=True,
    )


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("hyperparameters", HYPERPARAMETERS.values(), ids=HYPERPARAMETERS)
def test_tree_answers_exactly_as_scikit_learn(
    tmp_path: Path, hyperparameters: dict[str, Any], name: str, missing: float
) -> None:
    """Labels and probabilities agree, at thresholds, an ulp beside them, and for missing cells."""
    features, codes = rows_and_codes(seed=len(name), n_labels=len(LABELS[name]), missing=missing)
    estimator = DecisionTreeClassifier(random_state=0, **hyperparameters)
    estimator.fit(features, LABELS[name][codes])

    found = saved(estimator, features, tmp_path)

    assert_same(found, estimator, questions(estimator, features))
    assert found.record.accepts_missing


@pytest.mark.parametrize("kind", [DecisionTreeClassifier, ExtraTreeClassifier])
@pytest.mark.parametrize("seed", range(8))
def test_tree_of_any_seed_answers_exactly_as_scikit_learn(
    tmp_path: Path, kind: type[Any], seed: int
) -> None:
    """Other data, weights of labels and random splits make no difference."""
    features, codes = rows_and_codes(seed, n_labels=3, missing=0.1 * (seed % 3))
    weights = {0: 0.1, 1: 1.0, 2: float(seed)} if seed else None
    estimator = kind(random_state=seed, splitter="random", class_weight=weights)
    estimator.fit(features, codes)

    found = saved(estimator, features, tmp_path)

    assert_same(found, estimator, questions(estimator, features))


FLOATS = st.floats(width=32, allow_infinity=False)


@given(st.lists(st.tuples(FLOATS, FLOATS, st.integers(0, 2)), min_size=2, max_size=30))
def test_tree_of_any_numbers_answers_exactly_as_scikit_learn(
    rows: list[tuple[float, float, int]],
) -> None:
    """The smallest, the largest, signed zeros and neighbours in float32 are no exceptions."""
    assume(len({label for _, _, label in rows}) > 1)
    table = np.array(rows, dtype=np.float64)
    features, labels = table[:, :2].astype(np.float32), table[:, 2].astype(int)
    with np.errstate(over="ignore", invalid="ignore"):  # in scikit-learn's check of its input
        estimator = DecisionTreeClassifier(random_state=0).fit(features, labels)
        asked = questions(estimator, features)
        asked = asked[~np.isinf(asked).any(axis=1)]
        graph = export.to_onnx(estimator, 2)
        expected = estimator.predict_proba(asked).astype(np.float32)

    found = Model(graph, record=None).probabilities(asked)  # type: ignore[arg-type]

    np.testing.assert_array_equal(found, expected)


def test_tree_of_one_leaf_answers_exactly_as_scikit_learn(tmp_path: Path) -> None:
    """A tree without a split predicts the share of each label."""
    features = np.ones((10, 2), dtype=np.float32)
    estimator = DecisionTreeClassifier().fit(features, list("aaabbbbccc"))

    found = saved(estimator, features, tmp_path)

    assert estimator.tree_.node_count == 1
    assert_same(found, estimator, np.array([[1, 1], [9, np.nan]], dtype=np.float32))


def test_tree_with_monotonic_constraints_answers_exactly_as_scikit_learn(tmp_path: Path) -> None:
    """A constrained tree is no exception, missing cells included."""
    features, codes = rows_and_codes(seed=3, n_labels=2)
    estimator = DecisionTreeClassifier(monotonic_cst=[1, 0, -1, 0]).fit(features, codes)

    found = saved(estimator, features, tmp_path)

    asked = questions(estimator, features)
    assert found.record.accepts_missing
    assert_same(found, estimator, asked)


def test_tied_leaf_answers_with_the_first_label(tmp_path: Path) -> None:
    """The first of several labels with equal shares is predicted, as in scikit-learn."""
    features = np.array([[0], [0], [1], [1], [1], [1]], dtype=np.float32)
    estimator = DecisionTreeClassifier().fit(features, list("bacbcb"))

    found = saved(estimator, features, tmp_path)

    assert found.predict(np.array([[0], [1]], dtype=np.float32)).tolist() == [0, 1]
    assert_same(found, estimator, features)


def test_label_ahead_by_less_than_float32_can_tell_still_wins(tmp_path: Path) -> None:
    """A later label with a larger weight wins although both probabilities round to the same."""
    features = np.zeros((2, 1), dtype=np.float32)
    estimator = DecisionTreeClassifier(class_weight={"a": 1.0, "b": 1.0 + 1e-9})
    estimator.fit(features, ["a", "b"])

    found = saved(estimator, features, tmp_path)

    assert np.diff(estimator.predict_proba(features[:1]).astype(np.float32)) == 0
    assert estimator.predict(features).tolist() == ["b", "b"]
    assert found.predict(features).tolist() == [1, 1]


def test_same_fit_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two fits over the same rows are the same artifact, byte for byte."""
    features, codes = rows_and_codes(seed=1, n_labels=3, missing=0.1)
    artifacts = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        estimator = DecisionTreeClassifier(random_state=0).fit(features, codes)
        export.save(estimator, tmp_path / name, features, {"rows": {"train": 200}})
        artifacts.append([file.read_bytes() for file in sorted((tmp_path / name).iterdir())])

    assert len(artifacts[0]) == len(ARTIFACT)
    assert artifacts[0] == artifacts[1]


def test_record_says_what_was_saved(tmp_path: Path) -> None:
    """model.json has labels, features, a probe with every label, and what was passed along."""
    features, codes = rows_and_codes(seed=2, n_labels=12)
    estimator = DecisionTreeClassifier(random_state=0).fit(features, codes)
    training = {"metrics": {"train": {"accuracy": 1.0}}}

    export.save(estimator, tmp_path, features, training)

    record = model.load(tmp_path).record
    assert sorted(file.name for file in tmp_path.iterdir()) == ARTIFACT
    assert record.labels == list(range(12))
    assert record.n_features == 4
    assert record.training == training
    assert isinstance(record.probe, LabelProbe)
    assert len(set(record.probe.labels)) >= export.PROBE_ROWS
    assert set(record.versions) >= {"python", "scikit-learn", "onnxruntime", "skl2onnx"}
