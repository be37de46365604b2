"""Trees and ensembles in scikit-learn's pipelines and meta-estimators, exported with ties."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact import export, model
from support.ensembles import as_model, asked_rows, assert_same, class_labels, training_rows

LAST_STEPS = [
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(20, random_state=0),
    ExtraTreesClassifier(20, random_state=0),
    BaggingClassifier(n_estimators=20, random_state=0),
    GradientBoostingClassifier(n_estimators=5, random_state=0),
    AdaBoostClassifier(n_estimators=5, random_state=0),
    HistGradientBoostingClassifier(max_iter=5, random_state=0),
]
SCORED = [
    DecisionTreeRegressor(random_state=0),
    RandomForestRegressor(20, random_state=0),
    BaggingRegressor(n_estimators=20, random_state=0),
    HistGradientBoostingRegressor(max_iter=5, random_state=0),
]
FEW_TREES = [
    ("forest", RandomForestClassifier(5, random_state=0)),
    ("boosting", GradientBoostingClassifier(n_estimators=5, random_state=0)),
]
META = {
    "voting": VotingClassifier(FEW_TREES, voting="soft", flatten_transform=False),
    "stacking": StackingClassifier(FEW_TREES),
    "calibrated": CalibratedClassifierCV(RandomForestClassifier(5, random_state=0)),
    "bagged_linear": BaggingClassifier(LogisticRegression(), random_state=0),
}


@pytest.mark.parametrize("last", LAST_STEPS, ids=lambda last: type(last).__name__)
@pytest.mark.parametrize("dtype", [int, float, str])
def test_classifier_that_ends_in_trees_has_the_same_labels(last: Any, dtype: type) -> None:
    """Labels are those of scikit-learn, also where votes are tied and cells are missing."""
    labels: NDArray[Any] = class_labels(150, 2, 1).astype(dtype)
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), last)
    pipeline.fit(training_rows(150, 1, 0.1), labels)

    assert_same(pipeline, asked_rows(3000, 2, 0.1), ulps=1)


STEPS = [
    MinMaxScaler(),
    MinMaxScaler((-3, 0.1)),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False, quantile_range=(10, 90)),
    RobustScaler(with_scaling=False),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="constant", fill_value=-1),
]


@pytest.mark.parametrize("step", STEPS, ids=repr)
@pytest.mark.parametrize("size", [1, 1e-3, 1e6])
def test_trees_behind_another_step_have_the_same_labels(step: Any, size: float) -> None:
    """Scaled cells are those of scikit-learn to the last bit, so no threshold parts them."""
    random = np.random.default_rng(3)
    rows = (random.random((500, 4)) * size).astype(np.float32)
    labels = random.integers(0, 2, 500)
    pipeline = make_pipeline(step, SimpleImputer(), ExtraTreesClassifier(50, random_state=0))
    pipeline.fit(rows[:200], labels[:200])
    thresholds = pipeline[-1].estimators_[0].tree_.threshold[:50].astype(np.float32)
    scaled = np.resize(thresholds, (50, 4))
    asked = rows
    if hasattr(step, "scale_"):
        at = step.inverse_transform(scaled).astype(np.float32)
        asked = np.concatenate([at, np.nextafter(at, np.float32(0)), rows])

    assert_same(pipeline, asked)


def test_pipeline_in_a_pipeline_has_the_same_labels() -> None:
    """The last step of the last step decides."""
    inner = make_pipeline(SimpleImputer(strategy="median"), RandomForestClassifier(20))
    pipeline = make_pipeline(SimpleImputer(), inner)
    pipeline.fit(training_rows(150, 1, 0.1), class_labels(150, 2, 1))

    assert_same(pipeline, asked_rows(3000, 2, 0.1))


@pytest.mark.parametrize("last", SCORED, ids=lambda last: type(last).__name__)
def test_regressor_that_ends_in_trees_has_the_same_scores(last: Any) -> None:
    """Scores are those of scikit-learn, rounded to float32."""
    rows = training_rows(150, 1, 0.1)
    labels = np.random.default_rng(1).normal(100, 20, 150)
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), last).fit(rows, labels)

    assert_same(pipeline, asked_rows(3000, 2, 0.1))


@pytest.mark.parametrize("estimator", META.values(), ids=META)
def test_meta_estimator_of_trees_is_exported(estimator: Any) -> None:
    """Probabilities agree to the precision of float32."""
    rows, asked = training_rows(150, 1), asked_rows(1000, 2)
    estimator.fit(rows, class_labels(150, 3, 1))

    found = as_model(estimator).probabilities(asked)

    np.testing.assert_allclose(found, estimator.predict_proba(asked), atol=1e-6)


def test_mean_of_regressors_is_exported() -> None:
    """Scores agree to the precision of float32."""
    members = [("extra", ExtraTreesRegressor(5)), ("forest", RandomForestRegressor(5))]
    estimator = VotingRegressor(members).fit(training_rows(150, 1), np.arange(150.0))
    asked = asked_rows(1000, 2)

    found = as_model(estimator).scores(asked)

    np.testing.assert_allclose(found, estimator.predict(asked), rtol=1e-6)


def test_pipeline_that_passes_missing_cells_on_is_saved(tmp_path: Path) -> None:
    """Trees behind a step that keeps missing cells accept them too."""
    rows = training_rows(200, 0, missing=0.3)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))
    pipeline.fit(rows, class_labels(200, 2, 0))

    export.save(pipeline, tmp_path, rows, {})

    assert model.load(tmp_path).record.accepts_missing
    assert_same(pipeline, asked_rows(3000, 2, 0.3))
