"""Ten million answers of ensembles of trees, compared with those of scikit-learn."""

import logging
import time
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)

from support.ensembles import asked_rows, assert_same, class_labels, training_rows

N_ANSWERS = 10_000_000
N_ROWS = 250_000
MAX_SECONDS = 150

KINDS: list[tuple[type[Any], str, float]] = [
    (RandomForestClassifier, "n_estimators", 0.2),
    (ExtraTreesClassifier, "n_estimators", 0.2),
    (BaggingClassifier, "n_estimators", 0.2),
    (HistGradientBoostingClassifier, "max_iter", 0.2),
    (GradientBoostingClassifier, "n_estimators", 0),
    (AdaBoostClassifier, "n_estimators", 0),
    (RandomForestRegressor, "n_estimators", 0.2),
]
"""Kinds, the names of their numbers of trees, and shares of missing cells."""

logger = logging.getLogger(__name__)


@pytest.mark.soak
def test_ten_million_answers_are_those_of_scikit_learn() -> None:
    """Labels are the same at thresholds and where votes are tied; the time is limited."""
    seed = time.time_ns() % 2**31
    begun, n_answers = time.monotonic(), 0
    random = np.random.default_rng(seed)
    while n_answers < N_ANSWERS and time.monotonic() - begun < MAX_SECONDS:
        kind, count, missing = KINDS[int(random.integers(len(KINDS)))]
        n_labels, n_trees = int(random.integers(2, 8)), int(random.integers(1, 12))
        estimator = kind(**{count: n_trees}, random_state=seed)
        estimator.fit(training_rows(60, seed, missing), class_labels(60, n_labels, seed))

        assert_same(estimator, asked_rows(N_ROWS, seed, missing), ulps=1)

        seed, n_answers = seed + 1, n_answers + N_ROWS
    logger.info("%d answers in %.0f s", n_answers, time.monotonic() - begun)
