"""Ensembles of scikit-learn's trees as ONNX, with the same answers, ties and missing values too.

Each tree is a TreeEnsemble node that returns the number of the leaf. The float64 values of the
leaves are looked up, and added in the order in which scikit-learn adds them. So a vote that is tied
there is tied here. One TreeEnsemble for all trees would be exact only on one thread: with several,
onnxruntime adds the values in another order. skl2onnx (1.20) writes float32 values, and sends
missing values to the right at every node.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from artifact import onnx_tree
from artifact.metadata import ArtifactError
from artifact.model import INPUT, LABEL_INDEX, PROBABILITIES

SCORE = "score"

Values = NDArray[np.float64]
Outputs = dict[str, str]
"""Names in a graph: of LABEL_INDEX, int64 of shape (n_rows,), and of PROBABILITIES, float32 of
shape (n_rows, n_labels); or of SCORE, float32 of shape (n_rows, 1)."""


class GraphWriter:
    """The nodes and constants of a graph, or of a part of one."""

    def __init__(self, rows: str = INPUT, prefix: str = "") -> None:
        """Begin a graph whose input is `rows`, and whose names begin with `prefix`."""
        self.rows = rows
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._prefix = prefix

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and return the name of the output."""
        name = f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a constant, and return its name."""
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def leaf(self, grown: Any) -> str:
        """Return the number of each row's leaf in a tree, int32 of shape (n_rows, 1)."""
        count = len(onnx_tree.leaves_of(grown))
        if count > onnx_tree.MAX_LEAVES:
            raise ArtifactError(
                f"a tree has {count} leaves, more than ONNX can tell apart; limit it with "
                "max_leaf_nodes or min_samples_leaf"
            )
        name = f"{self._prefix}leaf_{len(self.nodes)}"
        numbers = np.arange(count, dtype=np.float32)
        self.nodes.append(onnx_tree.walk(grown, numbers, name, self.rows))
        return self.add("Cast", name, to=TensorProto.INT32)

    def value(self, grown: Any, values: Values) -> str:
        """Return the values of each row's leaf, float64 of shape (n_rows, 1, n_columns).

        Args:
            grown: the `tree_` of an estimator.
            values: of its leaves, shape (n_leaves, n_columns).
        """
        return self.add("Gather", self.constant(values + 0.0), self.leaf(grown))  # no -0.0

    def total(self, terms: Iterable[str]) -> str:
        """Return the sum of `value`s, added from the first to the last."""
        total = reduce(lambda total, term: self.add("Add", total, term), terms)
        return self.add("Squeeze", total, self.constant([1]))


def is_ensemble(estimator: Any) -> bool:
    """Return whether `write` takes this estimator."""
    return _kind(estimator) is not None


def write(estimator: Any, writer: GraphWriter) -> Outputs:
    """Add an ensemble of trees to a graph.

    Raises:
        ArtifactError: a tree is too deep or has too many leaves.
    """
    return _WRITERS[str(_kind(estimator))](estimator, writer)


def to_model(estimator: Any, n_features: int) -> onnx.ModelProto:
    """Return an ensemble of trees as a model with the outputs of `write`; raises as it does."""
    writer = GraphWriter()
    graph = onnx_tree.graph_of(estimator, n_features)
    for name, found in write(estimator, writer).items():
        writer.nodes.append(helper.make_node("Identity", [found], [name]))
        graph.output.append(_declared(name, estimator))
    graph.node.extend(writer.nodes)
    graph.initializer.extend(writer.constants)
    return onnx_tree.model_of(graph)


def _declared(name: str, estimator: Any) -> onnx.ValueInfoProto:
    if name == LABEL_INDEX:
        return helper.make_tensor_value_info(name, TensorProto.INT64, [None])
    n_columns = 1 if name == SCORE else len(estimator.classes_)
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, n_columns])


def _kind(estimator: Any) -> str | None:
    """Return the name of scikit-learn's class, also for a class derived from it."""
    names = (kind.__name__ for kind in type(estimator).__mro__ if kind.__module__[:8] == "sklearn.")
    return next((name for name in names if name in _WRITERS), None)


def _forest(forest: Any, writer: GraphWriter) -> Outputs:
    """Add the mean of the trees, in the order in which one job of scikit-learn computes it."""
    total = writer.total(
        writer.value(tree.tree_, _values(tree.tree_)) for tree in forest.estimators_
    )
    mean = writer.add("Div", total, writer.constant(float(len(forest.estimators_))))
    return _likeliest(mean, writer) if hasattr(forest, "classes_") else _score(mean, writer)


def _values(grown: Any) -> Values:
    """Return the score of each leaf, or its share of each label: shape (n_leaves, n_columns)."""
    values: Values = grown.value[onnx_tree.leaves_of(grown), 0, :]
    return values


def _likeliest(probabilities: str, writer: GraphWriter) -> Outputs:
    """Return the outputs for float64 probabilities; the first of equal ones wins."""
    index = writer.add("ArgMax", probabilities, axis=1, keepdims=0)
    return {
        LABEL_INDEX: index,
        PROBABILITIES: writer.add("Cast", probabilities, to=TensorProto.FLOAT),
    }


def _score(score: str, writer: GraphWriter) -> Outputs:
    return {SCORE: writer.add("Cast", score, to=TensorProto.FLOAT)}


_WRITERS: dict[str, Callable[[Any, GraphWriter], Outputs]] = {
    "ForestClassifier": _forest,
    "ForestRegressor": _forest,
}
