"""Rows and labels with which ensembles of trees have tied votes, and rows at their thresholds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import export
from artifact.model import Model

Features = NDArray[np.float32]

N_FEATURES = 3


def training_rows(n_rows: int, seed: int, missing: float = 0) -> Features:
    """Return rows of small whole numbers, so that many are equal; a share of cells is missing."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 6, (n_rows, N_FEATURES)).astype(np.float32)
    rows[random.random(rows.shape) < missing] = np.nan
    return rows


def class_labels(n_rows: int, n_labels: int, seed: int) -> NDArray[np.int64]:
    """Return labels that do not depend on the rows; each label occurs."""
    random = np.random.default_rng(seed)
    return random.permutation(np.arange(n_rows) % n_labels) * 3 - 4


def asked_rows(n_rows: int, seed: int, missing: float = 0) -> Features:
    """Return rows at, below and above the thresholds of trees that learnt `training_rows`."""
    random = np.random.default_rng(seed)
    rows = (random.integers(-2, 13, (n_rows, N_FEATURES)) / 2).astype(np.float32)
    aside = random.integers(-1, 2, rows.shape)
    rows[aside < 0] = np.nextafter(rows[aside < 0], np.float32(-9))
    rows[aside > 0] = np.nextafter(rows[aside > 0], np.float32(9))
    rows[random.random(rows.shape) < missing] = np.nan
    return rows


def as_model(estimator: Any) -> Model:
    """Return the estimator as a model without a record."""
    graph = export.to_onnx(estimator, estimator.n_features_in_)
    return Model(graph, record=None)  # type: ignore[arg-type]


def assert_same(estimator: Any, rows: Features, ulps: int = 0) -> None:
    """Compare labels and probabilities, or scores, with those of scikit-learn.

    Labels must be the same; probabilities and scores may differ by a number of units in the last
    place of float32.
    """
    found = as_model(estimator)
    if not hasattr(estimator, "classes_"):
        expected = estimator.predict(rows).astype(np.float32)
        np.testing.assert_array_max_ulp(found.scores(rows), expected, ulps)
        return
    indices, probabilities = found.labels_and_probabilities(rows)
    expected = estimator.predict_proba(rows).astype(np.float32)
    np.testing.assert_array_equal(estimator.classes_[indices], estimator.predict(rows))
    np.testing.assert_array_equal(indices, found.predict(rows))
    np.testing.assert_array_max_ulp(probabilities, expected, ulps)
