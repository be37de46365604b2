"""Comparison of a model with its estimator, before the model is written.

Labels must be the same. Probabilities, and the scores of trees, may differ by the rounding to
32-bit floats; other scores by a part of their spread, see `model.SCORE_TOLERANCE`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import onnx_file
from artifact.ensembles import onnx_ensemble
from artifact.metadata import WAY_OUT, ArtifactError
from artifact.model import PROBABILITY_TOLERANCE, ROUNDING, Model, near

SLICE_ROWS = 65_536
SLICE_CELLS = 2**22
"""Maximum numbers of rows and of cells that are predicted at once, which limits the memory."""

SAMPLE_ROWS = 1000
"""Maximum number of rows with blank cells, and of thresholds."""

Features = NDArray[np.float32]
Answers = NDArray[np.intp] | NDArray[np.float32]
"""For each row the index of its label, intp, or its score, float32."""


def check(model: Model, graph: bytes, estimator: Any, features: Features, answers: Answers) -> None:
    """Compare all training rows, and rows at the thresholds of trees.

    Args:
        model: made of `estimator`.
        graph: the content of model.onnx.
        estimator: the oracle.
        features: the training rows.
        answers: those of `estimator` for `features`.

    Raises:
        ArtifactError: an answer differs; the message has the cause.
    """
    _raise_different(model, estimator, features, answers, "training rows")
    if len(rows := _rows_at_thresholds(graph, features)):
        _raise_different(model, estimator, rows, answers_of(estimator, rows), "rows at thresholds")
    few = _sample(features)
    if model.tree is not None and not model.tree.agree(features[few], answers[few]).all():
        raise ArtifactError(f"the nodes of {type(estimator).__name__} do not predict its answers")


def accepts_missing(model: Model, estimator: Any, features: Features) -> bool:
    """Return whether model and estimator predict rows with blank cells, and equally."""
    rows = features[_sample(features)]
    blank = np.random.default_rng(0).random(rows.shape, dtype=np.float32) < 0.5
    blank[0] = True
    rows[blank] = np.nan
    try:
        answers = answers_of(estimator, rows)
    except (ValueError, ArtifactError):
        return False
    return not _is_wrong(estimator, *_compared(model, estimator, rows, answers), answers).any()


def answers_of(estimator: Any, features: Features) -> Answers:
    """Return for each row the index of the label that the estimator predicts, or its score.

    Raises:
        ArtifactError: it predicts several answers a row, or a score beyond float32.
    """
    return np.concatenate([_answers(estimator, rows) for rows in _slices(estimator, features)])


def is_classifier(estimator: Any) -> bool:
    """Return whether an estimator predicts labels."""
    return hasattr(estimator, "classes_")


def _compared(
    model: Model, estimator: Any, features: Features, answers: Answers
) -> tuple[Answers, NDArray[np.float32]]:
    """Return for each row the answer of the model, and by how much it is off.

    The latter is the maximum difference of the probabilities, or the difference of the scores.
    """
    if not is_classifier(estimator):
        scores = np.concatenate(list(map(model.scores, _slices(estimator, features))))
        return scores, np.abs(scores - answers)
    indices, off = [], []
    for rows in _slices(estimator, features):
        found, probabilities = model.labels_and_probabilities(rows)
        indices.append(found)
        off.append(np.abs(probabilities - estimator.predict_proba(rows)).max(axis=1))
    return np.concatenate(indices), np.concatenate(off)


def _answers(estimator: Any, rows: Features) -> Answers:
    predictions = np.asarray(estimator.predict(rows))
    if predictions.size != len(rows):
        raise ArtifactError(
            f"{type(estimator).__name__} predicts {predictions.size // len(rows)} values for each "
            "row; only an estimator that predicts one can be served"
        )
    if is_classifier(estimator):
        indices: NDArray[np.intp] = np.searchsorted(estimator.classes_, predictions)
        return indices
    with np.errstate(over="ignore"):
        rounded: NDArray[np.float32] = predictions.reshape(-1).astype(np.float32)
    wrong = ~np.isfinite(rounded)
    if wrong.any():
        raise ArtifactError(
            f"the score of a training row is {float(predictions.reshape(-1)[wrong][0])!r}, beyond "
            "the range of a 32-bit float; scale the labels"
        )
    return rounded


def _is_wrong(
    estimator: Any, found: Answers, off: NDArray[np.float32], expected: Answers
) -> NDArray[np.bool_]:
    """Return for each row whether its label, its score or a probability is wrong."""
    is_exact = onnx_ensemble.is_supported(estimator)
    if is_classifier(estimator):
        tolerance = ROUNDING if is_exact else PROBABILITY_TOLERANCE
        wrong: NDArray[np.bool_] = (found != expected) | ~(off <= tolerance)
        return wrong
    if is_exact:
        rounding = 0 if hasattr(estimator, "tree_") else ROUNDING
        return ~(off <= rounding * np.abs(expected))
    return ~near(found.astype(np.float32), expected.astype(np.float32))


def _raise_different(
    model: Model, estimator: Any, rows: Features, expected: Answers, where: str
) -> None:
    """Raise ArtifactError with the cause if a row is wrong."""
    found, off = _compared(model, estimator, rows, expected)
    wrong = np.flatnonzero(_is_wrong(estimator, found, off, expected))
    if not len(wrong):
        return
    is_missing = np.isnan(rows[wrong]).any(axis=1)
    is_other = (found != expected)[wrong]
    what = "score"
    if is_classifier(estimator):
        what = "label" if is_other.any() else "probability"
    if is_missing.all():
        cause = "skl2onnx treats missing values differently, so fill them in"
    elif what == "label":
        cause = _cause_of_labels(estimator, rows[wrong[is_other]][:SAMPLE_ROWS])
    else:
        cause = "rounding to 32-bit floats explains less, so scale the features"
    raise ArtifactError(
        f"the exported model predicts another {what} than {type(estimator).__name__} for "
        f"{len(wrong)} of {len(rows)} {where}, {is_missing.sum()} of them with missing values "
        f"(off by up to {off[wrong].max():.2g}); {cause}, or {WAY_OUT}"
    )


def _cause_of_labels(estimator: Any, rows: Features) -> str:
    probabilities = estimator.predict_proba(rows)
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    if (probabilities.argmax(axis=1) != _answers(estimator, rows)).any():
        return "its predict does not choose the most probable label, so change its threshold"
    if (first - second <= PROBABILITY_TOLERANCE).all():
        return "labels are equally probable there, and 32-bit floats decide ties differently"
    return "the probabilities are rounded to 32-bit floats, so scale the features"


def _sample(features: Features) -> NDArray[np.intp]:
    """Return the numbers of a few rows that are spread over all, each once."""
    count = min(SAMPLE_ROWS, _slice_rows(features.shape[1]))
    return np.unique(np.linspace(0, len(features) - 1, count).astype(np.intp))


def _slices(estimator: Any, features: Features) -> Iterator[Features]:
    size = _slice_rows(max(features.shape[1], len(getattr(estimator, "classes_", ()))))
    return (features[i : i + size] for i in range(0, len(features), size))


def _slice_rows(n_columns: int) -> int:
    return max(1, min(SLICE_ROWS, SLICE_CELLS // n_columns))


def _rows_at_thresholds(graph: bytes, features: Features) -> Features:
    """Return training rows with one cell at, just below or just above a threshold of a tree."""
    columns, thresholds = onnx_file.thresholds(graph)
    if not len(columns):
        return features[:0]
    few = _sample(thresholds[:, np.newaxis])
    few = few[: max(1, _slice_rows(features.shape[1]) // 3)]
    at = thresholds[few]
    beside = [np.nextafter(at, np.float32(way)) for way in (-np.inf, np.inf)]
    cells = np.concatenate([at, *beside])
    rows = features[np.resize(_sample(features), len(cells))]
    rows[np.arange(len(cells)), np.tile(columns[few], 3)] = cells
    return np.asarray(rows[np.isfinite(cells)])
