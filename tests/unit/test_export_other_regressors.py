"""Regressors other than decision trees: exported correctly, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from artifact import export, model, verification
from artifact.metadata import WAY_OUT, ArtifactError
from artifact.model import SCORE_TOLERANCE

OTHERS = {
    "linear": LinearRegression(),
    "forest": RandomForestRegressor(10, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=20, random_state=0),
    "pipeline": make_pipeline(SimpleImputer(), StandardScaler(), Ridge()),
}
ACCEPTS_MISSING = {"linear": False, "boosting": False, "pipeline": True}


def rows_and_labels() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return 500 rows of 3 features, and labels far from zero."""
    random = np.random.default_rng(0)
    features = random.normal(size=(500, 3)).astype(np.float32)
    labels = 100 + 3 * features[:, 0] - np.abs(features[:, 1]) + random.normal(size=500)
    return features, labels


def reason(estimator: Any, labels: NDArray[np.float64], directory: Path) -> str:
    """Return why the artifact of a fitted estimator is not written."""
    features, _ = rows_and_labels()
    with pytest.raises(ArtifactError) as caught:
        export.save(estimator.fit(features, labels), directory, features, {})
    assert not list(directory.iterdir())
    return str(caught.value)


@pytest.mark.parametrize("name", OTHERS)
def test_other_regressor_scores_as_scikit_learn(tmp_path: Path, name: str) -> None:
    """Scores agree to the stated part of their spread, for rows that were not trained on too."""
    features, labels = rows_and_labels()
    estimator = OTHERS[name].fit(features[:400], labels[:400])

    export.save(estimator, tmp_path, features[:400], {})

    found, expected = model.load(tmp_path).scores(features), estimator.predict(features)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=SCORE_TOLERANCE * np.ptp(expected))


@pytest.mark.parametrize("name", ACCEPTS_MISSING)
def test_other_regressor_is_recorded_right_about_missing_cells(tmp_path: Path, name: str) -> None:
    """With an imputer, rows with missing cells are predicted; otherwise they are refused."""
    features, labels = rows_and_labels()

    export.save(OTHERS[name].fit(features, labels), tmp_path, features, {})

    assert model.load(tmp_path).record.accepts_missing == ACCEPTS_MISSING[name]


def test_constant_regressor_is_served(tmp_path: Path) -> None:
    """Scores without a spread may still differ by the rounding of float32."""
    features, _ = rows_and_labels()
    estimator = RandomForestRegressor(30, random_state=0).fit(features, np.full(500, 0.1))

    export.save(estimator, tmp_path, features, {})

    np.testing.assert_allclose(model.load(tmp_path).scores(features), 0.1, rtol=1e-6)


def test_regressor_with_one_column_of_labels_is_served(tmp_path: Path) -> None:
    """Labels of shape (n_rows, 1) are one number a row."""
    features, labels = rows_and_labels()

    export.save(LinearRegression().fit(features, labels.reshape(-1, 1)), tmp_path, features, {})

    assert model.load(tmp_path).scores(features).shape == (500,)


@pytest.mark.parametrize("estimator", [DecisionTreeRegressor(), LinearRegression()])
def test_regressor_with_several_outputs_is_refused(tmp_path: Path, estimator: Any) -> None:
    """A response has one number a row."""
    labels = np.column_stack([rows_and_labels()[1]] * 2)

    assert reason(estimator, labels, tmp_path) == (
        f"{type(estimator).__name__} predicts 2 values for each row; only an estimator that "
        "predicts one can be served"
    )


def test_regressor_that_float32_cannot_follow_is_refused(tmp_path: Path) -> None:
    """Large numbers that nearly cancel, such as times, need float64 and are refused."""
    features, labels = rows_and_labels()
    features += np.float32(1e7)
    estimator = LinearRegression().fit(features, labels)

    with pytest.raises(
        ArtifactError,
        match=r"^the exported model predicts another score than LinearRegression for \d+ of 500 "
        r"training rows, 0 of them with missing values \(off by up to [\d.]+\); .*32-bit floats.*, "
        r"or use another estimator, a file format of your own .* or script mode",
    ):
        export.save(estimator, tmp_path, features, {})

    assert not list(tmp_path.iterdir())


def test_regressor_that_differs_in_the_last_row_of_many_is_refused(tmp_path: Path) -> None:
    """Every row is compared, those of the last slice too."""
    features = np.random.default_rng(0).random((verification.SLICE_ROWS + 3, 2), dtype=np.float32)
    estimator = LinearRegression().fit(features, features[:, 0])
    estimator.coef_ = np.array([0.1, -0.1])
    features[-1] = 1e8, 1e8 - 8

    with pytest.raises(ArtifactError, match=r" for 1 of 65539 training rows, "):
        export.save(estimator, tmp_path, features, {})


def test_regressor_beyond_float32_is_refused(tmp_path: Path) -> None:
    """No infinite score is ever served."""
    labels = np.where(np.arange(500) < 250, 1e39, 1.0)

    assert reason(DecisionTreeRegressor(), labels, tmp_path) == (
        "the score of a training row is 1e+39, beyond the range of a 32-bit float; scale the labels"
    )


def test_estimator_that_skl2onnx_does_not_know_is_refused(tmp_path: Path) -> None:
    """The message includes that of skl2onnx."""
    message = reason(TransformedTargetRegressor(Ridge()), rows_and_labels()[1], tmp_path)

    assert message.startswith("skl2onnx cannot convert TransformedTargetRegressor (Unable to find")
    assert len(message) < 450
    assert "\n" not in message
    assert message.endswith(f"); {WAY_OUT}")


def test_estimator_that_is_no_regressor_is_refused(tmp_path: Path) -> None:
    """An estimator that is neither a classifier nor a regressor is refused."""
    estimator = KMeans(3, n_init=1, random_state=0)

    assert reason(estimator, rows_and_labels()[1], tmp_path) == (
        f"KMeans is neither a classifier nor a regressor; {WAY_OUT}"
    )
