"""Ensembles of scikit-learn's trees as ONNX, with the same answers, ties and missing values too.

Each tree is a TreeEnsemble node that returns the number of the leaf. The float64 values of the
leaves are looked up, and added in the order in which one job of scikit-learn adds them. So a vote
that is tied there is tied here. One TreeEnsemble for all trees would be exact only on one thread:
with several, onnxruntime adds the values in another order. skl2onnx (1.20) writes float32 values,
and sends missing values to the right at every node.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from artifact import onnx_tree
from artifact.ensembles.graph_writer import GraphWriter, add_histogram_tree, codes_of, grown_of
from artifact.metadata import LABEL_INDEX, PROBABILITIES

SCORE = "score"

Values = NDArray[np.float64]
Outputs = dict[str, str]
"""Names in a graph: of LABEL_INDEX, int64 of shape (n_rows,), and of PROBABILITIES, float32 of
shape (n_rows, n_labels); or of SCORE, float32 of shape (n_rows, 1)."""


def is_supported(estimator: Any) -> bool:
    """Return whether `write` takes this fitted estimator: one tree, or an ensemble of trees."""
    kind = kind_of(type(estimator))
    if kind is None or getattr(estimator, "n_outputs_", 1) != 1:
        return False
    if kind.startswith("GradientBoosting"):  # whose init may be any estimator
        init = estimator.init_
        return isinstance(init, str) or type(init).__name__.startswith("Dummy")
    return all(hasattr(member, "tree_") for member in getattr(estimator, "estimators_", ()))


def kind_of(class_: type) -> str | None:
    """Return the name of the class of scikit-learn that `write` knows; for derived classes too."""
    names = (base.__name__ for base in class_.__mro__ if base.__module__.startswith("sklearn."))
    return next((name for name in names if name in _WRITERS), None)


def write(estimator: Any, writer: GraphWriter) -> Outputs:
    """Add a supported estimator to a graph.

    Raises:
        ArtifactError: a tree is too deep or has too many leaves.
    """
    return _WRITERS[str(kind_of(type(estimator)))](estimator, writer)


def to_model(estimator: Any, n_features: int) -> onnx.ModelProto:
    """Return a supported estimator as a model with the outputs of `write`; raises as it does."""
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


def _tree(tree: Any, writer: GraphWriter) -> Outputs:
    value = _squeezed(writer.value(grown_of(tree), _values(tree)), writer)
    return _averaged(tree, value, writer)


def _forest(forest: Any, writer: GraphWriter) -> Outputs:
    values = [writer.value(grown_of(tree), _values(tree)) for tree in forest.estimators_]
    return _averaged(forest, _mean(values, len(values), writer), writer)


def _bagging(bagging: Any, writer: GraphWriter) -> Outputs:
    """Add the mean of trees that may know some of the features and some of the labels only."""
    values = []
    for tree, columns in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        found = _values(tree)
        if hasattr(bagging, "classes_"):
            known, found = found, np.zeros((len(found), len(bagging.classes_)))
            found[:, tree.classes_.astype(int)] = known
        values.append(writer.value(grown_of(tree, columns), found))
    return _averaged(bagging, _mean(values, bagging.n_estimators, writer), writer)


def _values(tree: Any) -> Values:
    """Return the score of each leaf, or its share of each label: shape (n_leaves, n_columns)."""
    values: Values = tree.tree_.value[onnx_tree.leaves_of(tree.tree_), 0, :]
    return values


def _total(terms: list[str], writer: GraphWriter) -> str:
    """Add the sum of `terms`, from the first to the last; no number of threads reorders it."""
    return reduce(lambda total, term: writer.add("Add", total, term), terms)


def _mean(values: list[str], count: int, writer: GraphWriter) -> str:
    total = _squeezed(_total(values, writer), writer)
    return writer.add("Div", total, writer.constant(float(count)))


def _squeezed(name: str, writer: GraphWriter) -> str:
    return writer.add("Squeeze", name, writer.constant([1]))


def _averaged(estimator: Any, mean: str, writer: GraphWriter) -> Outputs:
    """Add the outputs for float64 scores, or probabilities; the first of equal ones wins."""
    if not hasattr(estimator, "classes_"):
        return _score(mean, writer)
    return _outputs(writer.add("ArgMax", mean, axis=1, keepdims=0), mean, writer)


def _outputs(index: str, probabilities: str, writer: GraphWriter) -> Outputs:
    as_float32 = writer.add("Cast", probabilities, to=TensorProto.FLOAT)
    return {LABEL_INDEX: index, PROBABILITIES: as_float32}


def _score(score: str, writer: GraphWriter) -> Outputs:
    return {SCORE: writer.add("Cast", score, to=TensorProto.FLOAT)}


def _gradient_boosting(boosting: Any, writer: GraphWriter) -> Outputs:
    row = np.zeros((1, boosting.n_features_in_), dtype=np.float32)
    start = boosting._raw_predict_init(row)  # noqa: SLF001 - known to no public method
    columns = [
        [
            writer.value(grown_of(tree), _values(tree) * boosting.learning_rate)
            for tree in boosting.estimators_[:, column]
        ]
        for column in range(boosting.estimators_.shape[1])
    ]
    raw = _raw(start, columns, writer)
    if not hasattr(boosting, "classes_"):
        return _score(raw, writer)
    if len(columns) > 1:
        return _softmax(raw, writer)
    is_second = writer.add("Not", writer.add("Less", raw, writer.constant(0.0)))
    slope = 2.0 if boosting.loss == "exponential" else 1.0
    return _sigmoid(raw, is_second, slope, writer)


def _histogram_boosting(boosting: Any, writer: GraphWriter) -> Outputs:
    codes = codes_of(boosting, writer)
    columns: list[list[str]] = [[] for _ in boosting._predictors[0]]  # noqa: SLF001
    for stage in boosting._predictors:  # noqa: SLF001 - the trees are known to nothing public
        for column, predictor in zip(columns, stage, strict=True):
            column.append(add_histogram_tree(predictor, boosting, codes, writer))
    raw = _raw(boosting._baseline_prediction, columns, writer)  # noqa: SLF001
    if not hasattr(boosting, "classes_"):
        is_log = boosting.loss in {"poisson", "gamma"}
        return _score(writer.add("Exp", raw) if is_log else raw, writer)
    if len(columns) > 1:
        return _softmax(raw, writer)
    return _sigmoid(raw, writer.add("Greater", raw, writer.constant(0.0)), 1.0, writer)


def _raw(start: Values, columns: list[list[str]], writer: GraphWriter) -> str:
    """Add a sum for each column, from `start` of shape (1, n_columns)."""
    totals = [
        _total([writer.constant(np.reshape(first, (1, 1, 1))), *column], writer)
        for first, column in zip(np.ravel(start), columns, strict=True)
    ]
    return _squeezed(writer.add("Concat", *totals, axis=2), writer)


def _softmax(raw: str, writer: GraphWriter) -> Outputs:
    index = writer.add("ArgMax", raw, axis=1, keepdims=0)
    return _outputs(index, writer.add("Softmax", raw, axis=1), writer)


def _sigmoid(raw: str, is_second: str, slope: float, writer: GraphWriter) -> Outputs:
    """Add the outputs of two labels for raw values of shape (n_rows, 1)."""
    one = writer.constant(1.0)
    power = writer.add("Exp", writer.add("Mul", raw, writer.constant(-slope)))
    second = writer.add("Div", one, writer.add("Add", one, power))
    both = writer.add("Concat", writer.add("Sub", one, second), second, axis=1)
    index = _squeezed(writer.add("Cast", is_second, to=TensorProto.INT64), writer)
    return _outputs(index, both, writer)


def _ada_classifier(boosting: Any, writer: GraphWriter) -> Outputs:
    """Add the weights of the trees for their labels, and against the others."""
    n_labels, weights = len(boosting.classes_), boosting.estimator_weights_
    values = []
    for tree, weight in zip(boosting.estimators_, weights, strict=False):
        chosen = tree.classes_[_values(tree).argmax(axis=1)][:, np.newaxis] == boosting.classes_
        table = np.where(chosen, weight, -1 / (n_labels - 1) * weight)
        values.append(writer.value(grown_of(tree), table))
    decision = _mean(values, weights.sum(), writer)
    if n_labels > 2:
        index = writer.add("ArgMax", decision, axis=1, keepdims=0)
        scaled = writer.add("Div", decision, writer.constant(float(n_labels - 1)))
        return _outputs(index, writer.add("Softmax", scaled, axis=1), writer)
    sides = [writer.add("Gather", decision, writer.constant([i]), axis=1) for i in range(2)]
    raw = writer.add("Sub", sides[1], sides[0])
    return _sigmoid(raw, writer.add("Greater", raw, writer.constant(0.0)), 1.0, writer)


def _ada_regressor(boosting: Any, writer: GraphWriter) -> Outputs:
    """Add the weighted median of the trees."""
    trees = boosting.estimators_
    values = [writer.value(grown_of(tree), _values(tree)) for tree in trees]
    scores = _squeezed(writer.add("Concat", *values, axis=2), writer)
    count, last = writer.constant([len(trees)]), writer.constant([len(trees) - 1])
    ascending, order = writer.add_two("TopK", scores, count, axis=1, largest=0)
    weights = writer.add(
        "Gather", writer.constant(boosting.estimator_weights_[: len(trees)]), order
    )
    sums = writer.add("CumSum", weights, writer.constant(1))
    half = writer.add("Mul", writer.add("Gather", sums, last, axis=1), writer.constant(0.5))
    is_above = writer.add("Not", writer.add("Less", sums, half))
    first = writer.add("ArgMax", writer.add("Cast", is_above, to=TensorProto.INT32), axis=1)
    return _score(writer.add("GatherElements", ascending, first, axis=1), writer)


_WRITERS: dict[str, Callable[[Any, GraphWriter], Outputs]] = {
    "BaseDecisionTree": _tree,
    "ForestClassifier": _forest,
    "ForestRegressor": _forest,
    "BaggingClassifier": _bagging,
    "BaggingRegressor": _bagging,
    "GradientBoostingClassifier": _gradient_boosting,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingClassifier": _histogram_boosting,
    "HistGradientBoostingRegressor": _histogram_boosting,
    "AdaBoostClassifier": _ada_classifier,
    "AdaBoostRegressor": _ada_regressor,
}
