"""Write a fitted scikit-learn estimator as an artifact: ONNX, metadata, tree; no pickle."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import parallel_config

from artifact import onnx_tree, tree, verification
from artifact.ensembles import onnx_ensemble, onnx_pipeline
from artifact.metadata import (
    CLASSIFICATION,
    ONNX_FILE,
    REASON_CHARACTERS,
    RECORD_FILE,
    REGRESSION,
    TREE_FILE,
    WAY_OUT,
    ArtifactError,
    LabelProbe,
    Metadata,
    ScoreProbe,
)
from artifact.model import Model
from artifact.verification import Answers, Features, is_classifier

PROBE_ROWS = 8


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

    Before a byte is written, the model predicts every row of `features`, rows at the thresholds of
    trees and, if the estimator accepts them, rows with blank cells; see `verification`.

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
    name = type(estimator).__name__
    if is_classifier(estimator) and not hasattr(estimator, "predict_proba"):
        raise ArtifactError(
            f"{name} has no predict_proba; put it into a CalibratedClassifierCV, or {WAY_OUT}"
        )
    try:
        # Several jobs of joblib add up the votes of a forest in any order.
        with parallel_config(backend="sequential"):
            files = _files(estimator, features, training, naming)
    except (ArtifactError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:REASON_CHARACTERS]
        raise ArtifactError(f"{name} cannot be saved ({reason}); {WAY_OUT}") from error
    for file, content in files.items():
        (directory / file).write_bytes(content)


def _files(
    estimator: Any, features: Features, training: Mapping[str, Any], naming: Naming
) -> dict[str, bytes]:
    """Return the contents of all files, by name; raises as `save` does."""
    name = type(estimator).__name__
    answers = verification.answers_of(estimator, features)
    graph = to_onnx(estimator, features.shape[1])
    nodes = tree.to_bytes(onnx_tree.nodes(estimator)) if _is_tree(estimator) else None
    record = Metadata(
        task=CLASSIFICATION if is_classifier(estimator) else REGRESSION,
        n_features=features.shape[1],
        feature_names=None if naming.names is None else list(naming.names),
        libsvm_base=1 if naming.libsvm_base is None else naming.libsvm_base,
        accepts_missing=True,
        labels=estimator.classes_.tolist() if is_classifier(estimator) else [],
        sha256=hashlib.sha256(graph).hexdigest(),
        tree_sha256=None if nodes is None else hashlib.sha256(nodes).hexdigest(),
        probe=_probe(estimator, features, answers),
        versions=_versions(),
        training=training,
    )
    try:
        model = Model(graph, record, tree=None if nodes is None else tree.from_bytes(nodes))
    except ArtifactError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:REASON_CHARACTERS]
        raise ArtifactError(f"onnxruntime cannot run {name} ({reason}); {WAY_OUT}") from error
    verification.check(model, graph, estimator, features, answers)
    model.check()
    accepts_missing = verification.accepts_missing(model, estimator, features)
    record = replace(record, accepts_missing=accepts_missing)
    files = {ONNX_FILE: graph, RECORD_FILE: record.to_json().encode()}
    return files if nodes is None else files | {TREE_FILE: nodes}


def to_onnx(estimator: Any, n_features: int) -> bytes:
    """Return the estimator as a serialized ONNX model; equal estimators give equal bytes.

    Raises:
        ArtifactError: a tree has too many leaves or is too deep; another estimator cannot be
            converted by skl2onnx, or not to a model with one answer a row.
    """
    if _is_tree(estimator):
        written = onnx_tree.of_classifier if is_classifier(estimator) else onnx_tree.of_regressor
        model = written(estimator, n_features)
    elif onnx_ensemble.is_supported(estimator):
        model = onnx_ensemble.to_model(estimator, n_features)
    else:
        model = onnx_pipeline.to_model(estimator, n_features)
    graph: bytes = model.SerializeToString()
    return graph


def _is_tree(estimator: Any) -> bool:
    return hasattr(estimator, "tree_")


def _probe(estimator: Any, features: Features, answers: Answers) -> LabelProbe | ScoreProbe:
    """Return a few rows spread over all, one of each label or the extreme scores among them."""
    if is_classifier(estimator):
        telling = np.unique(answers, return_index=True)[1][:PROBE_ROWS]
    else:
        telling = np.array([answers.argmin(), answers.argmax()])
    spread = np.linspace(0, len(features) - 1, PROBE_ROWS).astype(int)
    chosen = np.unique(np.concatenate([telling, spread]))
    rows = features[chosen]
    cells = [[None if np.isnan(v) else v for v in row] for row in rows.tolist()]
    if not is_classifier(estimator):
        return ScoreProbe(cells, [float(str(score)) for score in answers[chosen]])
    probabilities = estimator.predict_proba(rows).astype(np.float32)
    return LabelProbe(cells, answers[chosen].tolist(), probabilities.tolist())


def _versions() -> dict[str, str]:
    packages = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
