"""Checks of model.onnx before it is loaded: of what onnxruntime accepts, but must not run.

onnxruntime loads a tree by recursion, so one that is too deep ends the process; a loop may never
end; the trees in model.onnx and tree.npy must be the same. The inference image does not contain
the package onnx: the messages below have the fields of onnx.proto that are checked here.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from artifact import tree
from artifact.metadata import INPUT, ONNX_FILE, TREE_FILE, ArtifactError

MAX_DEPTH = 5000
"""Maximum depth of a tree. The usual stack of 8 MiB was enough for 10,000 splits, and not for
12,500."""

LABEL_TABLE, PROBABILITY_TABLE = "label_index_table", "probabilities_table"
"""Names of the constants that have the answers of a single tree, by the number of the leaf."""

Values = Mapping[str, NDArray[Any]]

_MESSAGES = {
    "Model": "graph=7:Graph functions=25*:Part",
    "Graph": "node=1*:Node initializer=5*:Tensor",
    "Node": "input=1* output=2* op_type=4 attribute=5*:Attribute",
    "Attribute": "name=1 t=5:Tensor g=6:Graph ints=8*:int64",
    "Tensor": "dims=1*:int64 data_type=2:int64 name=8 raw_data=9 external_data=13*:Part",
    "Part": "",
}
"""Fields of each message: name, number, * if repeated, and type, which is bytes if absent."""

_DTYPES = {1: "<f4", 2: "u1", 7: "<i8"}
_SUM_TOLERANCE = 1e-4


def check(content: bytes, nodes: NDArray[np.void] | None) -> None:
    """Check a model.

    Args:
        content: of model.onnx.
        nodes: of tree.npy; None without it.

    Raises:
        ArtifactError: onnxruntime must not load the model, or `nodes` is another tree.
    """
    try:
        with np.errstate(invalid="ignore"):  # NaN is compared too
            _check_graph(_parsed(content), nodes)
    except (DecodeError, ValueError, LookupError) as error:
        raise ArtifactError(f"{ONNX_FILE} cannot be loaded ({error}); train again") from error


def thresholds(content: bytes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return column and threshold of each split of the trees that read the rows as they are."""
    nodes = _parsed(content).graph.node
    rows = {INPUT.encode()} | {
        node.output[0]
        for node in nodes
        if node.op_type == b"Cast" and node.input[0] == INPUT.encode()
    }
    walks = [
        _attributes(node)
        for node in nodes
        if node.op_type == b"TreeEnsemble" and node.input[0] in rows
    ]
    columns = [walk["nodes_featureids"] for walk in walks]
    values = [walk["nodes_splits"] for walk in walks]
    return (
        np.concatenate([np.zeros(0, np.int64), *columns]),
        np.concatenate([np.zeros(0, np.float32), *values]),
    )


def _check_graph(model: Any, nodes: NDArray[np.void] | None) -> None:
    graphs = list(_graphs(model.graph))
    operators = [node for graph in graphs for node in graph.node]
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    tensors += [attribute.t for node in operators for attribute in node.attribute]
    if any(tensor.external_data for tensor in tensors):
        raise ValueError("it refers to other files")
    if model.functions or any(node.op_type == b"Loop" for node in operators):
        raise ValueError("it has a loop or a function")
    numbers = {name for node in operators if node.op_type == b"Cast" for name in node.input}
    trees = [node for node in operators if node.op_type == b"TreeEnsemble"]
    walks = [_attributes(node) for node in trees]
    for node, walk in zip(trees, walks, strict=True):
        _check_walk(walk, is_numbered=node.output[0] in numbers)
    if nodes is not None and walks:  # earlier versions wrote other operators
        tables = {tensor.name.decode(): tensor for tensor in model.graph.initializer}
        if len(walks) > 1 or not _is_same(nodes, walks[0], tables):
            raise ArtifactError(
                f"{TREE_FILE} is not the tree in {ONNX_FILE}; copy both again, or train again"
            )


def _check_walk(walk: Values, is_numbered: bool) -> None:
    """Raise ValueError unless each node and each leaf of a TreeEnsemble has one parent."""
    weights = walk["leaf_weights"]
    if is_numbered and not np.array_equal(weights, np.arange(len(weights))):
        raise ValueError("the leaves of a tree are not numbered")
    sides = ("true", "false")
    children = np.concatenate([walk[f"nodes_{side}nodeids"] for side in sides])
    is_leaf = np.concatenate([walk[f"nodes_{side}leafs"] for side in sides]) == 1
    leaves, splits = np.sort(children[is_leaf]), children[~is_leaf]
    splits = np.sort(np.concatenate([walk["tree_roots"], splits]))
    is_one_leaf = len(weights) == 1 and not leaves.any()
    if not np.array_equal(splits, np.arange(len(walk["nodes_splits"]))) or not (
        is_one_leaf or np.array_equal(leaves, np.arange(len(weights)))
    ):
        raise ValueError("a node of a tree has no parent, or several")
    level, depth = walk["tree_roots"], 0
    while len(level):
        level = np.concatenate([level, level + len(walk["nodes_splits"])])
        level, depth = children[level][~is_leaf[level]], depth + 1
        if depth > MAX_DEPTH:
            raise ValueError(f"a tree has more than {MAX_DEPTH} splits on a path")


def _is_same(nodes: NDArray[np.void], walk: Values, tables: Mapping[str, Any]) -> bool:
    """Return whether a TreeEnsemble, and the answers of its leaves, are those of `nodes`."""
    is_leaf = nodes["feature"] == tree.LEAF
    expected = tree.splits(nodes, is_leaf) if len(nodes) > 1 else {}
    if not all(np.array_equal(walk[name], values) for name, values in expected.items()):
        return False
    if LABEL_TABLE not in tables:
        return np.array_equal(walk["leaf_weights"], nodes["threshold"][is_leaf])
    labels, shares = (_array(tables[name]) for name in (LABEL_TABLE, PROBABILITY_TABLE))
    is_likeliest = np.array_equal(shares.argmax(axis=1), labels) and not (shares < 0).any()
    are_shares = np.allclose(shares.sum(axis=1), 1, rtol=0, atol=_SUM_TOLERANCE)
    return np.array_equal(labels, nodes["left"][is_leaf]) and is_likeliest and are_shares


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _attributes(node: Any) -> dict[str, NDArray[Any]]:
    return {
        found.name.decode(): _array(found.t)
        if found.HasField("t")
        else np.array(found.ints, dtype=np.int64)
        for found in node.attribute
    }


def _array(tensor: Any) -> NDArray[Any]:
    return np.frombuffer(tensor.raw_data, _DTYPES[tensor.data_type]).reshape(tensor.dims)


def _parsed(content: bytes) -> Any:
    model = _model_class()()
    model.ParseFromString(content)
    return model


@cache
def _model_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="onnx_file.proto", package="part")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            _add_field(message, *field.partition("=")[::2])
    pool = descriptor_pool.DescriptorPool()  # the default pool may contain onnx's own messages
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("part.Model"))


def _add_field(message: Any, name: str, form: str) -> None:
    number, _, kind = form.partition(":")
    field = message.field.add(name=name, number=int(number.rstrip("*")))
    field.label = field.LABEL_REPEATED if number.endswith("*") else field.LABEL_OPTIONAL
    if kind in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".part.{kind}"
    else:
        field.type = field.TYPE_INT64 if kind else field.TYPE_BYTES
