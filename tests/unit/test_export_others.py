"""Classifiers other than decision trees: exported correctly, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from artifact import export, model
from artifact.metadata import ArtifactError
from artifact.model import Model
from support.material import LabelledRows


def saved(estimator: Any, features: NDArray[np.float32], directory: Path) -> Model:
    """Save the estimator and load it as serving does."""
    export.save(estimator, directory, features, {})
    return model.load(directory)


OTHERS = {
    "forest": RandomForestClassifier(10, random_state=0),
    "linear": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
}


@pytest.mark.parametrize("estimator", OTHERS.values(), ids=OTHERS)
def test_other_classifier_answers_as_scikit_learn(
    tmp_path: Path, iris: LabelledRows, estimator: Any
) -> None:
    """Labels agree exactly, probabilities to the precision of float32."""
    features = iris.features.astype(np.float32)
    estimator.fit(features, iris.labels)

    found = saved(estimator, features, tmp_path)

    labels = np.array(found.record.labels)[found.predict(features)]
    probabilities = estimator.predict_proba(features)
    np.testing.assert_array_equal(labels, estimator.predict(features))
    np.testing.assert_allclose(found.probabilities(features), probabilities, atol=1e-6)


@pytest.mark.parametrize("estimator", OTHERS.values(), ids=OTHERS)
def test_other_classifier_is_right_about_missing_cells(
    tmp_path: Path, iris: LabelledRows, estimator: Any
) -> None:
    """A row with missing cells is predicted as scikit-learn does, or refused."""
    features = iris.features.astype(np.float32)
    estimator.fit(features, iris.labels)
    found = saved(estimator, features, tmp_path)
    rows = features.copy()
    rows[np.random.default_rng(0).random(rows.shape) < 0.3] = np.nan

    labels = np.array(found.record.labels)[found.predict(rows)]
    refused = not found.record.accepts_missing
    assert refused or labels.tolist() == estimator.predict(rows).tolist()


@pytest.mark.parametrize("estimator", [OTHERS["linear"], OTHERS["pipeline"]])
def test_estimator_that_refuses_missing_cells_is_recorded_so(
    tmp_path: Path, iris: LabelledRows, estimator: Any
) -> None:
    """Rows that scikit-learn refuses are refused."""
    features = iris.features.astype(np.float32)
    estimator.fit(features, iris.labels)

    assert not saved(estimator, features, tmp_path).record.accepts_missing


def test_estimator_that_does_not_predict_the_likeliest_label_is_refused(
    tmp_path: Path, iris: LabelledRows
) -> None:
    """An artifact knows only probabilities; an estimator with its own threshold is refused."""
    features = iris.features.astype(np.float32)
    estimator = TunedThresholdClassifierCV(LogisticRegression())
    estimator.fit(features, np.array(iris.labels) == "versicolor")

    with pytest.raises(ArtifactError, match="TunedThresholdClassifierCV"):
        export.save(estimator, tmp_path, features, {})

    assert not list(tmp_path.iterdir())
