"""A decision tree of scikit-learn as ONNX, and as artifact.tree keeps it; both answer exactly.

What skl2onnx (1.20) writes does not: it sends missing values to the right at every node. And it
adds probabilities up for each row anew, where a lookup by the number of the leaf is quicker.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from artifact.model import LABEL_INDEX, PROBABILITIES
from artifact.record import ArtifactError
from artifact.tree import LEAF, NODE

MAX_LEAVES = 2**24
"""ONNX gives the number of a leaf as a 32-bit float."""

_ML_DOMAIN = "ai.onnx.ml"


def mend_classifier(model: onnx.ModelProto, classifier: Any) -> None:
    """Let a tree that skl2onnx has written answer as the classifier does.

    Its outputs are LABEL_INDEX, int64 of shape (n_rows,), and PROBABILITIES, float32 of shape
    (n_rows, n_labels).

    Raises:
        ArtifactError: the tree has more than MAX_LEAVES leaves.
    """
    grown = classifier.tree_
    leaves = _leaves(grown)
    if len(leaves) > MAX_LEAVES:
        raise ArtifactError(
            f"the tree has {len(leaves)} leaves, more than ONNX can tell apart; limit it with "
            "max_leaf_nodes or min_samples_leaf"
        )
    values = grown.value[leaves, 0, :]
    graph = model.graph
    walk = _walk(graph.node[0], grown, np.arange(len(leaves), dtype=np.float32))
    looked_up = {
        LABEL_INDEX: values.argmax(axis=1),
        PROBABILITIES: leaf_probabilities(values),
    }
    del graph.node[:], graph.output[:]
    graph.node.extend([walk, *_as_index(walk.output[0], "leaf")])
    graph.initializer.append(numpy_helper.from_array(np.array([1]), "column"))
    for name, table in looked_up.items():
        graph.initializer.append(numpy_helper.from_array(table, f"{name}_of_leaf"))
        graph.node.append(helper.make_node("Gather", [f"{name}_of_leaf", "leaf"], [name]))
        kind = helper.np_dtype_to_tensor_dtype(table.dtype)
        shape = [None, *table.shape[1:]]
        graph.output.append(helper.make_tensor_value_info(name, kind, shape))


def mend_regressor(model: onnx.ModelProto, regressor: Any) -> None:
    """Let a tree that skl2onnx has written answer as the regressor does, in float32."""
    grown = regressor.tree_
    scores = grown.value[_leaves(grown), 0, 0].astype(np.float32)
    walk = _walk(model.graph.node[0], grown, scores)
    walk.output[:] = model.graph.node[0].output
    model.graph.node[0].CopyFrom(walk)


def nodes(estimator: Any) -> NDArray[np.void]:
    """Return the tree of an estimator as nodes of the dtype artifact.tree.NODE."""
    grown = estimator.tree_
    leaves = _leaves(grown)
    found = np.zeros(grown.node_count, NODE)
    found["feature"], found["threshold"] = grown.feature, grown.threshold
    found["left"], found["right"] = grown.children_left, grown.children_right
    found["feature"][leaves] = LEAF
    if hasattr(estimator, "classes_"):
        found["left"][leaves] = grown.value[leaves, 0, :].argmax(axis=1)
    else:
        scores = grown.value[leaves, 0, 0].astype(np.float32)
        found["threshold"][leaves] = scores + np.float32(0)  # no -0.0
    return found


def leaf_probabilities(values: NDArray[np.float64]) -> NDArray[np.float32]:
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


def _leaves(grown: Any) -> NDArray[np.intp]:
    return np.flatnonzero(grown.children_left == -1)


def _walk(written: onnx.NodeProto, grown: Any, answers: NDArray[np.float32]) -> onnx.NodeProto:
    """Return a node that gives each row the answer of its leaf, shape (n_rows, 1).

    Source: https://github.com/onnx/onnx/blob/main/docs/Operators-ml.md#aionnxmltreeensembleregressor
    """
    attributes = {
        attribute.name: helper.get_attribute_value(attribute)
        for attribute in written.attribute
        if attribute.name.startswith("nodes_")
    }
    leaves = _leaves(grown)
    if sorted(attributes["nodes_nodeids"]) != list(range(grown.node_count)):
        raise ArtifactError(f"skl2onnx wrote a {written.op_type} with other nodes than the tree's")
    attributes["nodes_missing_value_tracks_true"] = grown.missing_go_to_left.astype(int).tolist()
    return helper.make_node(
        "TreeEnsembleRegressor",
        written.input,
        ["answer_of_leaf"],
        domain=_ML_DOMAIN,
        n_targets=1,
        target_treeids=[0] * len(leaves),
        target_nodeids=leaves.tolist(),
        target_ids=[0] * len(leaves),
        target_weights=answers.tolist(),
        post_transform="NONE",
        **attributes,
    )


def _as_index(number: str, name: str) -> list[onnx.NodeProto]:
    """Return what makes an index of shape (n_rows,) of floats of shape (n_rows, 1)."""
    return [
        helper.make_node("Cast", [number], [f"{name}_column"], to=TensorProto.INT64),
        helper.make_node("Squeeze", [f"{name}_column", "column"], [name]),
    ]
