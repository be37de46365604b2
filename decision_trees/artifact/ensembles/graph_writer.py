"""Parts of a graph of ONNX: nodes, constants, and trees whose leaves have float64 values.

In trees of scikit-learn's histogram gradient boosting, a split by categories is looked up in a
table before the tree is walked: for each category, 0 if the split sends it left, else 1. The
results are more features for the tree, with the threshold 0.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from artifact import onnx_tree
from artifact.metadata import INPUT, ArtifactError

Codes = Mapping[int, str]
"""Names in a graph, by the number of a feature as the trees count: of the categories of the rows,
int32 of shape (n_rows,). They count from 1; 0 is a category that was not trained on, or missing."""


@dataclass(frozen=True)
class Grown:
    """The nodes of a tree, in arrays that are named as in scikit-learn's `tree_`."""

    children_left: NDArray[np.integer[Any]]
    """-1 for a leaf."""

    children_right: NDArray[np.integer[Any]]
    feature: NDArray[np.integer[Any]]
    threshold: NDArray[np.float64]
    missing_go_to_left: NDArray[np.integer[Any]]
    max_depth: int


def grown_of(tree: Any, columns: NDArray[np.integer[Any]] | None = None) -> Grown:
    """Return the nodes of a fitted decision tree.

    Args:
        tree: the estimator.
        columns: the features that it has learnt from, by number; None for all.
    """
    found = tree.tree_
    feature = found.feature if columns is None else np.asarray(columns)[found.feature]
    return Grown(
        found.children_left,
        found.children_right,
        feature,
        found.threshold,
        found.missing_go_to_left,
        found.max_depth,
    )


class GraphWriter:
    """The nodes and constants of a graph, or of a part of one."""

    def __init__(self, rows: str = INPUT, prefix: str = "") -> None:
        """Begin a graph whose input is `rows`, and whose names begin with `prefix`."""
        self.rows = rows
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._prefix = prefix

    def add(self, operator: str, *inputs: str, named: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, and return the name of the output."""
        name = named or f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a constant, and return its name."""
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add_two(self, operator: str, *inputs: str, **attributes: Any) -> tuple[str, str]:
        """Add a node with two outputs, and return their names."""
        name = self.add(operator, *inputs, **attributes)
        self.nodes[-1].output.append(f"{name}_second")
        return name, f"{name}_second"

    def value(self, grown: Grown, values: NDArray[np.float64], rows: str | None = None) -> str:
        """Add the values of each row's leaf, float64 of shape (n_rows, 1, n_columns).

        Args:
            grown: the nodes of a tree.
            values: of its leaves, shape (n_leaves, n_columns).
            rows: name of the features to walk with; None for those of the graph.
        """
        leaf = self._leaf(grown, rows or self.rows)
        return self.add("Gather", self.constant(values + 0.0), leaf)  # no -0.0

    def _leaf(self, grown: Grown, rows: str) -> str:
        """Add the number of each row's leaf in a tree, int32 of shape (n_rows, 1)."""
        count = len(onnx_tree.leaves_of(grown))
        if count > onnx_tree.MAX_LEAVES:
            raise ArtifactError(
                f"a tree has {count} leaves, more than ONNX can tell apart; limit it with "
                "max_leaf_nodes or min_samples_leaf"
            )
        name = f"{self._prefix}leaf_{len(self.nodes)}"
        numbers = np.arange(count, dtype=np.float32)
        self.nodes.append(onnx_tree.walk(grown, numbers, name, rows))
        return self.add("Cast", name, to=TensorProto.INT32)


def codes_of(boosting: Any, writer: GraphWriter) -> Codes:
    """Add the category of each row, for each feature that has categories."""
    if boosting.is_categorical_ is None:
        return {}
    encoder = boosting._preprocessor.named_transformers_["encoder"]  # noqa: SLF001
    features = np.flatnonzero(boosting.is_categorical_)
    codes = {}
    for number, (feature, known) in enumerate(zip(features, encoder.categories_, strict=True)):
        column = writer.add("Gather", writer.rows, writer.constant([feature]), axis=1)
        with np.errstate(over="ignore"):
            rounded = known.astype(np.float32)
        exact = np.where(rounded == known, rounded, np.float32(np.nan))  # NaN equals nothing
        found = writer.add("Equal", column, writer.constant(exact[np.newaxis]))
        numbers = writer.constant(np.arange(1, len(known) + 1, dtype=np.int32))
        as_number = writer.add("Cast", found, to=TensorProto.INT32)
        codes[number] = writer.add("MatMul", as_number, numbers)
    return codes


def add_histogram_tree(predictor: Any, boosting: Any, codes: Codes, writer: GraphWriter) -> str:
    """Add the values of each row's leaf in one tree, float64 of shape (n_rows, 1, 1)."""
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"] == 1
    feature = _original_features(boosting)[nodes["feature_idx"]]
    threshold = nodes["num_threshold"].copy()
    rows, n_columns = [writer.rows], boosting.n_features_in_
    for number, code in codes.items():
        splits = (nodes["is_categorical"] == 1) & (nodes["feature_idx"] == number) & ~is_leaf
        if splits.any():
            table = _is_right(predictor, nodes[splits])
            rows.append(writer.add("Gather", writer.constant(table), code))
            feature[splits] = n_columns + np.arange(table.shape[1])
            threshold[splits] = 0.5
            n_columns += table.shape[1]
    grown = Grown(
        np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature,
        threshold,
        nodes["missing_go_to_left"],
        int(nodes["depth"].max()),
    )
    asked = writer.add("Concat", *rows, axis=1) if len(rows) > 1 else None
    return writer.value(grown, nodes["value"][is_leaf][:, np.newaxis], asked)


def _original_features(boosting: Any) -> NDArray[np.intp]:
    """Return the number of each feature of the trees, which count those with categories first."""
    if boosting.is_categorical_ is None:
        return np.arange(boosting.n_features_in_)
    return np.argsort(~boosting.is_categorical_, kind="stable")


def _is_right(predictor: Any, splits: NDArray[np.void]) -> NDArray[np.float32]:
    """Return 1 where a split sends a category right, shape (257, n_splits), the unknown first."""
    bits = predictor.raw_left_cat_bitsets[splits["bitset_idx"]].astype("<u4").view(np.uint8)
    is_left = np.unpackbits(bits.reshape(len(splits), -1), axis=1, bitorder="little")
    unknown = splits["missing_go_to_left"].reshape(-1, 1)
    return 1 - np.hstack([unknown, is_left]).T.astype(np.float32)
