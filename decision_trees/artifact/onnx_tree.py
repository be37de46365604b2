"""Convert a decision tree of scikit-learn to ONNX and to arrays; both predict exactly as it does.

What skl2onnx (1.20) writes of a tree does not: it sends missing values to the right at every node.
It also adds probabilities up for each row anew, where a lookup by the number of the leaf is
quicker, and its operators, older than TreeEnsemble, take a larger file and a longer start.

Source: https://github.com/onnx/onnx/blob/main/docs/Operators-ml.md#aionnxmltreeensemble
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from artifact import tree
from artifact.metadata import INPUT, LABEL_INDEX, N_PROBABILITIES, PROBABILITIES, ArtifactError
from artifact.onnx_file import LABEL_TABLE, MAX_DEPTH, PROBABILITY_TABLE
from artifact.tree import LEAF, NODE

MAX_LEAVES = 2**24
"""Maximum number of leaves: ONNX returns the number of a leaf as a 32-bit float."""

_ML_DOMAIN = "ai.onnx.ml"
_OPSETS = {_ML_DOMAIN: 5, "": 21}  # of ONNX 1.16, the first version with TreeEnsemble
_IR_VERSION = 10  # of ONNX 1.16 too


def of_classifier(classifier: Any, n_features: int) -> onnx.ModelProto:
    """Return a tree that predicts as the classifier does.

    Its outputs are LABEL_INDEX, int64 of shape (n_rows,), and PROBABILITIES, float32 of shape
    (n_rows, n_labels), or fewer rows if the optional input N_PROBABILITIES asks for fewer.

    Raises:
        ArtifactError: the tree has more than MAX_LEAVES leaves, or is deeper than MAX_DEPTH.
    """
    grown = classifier.tree_
    leaves = leaves_of(grown)
    if len(leaves) > MAX_LEAVES:
        raise ArtifactError(
            f"the tree has {len(leaves)} leaves, more than ONNX supports; limit it with "
            "max_leaf_nodes or min_samples_leaf"
        )
    values = grown.value[leaves, 0, :]
    labels, probabilities = values.argmax(axis=1), leaf_probabilities(values)
    graph = graph_of(classifier, n_features)
    numbers = walk(grown, np.arange(len(leaves), dtype=np.float32), "number")
    graph.node.extend([numbers, *_as_index("number", "leaf")])
    # GatherElements looks single numbers up in a sixth of the time of Gather.
    graph.node.extend(
        [
            helper.make_node("GatherElements", [LABEL_TABLE, "leaf"], [LABEL_INDEX]),
            *_limit(graph),
            helper.make_node("Slice", ["leaf", "first", "limit"], ["asked"]),
            helper.make_node("Gather", [PROBABILITY_TABLE, "asked"], [PROBABILITIES]),
        ]
    )
    outputs = {
        LABEL_INDEX: (TensorProto.INT64, [None]),
        PROBABILITIES: (TensorProto.FLOAT, [None, values.shape[1]]),
    }
    graph.output.extend(
        helper.make_tensor_value_info(name, *form) for name, form in outputs.items()
    )
    constants = {
        LABEL_TABLE: labels,
        PROBABILITY_TABLE: probabilities,
        "column": np.array([1]),
        "first": np.array([0]),
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    return model_of(graph)


def _limit(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return nodes that compute "limit": the value of N_PROBABILITIES, or no limit without it.

    onnxruntime computes every output, whether it is fetched or not, and the probabilities of many
    rows take as long as the tree. Of an initializer that is also an input it would warn.
    """
    number = helper.make_tensor_type_proto(TensorProto.INT64, [1])
    optional = helper.make_optional_type_proto(number)
    graph.input.append(helper.make_value_info(N_PROBABILITIES, optional))
    unlimited = numpy_helper.from_array(np.array([np.iinfo(np.int64).max]))
    branches = {
        "then_branch": helper.make_node("OptionalGetElement", [N_PROBABILITIES], ["given"]),
        "else_branch": helper.make_node("Constant", [], ["unlimited"], value=unlimited),
    }
    subgraphs = {
        name: helper.make_graph([node], name, [], [helper.make_value_info(node.output[0], number)])
        for name, node in branches.items()
    }
    return [
        helper.make_node("OptionalHasElement", [N_PROBABILITIES], ["has_limit"]),
        helper.make_node("If", ["has_limit"], ["limit"], **subgraphs),
    ]


def of_regressor(regressor: Any, n_features: int) -> onnx.ModelProto:
    """Return a tree that predicts as the regressor does, float32 of shape (n_rows, 1).

    Raises:
        ArtifactError: the tree is deeper than MAX_DEPTH.
    """
    grown = regressor.tree_
    scores = grown.value[leaves_of(grown), 0, 0].astype(np.float32)
    graph = graph_of(regressor, n_features)
    graph.node.append(walk(grown, scores, "score"))
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1]))
    return model_of(graph)


def nodes(estimator: Any) -> NDArray[np.void]:
    """Return the tree of an estimator as nodes of the dtype artifact.tree.NODE."""
    grown = estimator.tree_
    leaves = leaves_of(grown)
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

    If rounding makes an earlier label equal to the most probable one, the latter is raised by one
    ulp.
    """
    shares = values / values.sum(axis=1, keepdims=True)
    weights: NDArray[np.float32] = shares.astype(np.float32)
    leaf = np.arange(len(weights))
    ahead = values.argmax(axis=1)
    tied = weights.argmax(axis=1) != ahead
    weights[leaf[tied], ahead[tied]] = np.nextafter(weights[leaf[tied], ahead[tied]], np.float32(2))
    return weights


def leaves_of(grown: Any) -> NDArray[np.intp]:
    """Return the numbers of the nodes that are leaves."""
    return np.flatnonzero(grown.children_left == -1)


def graph_of(estimator: Any, n_features: int) -> onnx.GraphProto:
    """Return a graph with its input and no nodes."""
    rows = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, n_features])
    return helper.make_graph([], type(estimator).__name__, [rows], [])


def model_of(graph: onnx.GraphProto) -> onnx.ModelProto:
    """Return a graph as a model."""
    opsets = [helper.make_opsetid(domain, number) for domain, number in _OPSETS.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


def walk(grown: Any, answers: NDArray[np.float32], name: str, rows: str = INPUT) -> onnx.NodeProto:
    """Return a node that gives each row the answer of its leaf, shape (n_rows, 1).

    Args:
        grown: the `tree_` of an estimator.
        answers: of the leaves, in the order of their nodes.
        name: what the node's output is called.
        rows: the node's input.

    Raises:
        ArtifactError: the tree is deeper than MAX_DEPTH.
    """
    if grown.max_depth > MAX_DEPTH:
        raise ArtifactError(
            f"the tree is {grown.max_depth} splits deep, and onnxruntime loads at most "
            f"{MAX_DEPTH}; limit it with max_depth"
        )
    return helper.make_node(
        "TreeEnsemble",
        [rows],
        [name],
        domain=_ML_DOMAIN,
        n_targets=1,
        tree_roots=[0],
        leaf_targetids=[0] * len(answers),
        leaf_weights=numpy_helper.from_array(answers),
        **_splits(grown),
    )


def _splits(grown: Any) -> dict[str, Any]:
    """Return the attributes of the nodes that are no leaves."""
    nodes = {
        "feature": grown.feature,
        "threshold": grown.threshold,
        "left": grown.children_left,
        "right": grown.children_right,
    }
    is_leaf = grown.children_left == -1
    chosen = ~is_leaf if len(is_leaf) > 1 else is_leaf
    to_left = grown.missing_go_to_left[chosen]
    found = tree.splits(nodes, is_leaf) | {"nodes_missing_value_tracks_true": to_left}
    return {
        name: numpy_helper.from_array(values)
        if name in ("nodes_modes", "nodes_splits")
        else values.tolist()
        for name, values in found.items()
    }


def _as_index(number: str, name: str) -> list[onnx.NodeProto]:
    """Return nodes that convert floats of shape (n_rows, 1) to an index of shape (n_rows,)."""
    return [
        helper.make_node("Cast", [number], [f"{name}_column"], to=TensorProto.INT64),
        helper.make_node("Squeeze", [f"{name}_column", "column"], [name]),
    ]
