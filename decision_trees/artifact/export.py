"""Write a fitted scikit-learn classifier as an artifact: model.onnx and model.json, no pickle."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import skl2onnx
from numpy.typing import NDArray
from skl2onnx.common.data_types import FloatTensorType

from artifact.model import INPUT, Model
from artifact.record import ONNX_FILE, RECORD_FILE, ArtifactError, Probe, Record

PROBE_ROWS = 8
MISSING_ROWS = 1000

_OPSET = 15  # read by onnxruntime 1.10 and every later one
_TREE = "TreeEnsembleClassifier"


def save(
    estimator: Any,
    directory: Path,
    features: NDArray[np.float32],
    training: Mapping[str, Any],
) -> None:
    """Write the artifact of a fitted classifier into `directory`.

    Before a byte is written, the artifact answers every row of `features`, and its labels must
    be those of `estimator.predict`.

    Args:
        estimator: a fitted classifier with `classes_`, `predict` and `predict_proba`.
        directory: where to write; it exists.
        features: the rows it was trained on, float32 of shape (n_rows, n_features).
        training: hyperparameters, metrics and rows of the job, for model.json.

    Raises:
        ArtifactError: the exported model does not answer as the estimator does.
        OSError: the files cannot be written.
    """
    graph = to_onnx(estimator, features.shape[1])
    labels = _label_indices(estimator, features)
    record = Record(
        n_features=features.shape[1],
        accepts_missing=True,
        labels=estimator.classes_.tolist(),
        sha256=hashlib.sha256(graph).hexdigest(),
        probe=_probe(estimator, features, labels),
        versions=_versions(),
        training=training,
    )
    model = Model(graph, record)
    different = int((model.predict(features) != labels).sum())
    if different:
        raise ArtifactError(
            f"the exported model gives another label than {type(estimator).__name__} for "
            f"{different} of {len(features)} training rows; this estimator cannot be served"
        )
    model.check()
    record = replace(record, accepts_missing=_answers_missing(model, estimator, features))
    (directory / ONNX_FILE).write_bytes(graph)
    (directory / RECORD_FILE).write_text(record.to_json(), encoding="utf-8")


def to_onnx(estimator: Any, n_features: int) -> bytes:
    """Return the estimator as a serialised ONNX model; the same estimator gives the same bytes."""
    model = skl2onnx.convert_sklearn(
        estimator,
        name=type(estimator).__name__,  # without one, skl2onnx draws a random name
        initial_types=[(INPUT, FloatTensorType([None, n_features]))],
        options={"zipmap": False},
        target_opset=_OPSET,
    )
    if hasattr(estimator, "tree_"):
        _mend_tree(model.graph.node[0], estimator)
    graph: bytes = model.SerializeToString()
    return graph


def _mend_tree(node: onnx.NodeProto, estimator: Any) -> None:
    """Correct what skl2onnx (1.20) writes of a decision tree, so that it answers exactly.

    It sends missing values to the right at every node. And it rounds probabilities to float32,
    where a label that was ahead by less than the rounding would be equal to an earlier one.
    """
    tree = estimator.tree_
    if node.op_type != _TREE:
        raise ArtifactError(f"skl2onnx wrote a {node.op_type} for a decision tree, not a {_TREE}")
    leaves = np.flatnonzero(tree.children_left == -1)
    weights = _leaf_probabilities(tree.value[leaves, 0, :])
    n_labels = weights.shape[1]
    mended = {
        "nodes_missing_value_tracks_true": tree.missing_go_to_left.astype(int).tolist(),
        "class_treeids": [0] * weights.size,
        "class_nodeids": np.repeat(leaves, n_labels).tolist(),
        "class_ids": list(range(n_labels)) * len(leaves),
        "class_weights": weights.ravel().tolist(),
    }
    kept = [attribute for attribute in node.attribute if attribute.name not in mended]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(onnx.helper.make_attribute(name, v) for name, v in mended.items())


def _leaf_probabilities(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the class weights of leaves, shape (n_leaves, n_labels), as float32 probabilities.

    Where rounding has made an earlier label equal to the one that was ahead, that one is
    raised by one ulp.
    """
    shares = values / values.sum(axis=1, keepdims=True)
    weights: NDArray[np.float32] = shares.astype(np.float32)
    leaf = np.arange(len(weights))
    ahead = values.argmax(axis=1)
    tied = weights.argmax(axis=1) != ahead
    weights[leaf[tied], ahead[tied]] = np.nextafter(weights[leaf[tied], ahead[tied]], np.float32(2))
    return weights


def _answers_missing(model: Model, estimator: Any, features: NDArray[np.float32]) -> bool:
    """Say whether rows with missing cells get an answer, and from both the same.

    Asked with training rows in which cells are blanked, and with a row that is all missing.
    """
    rows = features[:MISSING_ROWS].copy()
    rows[np.random.default_rng(0).random(rows.shape) < 0.5] = np.nan
    rows[0] = np.nan
    try:
        expected = _label_indices(estimator, rows)
    except ValueError:
        return False
    return np.array_equal(model.predict(rows), expected)


def _label_indices(estimator: Any, rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return for each row the index of the label that the estimator predicts."""
    indices: NDArray[np.intp] = np.searchsorted(estimator.classes_, estimator.predict(rows))
    return indices


def _probe(estimator: Any, features: NDArray[np.float32], labels: NDArray[np.intp]) -> Probe:
    """Return a few rows with their answers: one a label where there are such, the rest spread."""
    _, first_of_label = np.unique(labels, return_index=True)
    spread = np.linspace(0, len(features) - 1, PROBE_ROWS).astype(int)
    chosen = np.unique(np.concatenate([first_of_label[:PROBE_ROWS], spread]))
    rows = features[chosen]
    return Probe(
        features=[[None if np.isnan(v) else v for v in row] for row in rows.tolist()],
        labels=labels[chosen].tolist(),
        probabilities=estimator.predict_proba(rows).astype(np.float32).tolist(),
    )


def _versions() -> dict[str, str]:
    packages = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
