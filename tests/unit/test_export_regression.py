"""Exported regression trees predict exactly as scikit-learn does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from artifact import export, model, verification
from artifact.metadata import ScoreProbe
from artifact.model import Model
from support.material import ARTIFACT

Matrix = NDArray[np.float32]

ASKED_ROWS = 20_000
HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "default": {},
    "absolute": {"criterion": "absolute_error", "max_depth": 6},
    "poisson": {"criterion": "poisson"},
    "stump": {"max_depth": 1},
    "random": {"splitter": "random"},
    "best_first": {"max_leaf_nodes": 7},
    "pruned": {"ccp_alpha": 0.01},
    "sqrt": {"max_features": "sqrt", "min_samples_leaf": 5},
    "constrained": {"monotonic_cst": [1, 0, -1, 0]},
}
UNLEARNT_MISSING = {"absolute", "constrained"}  # scikit-learn learns these from no missing cells


def rows_and_labels(seed: int, missing: float = 0.0) -> tuple[Matrix, NDArray[np.float64]]:
    """Return 300 rows of 4 features, half of them on a coarse grid, and positive noisy labels."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(300, 4)).astype(np.float32)
    features[:, :2] = features[:, :2].round(1)
    labels = np.exp(features[:, 0]) + np.abs(features[:, 2]) + random.random(300)
    features[random.random(features.shape) < missing] = np.nan
    return features, labels


def questions(estimator: Any, n_features: int) -> Matrix:
    """Return random rows whose cells are thresholds, numbers one ulp beside them, or missing."""
    random = np.random.default_rng(0)
    features = random.normal(size=(ASKED_ROWS, n_features)).astype(np.float32)
    tree = estimator.tree_
    for feature in range(n_features):
        split = (tree.feature == feature) & np.isfinite(tree.threshold)
        at = tree.threshold[split].astype(np.float32)
        below, above = np.nextafter(at, np.float32(-9)), np.nextafter(at, np.float32(9))
        special = np.concatenate([at, below, above, [np.float32(np.nan)]])
        rows = random.random(ASKED_ROWS) < 0.6
        features[rows, feature] = random.choice(special, rows.sum())
    features[0] = np.nan
    return features


def assert_same(found: Model, estimator: Any, features: Matrix) -> None:
    """Compare the scores with scikit-learn's, bit for bit."""
    expected = estimator.predict(features).astype(np.float32)

    assert found.scores(features).dtype == np.float32
    assert found.scores(features).tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", [DecisionTreeRegressor, ExtraTreeRegressor])
@pytest.mark.parametrize(
    ("name", "missing"),
    [(name, 0.0) for name in HYPERPARAMETERS]
    + [(name, 0.2) for name in sorted(HYPERPARAMETERS.keys() - UNLEARNT_MISSING)],
)
def test_tree_scores_exactly_as_scikit_learn(
    tmp_path: Path, name: str, kind: type[Any], missing: float
) -> None:
    """Scores agree at thresholds, an ulp beside them, and for missing cells; weights included."""
    hyperparameters = HYPERPARAMETERS[name]
    features, labels = rows_and_labels(seed=len(name), missing=missing)
    weights = np.random.default_rng(1).random(len(labels)) + 0.1
    estimator = kind(random_state=0, **hyperparameters).fit(features, labels, weights)

    export.save(estimator, tmp_path, features, {})

    found = model.load(tmp_path)
    assert found.record.accepts_missing
    assert_same(found, estimator, questions(estimator, 4))


FLOATS = st.floats(width=32, allow_infinity=False)
SCORES = st.floats(-1e30, 1e30)


@given(st.lists(st.tuples(FLOATS, FLOATS, SCORES), min_size=1, max_size=30))
def test_tree_of_any_numbers_scores_exactly_as_scikit_learn(
    rows: list[tuple[float, float, float]],
) -> None:
    """The smallest and the largest are no exceptions; only a zero may lose its sign."""
    table = np.array(rows, dtype=np.float64)
    features, labels = table[:, :2].astype(np.float32), table[:, 2]
    with np.errstate(over="ignore", invalid="ignore"):  # in scikit-learn's check of its input
        estimator = DecisionTreeRegressor(random_state=0).fit(features, labels)
        expected = estimator.predict(features).astype(np.float32)

    found = Model(export.to_onnx(estimator, 2), record=None)  # type: ignore[arg-type]

    np.testing.assert_array_equal(found.scores(features), expected, strict=True)


def test_tree_of_more_rows_than_a_slice_is_saved(tmp_path: Path) -> None:
    """Predictions of slices are concatenated in order, so that the probe has the last row."""
    features = np.arange(verification.SLICE_ROWS + 3, dtype=np.float32).reshape(-1, 1)
    estimator = DecisionTreeRegressor().fit(features, features[:, 0])

    export.save(estimator, tmp_path, features, {})

    probe = model.load(tmp_path).record.probe
    assert isinstance(probe, ScoreProbe)
    assert [[score] for score in probe.scores] == probe.features
    assert probe.scores[-1] == verification.SLICE_ROWS + 2


def test_score_of_a_tree_is_right_only_to_the_last_bit() -> None:
    """A tree has no tolerance: one unit in the last place is another score."""
    features, labels = rows_and_labels(seed=0)
    estimator = DecisionTreeRegressor(random_state=0).fit(features, labels)
    scores = estimator.predict(features).astype(np.float32)
    off = np.abs(np.nextafter(scores, np.float32(0)) - scores)

    assert not verification._is_wrong(estimator, scores, off * 0, scores).any()
    assert verification._is_wrong(estimator, scores - off, off, scores).all()
    assert not verification._is_wrong(LinearRegression(), scores - off, off, scores).any()


def test_same_fit_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two fits over the same rows are the same artifact, byte for byte."""
    features, labels = rows_and_labels(seed=1, missing=0.1)
    artifacts = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        estimator = DecisionTreeRegressor(random_state=0).fit(features, labels)
        export.save(estimator, tmp_path / name, features, {"rows": {"train": 300}})
        artifacts.append([file.read_bytes() for file in sorted((tmp_path / name).iterdir())])

    assert len(artifacts[0]) == len(ARTIFACT)
    assert artifacts[0] == artifacts[1]


def test_record_says_what_was_saved(tmp_path: Path) -> None:
    """model.json has the task, the names of features, and a probe with both extremes."""
    features, labels = rows_and_labels(seed=2)
    estimator = DecisionTreeRegressor(random_state=0).fit(features, labels)

    export.save(estimator, tmp_path, features, {}, export.Naming(("a", "b", "c", "d")))

    record = model.load(tmp_path).record
    scores = estimator.predict(features).astype(np.float32)
    assert (record.task, record.labels) == ("regression", [])
    assert record.feature_names == ["a", "b", "c", "d"]
    assert isinstance(record.probe, ScoreProbe)
    assert {str(scores.min()), str(scores.max())} <= set(map(str, record.probe.scores))
