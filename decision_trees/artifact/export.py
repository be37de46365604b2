"""Write a fitted scikit-learn estimator as an artifact: ONNX, metadata, tree; no pickle."""

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import onnx_tree, tree
from artifact.ensembles import onnx_ensemble, onnx_pipeline
from artifact.metadata import (
    CLASSIFICATION,
    ONNX_FILE,
    RECORD_FILE,
    REGRESSION,
    TREE_FILE,
    ArtifactError,
    LabelProbe,
    Metadata,
    ScoreProbe,
)
from artifact.model import Model, near

PROBE_ROWS = 8
MISSING_ROWS = 1000
WALKED_ROWS = 1000
SLICE_ROWS = 65_536
"""Number of rows that are predicted at once, so that their probabilities need little memory."""

Features = NDArray[np.float32]
Answers = NDArray[np.intp] | NDArray[np.float32]
"""For each row the index of its label, intp, or its score, float32."""


@dataclass(frozen=True)
class Naming:
    """Names of the features in requests."""

    names: Sequence[str] | None = None
    """In the order of the features; None if the training data has no names."""

    libsvm_base: int | None = None
    """Index of the first feature in libsvm rows, 0 or 1; None, which means 1, for other formats."""


NAMELESS = Naming()


def save(
    estimator: Any,
    directory: Path,
    features: Features,
    training: Mapping[str, Any],
    naming: Naming = NAMELESS,
) -> None:
    """Write the artifact of a fitted classifier or regressor into `directory`.

    Before a byte is written, the artifact answers every row of `features`. Its labels must be
    those of `estimator.predict`, and so must the scores of a decision tree or of an ensemble of
    trees, rounded to float32 (-0.0 becomes 0.0); those of another regressor must be near, see
    `model.SCORE_TOLERANCE`.

    Args:
        estimator: a fitted classifier with `classes_`, `predict` and `predict_proba`, or a fitted
            regressor with `predict`.
        directory: an existing directory.
        features: the rows it was trained on, float32 of shape (n_rows, n_features).
        training: hyperparameters, data and metrics of the job, for model.json.
        naming: the names of the features in requests.

    Raises:
        ArtifactError: the estimator cannot be exported, or the exported model predicts otherwise.
        OSError: the files cannot be written.
    """
    answers = _in_slices(lambda rows: _answers(estimator, rows), features)
    graph = to_onnx(estimator, features.shape[1])
    nodes = tree.to_bytes(onnx_tree.nodes(estimator)) if _is_tree(estimator) else None
    record = Metadata(
        task=CLASSIFICATION if _is_classifier(estimator) else REGRESSION,
        n_features=features.shape[1],
        feature_names=None if naming.names is None else list(naming.names),
        libsvm_base=1 if naming.libsvm_base is None else naming.libsvm_base,
        accepts_missing=True,
        labels=estimator.classes_.tolist() if _is_classifier(estimator) else [],
        sha256=hashlib.sha256(graph).hexdigest(),
        tree_sha256=None if nodes is None else hashlib.sha256(nodes).hexdigest(),
        probe=_probe(estimator, features, answers),
        versions=_versions(),
        training=training,
    )
    model = Model(graph, record, tree=None if nodes is None else tree.from_bytes(nodes))
    _check_answers(model, estimator, features, answers)
    model.check()
    record = replace(record, accepts_missing=_answers_missing(model, estimator, features))
    (directory / ONNX_FILE).write_bytes(graph)
    if nodes is not None:
        (directory / TREE_FILE).write_bytes(nodes)
    (directory / RECORD_FILE).write_text(record.to_json(), encoding="utf-8")


def to_onnx(estimator: Any, n_features: int) -> bytes:
    """Return the estimator as a serialized ONNX model; equal estimators give equal bytes.

    Raises:
        ArtifactError: a tree has too many leaves or is too deep; another estimator cannot be
            converted by skl2onnx, or not to a model with one answer a row.
    """
    if _is_tree(estimator):
        written = onnx_tree.of_classifier if _is_classifier(estimator) else onnx_tree.of_regressor
        model = written(estimator, n_features)
    elif onnx_ensemble.is_supported(estimator):
        model = onnx_ensemble.to_model(estimator, n_features)
    else:
        model = onnx_pipeline.to_model(estimator, n_features)
    graph: bytes = model.SerializeToString()
    return graph


def _check_answers(model: Model, estimator: Any, features: Features, answers: Answers) -> None:
    """Raise ArtifactError if the model does not predict `answers`, those of the estimator."""
    right = _right(estimator, _in_slices(model.answers, features), answers)
    if model.tree is not None:
        few = np.linspace(0, len(features) - 1, WALKED_ROWS).astype(int)
        right[few] &= model.tree.agree(features[few], answers[few])
    different = int((~right).sum())
    if different:
        what = "label" if _is_classifier(estimator) else "score"
        missing = int(np.isnan(features[~right]).any(axis=1).sum())
        raise ArtifactError(
            f"the exported model predicts another {what} than {type(estimator).__name__} for "
            f"{different} of {len(features)} training rows, {missing} of them with missing values; "
            "ONNX treats missing values, ties or the rounding to 32-bit floats otherwise; use "
            "another estimator, fill missing values in, or scale the features"
        )


def _answers_missing(model: Model, estimator: Any, features: Features) -> bool:
    """Return whether model and estimator predict rows with missing cells, and equally."""
    rows = features[:MISSING_ROWS].copy()
    rows[np.random.default_rng(0).random(rows.shape) < 0.5] = np.nan
    rows[0] = np.nan
    try:
        expected = _answers(estimator, rows)
    except (ValueError, ArtifactError):
        return False
    return bool(_right(estimator, model.answers(rows), expected).all())


def _right(estimator: Any, found: Answers, expected: Answers) -> NDArray[np.bool_]:
    """Return for each prediction whether it is right; labels and scores of trees must be equal."""
    is_exact = _is_tree(estimator) or onnx_ensemble.is_supported(estimator)
    if _is_classifier(estimator) or is_exact:
        same: NDArray[np.bool_] = found == expected
        return same
    return near(found.astype(np.float32), expected.astype(np.float32))


def _in_slices(answer: Callable[[Features], Answers], features: Features) -> Answers:
    starts = range(0, len(features), SLICE_ROWS)
    return np.concatenate([answer(features[i : i + SLICE_ROWS]) for i in starts])


def _is_classifier(estimator: Any) -> bool:
    return hasattr(estimator, "classes_")


def _is_tree(estimator: Any) -> bool:
    return hasattr(estimator, "tree_")


def _answers(estimator: Any, rows: Features) -> Answers:
    """Return for each row the index of the label that the estimator predicts, or its score.

    Raises:
        ArtifactError: it predicts several answers a row, or a score beyond float32.
    """
    predictions = estimator.predict(rows)
    if predictions.size != len(rows):
        raise ArtifactError(
            f"{type(estimator).__name__} predicts {predictions.size // len(rows)} values for each "
            "row; only an estimator that predicts one can be served"
        )
    if _is_classifier(estimator):
        indices: NDArray[np.intp] = np.searchsorted(estimator.classes_, predictions)
        return indices
    return _float32(predictions.reshape(-1))


def _float32(scores: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        rounded: NDArray[np.float32] = scores.astype(np.float32)
    wrong = ~np.isfinite(rounded)
    if wrong.any():
        raise ArtifactError(
            f"the score of a training row is {float(scores[wrong][0])!r}, beyond the range of a "
            "32-bit float; scale the labels"
        )
    return rounded


def _probe(estimator: Any, features: Features, answers: Answers) -> LabelProbe | ScoreProbe:
    """Return a few rows spread over all, one of each label or the extreme scores among them."""
    if _is_classifier(estimator):
        telling = np.unique(answers, return_index=True)[1][:PROBE_ROWS]
    else:
        telling = np.array([answers.argmin(), answers.argmax()])
    spread = np.linspace(0, len(features) - 1, PROBE_ROWS).astype(int)
    chosen = np.unique(np.concatenate([telling, spread]))
    rows = features[chosen]
    cells = [[None if np.isnan(v) else v for v in row] for row in rows.tolist()]
    if not _is_classifier(estimator):
        return ScoreProbe(cells, [float(str(score)) for score in answers[chosen]])
    probabilities = estimator.predict_proba(rows).astype(np.float32)
    return LabelProbe(cells, answers[chosen].tolist(), probabilities.tolist())


def _versions() -> dict[str, str]:
    packages = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
