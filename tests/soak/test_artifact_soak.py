"""Fuzz test of artifacts: bytes changed, with the checksums made right again."""

import logging
import time
from pathlib import Path

import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact import export
from support.damage import outcomes_apart
from support.ensembles import class_labels, training_rows

SECONDS = 15
ESTIMATORS = [
    DecisionTreeClassifier(random_state=0),
    DecisionTreeRegressor(random_state=0),
    RandomForestClassifier(5, random_state=0),
    GradientBoostingRegressor(n_estimators=5, random_state=0),
    make_pipeline(StandardScaler(), LogisticRegression()),
]

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_damaged_artifact_is_refused_or_served(tmp_path: Path, estimator: object) -> None:
    """No change of a file crashes, hangs, or makes an answer of a tree another one."""
    rows = training_rows(100, 0)
    fitted = estimator.fit(rows, class_labels(100, 3, 0))  # type: ignore[attr-defined]
    export.save(fitted, tmp_path, rows, {}, export.Naming(["x", "y", "é"]))
    seed = time.time_ns() % 2**32

    outcomes = outcomes_apart(tmp_path, seed, SECONDS)

    logger.info("seed %d: %s", seed, outcomes)
