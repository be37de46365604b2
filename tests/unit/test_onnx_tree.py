"""Trees as ONNX: valid graphs, exact thresholds, trees without a split."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from artifact import export, onnx_file, onnx_tree
from artifact.metadata import N_PROBABILITIES, ArtifactError
from artifact.model import Model
from artifact.onnx_tree import leaf_probabilities
from artifact.session import of_graph
from artifact.tree import float32_at_most

Estimator = Any  # a decision tree of scikit-learn
Features = NDArray[np.float32]

KINDS = [DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor]


def of(estimator: Estimator) -> Model:
    """Return the estimator as a model without a record."""
    graph = export.to_onnx(estimator, estimator.n_features_in_)
    return Model(graph, record=None)  # type: ignore[arg-type]


def assert_same(estimator: Estimator, rows: Features) -> None:
    """Compare probabilities and labels, or scores, with scikit-learn's."""
    found = of(estimator)
    if hasattr(estimator, "classes_"):
        probabilities = estimator.predict_proba(rows).astype(np.float32)
        np.testing.assert_array_equal(found.probabilities(rows), probabilities, strict=True)
        labels = estimator.classes_[found.predict(rows)]
        np.testing.assert_array_equal(labels, estimator.predict(rows), strict=True)
    else:
        expected = estimator.predict(rows).astype(np.float32)
        np.testing.assert_array_equal(found.scores(rows), expected, strict=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [[0, 1, 2, 1], [1, 1, 1, 1]], ids=["splits", "one_leaf"])
def test_graph_is_one_that_onnx_allows(kind: type[Any], labels: list[int]) -> None:
    """ONNX's own checker accepts it; only `features` is required; the tree is one TreeEnsemble."""
    features = np.arange(12, dtype=np.float32).reshape(4, 3)

    model = onnx.load_from_string(export.to_onnx(kind(random_state=0).fit(features, labels), 3))

    onnx.checker.check_model(model, full_check=True)
    rows, *optional = model.graph.input
    assert all(one.type.HasField("optional_type") for one in optional)
    shape = rows.type.tensor_type.shape.dim
    assert (rows.name, shape[0].HasField("dim_value"), shape[1].dim_value) == ("features", False, 3)
    (walk,) = (node for node in model.graph.node if node.domain == "ai.onnx.ml")
    asked = next(found.ints for found in walk.attribute if found.name == "nodes_featureids")
    assert walk.op_type == "TreeEnsemble"
    assert {0, 1, 2}.issuperset(asked)


@pytest.mark.parametrize("kind", KINDS)
def test_graph_loads_in_a_plain_session_without_a_warning(
    kind: type[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """With no options, onnxruntime writes nothing and returns all outputs for the features."""
    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    estimator = kind(random_state=0).fit(features, [0, 1, 2, 1])

    session = InferenceSession(export.to_onnx(estimator, 3), providers=["CPUExecutionProvider"])
    *index, answers = session.run(None, {"features": features})

    assert capfd.readouterr() == ("", "")
    assert session.get_overridable_initializers() == []
    if hasattr(estimator, "classes_"):
        assert index[0].tolist() == estimator.predict(features).tolist()
        np.testing.assert_array_equal(answers, estimator.predict_proba(features), strict=False)
    else:
        assert answers.ravel().tolist() == estimator.predict(features).tolist()


def test_probabilities_are_looked_up_for_as_many_rows_as_asked() -> None:
    """A caller who wants labels only asks for none; without the input there is one a row."""
    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    classifier = DecisionTreeClassifier(random_state=0).fit(features, [0, 1, 2, 1])
    session = of_graph(export.to_onnx(classifier, 3), threads=1)

    for asked, n_rows in ((None, 4), (0, 0), (2, 2), (9, 4)):
        optional = {} if asked is None else {N_PROBABILITIES: np.array([asked])}
        index, probabilities = session.run(None, {"features": features, **optional})
        assert index.tolist() == [0, 1, 2, 1]
        expected = classifier.predict_proba(features).astype(np.float32)[:n_rows]
        np.testing.assert_array_equal(probabilities, expected, strict=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [1000.0, -1000.0, 3e38])
def test_threshold_between_neighbouring_floats_parts_them(kind: type[Any], start: float) -> None:
    """A threshold that no float32 can hold sends every float32 where scikit-learn sends it."""
    ulp = np.spacing(np.float32(start))
    features = (np.float32(start) + ulp * np.arange(100, dtype=np.float32)).reshape(-1, 1)
    labels = np.random.default_rng(0).integers(0, 3, 100)
    estimator = kind(random_state=0).fit(features, labels)
    thresholds = estimator.tree_.threshold[estimator.tree_.children_left != -1]

    assert (thresholds.astype(np.float32) > thresholds).any()
    assert_same(estimator, features)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_rows", [0, 1, 2, 1000])
def test_tree_of_one_leaf_answers_every_row(kind: type[Any], n_rows: int) -> None:
    """Without a split, each row with any values has the same prediction; no rows have none."""
    estimator = kind().fit(np.ones((3, 2), dtype=np.float32), [5, 5, 5])
    cells = np.array([[0, np.nan], [9, -9], [np.nan, np.nan], [-np.inf, 1]], dtype=np.float32)

    found = of(estimator)

    rows = np.resize(cells, (n_rows, 2))
    is_classifier = hasattr(estimator, "classes_")
    answers = estimator.classes_[found.predict(rows)] if is_classifier else found.scores(rows)
    assert estimator.tree_.node_count == 1
    assert answers.tolist() == [5] * n_rows


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("to_left", [True, False])
def test_missing_cell_goes_where_the_tree_has_learnt(kind: type[Any], to_left: bool) -> None:
    """Missing cells go to the learnt side, also if a split separates only them."""
    features = np.array([[0], [1], [np.nan], [2], [3], [np.nan]], dtype=np.float32)
    labels = [0, 0, 0, 1, 1, 0] if to_left else [0, 0, 1, 1, 1, 1]
    mixed = kind(random_state=0).fit(features, labels)
    parted = kind(random_state=0).fit(features, [0, 0, 2, 0, 0, 2])

    assert_same(mixed, features)
    assert_same(parted, features)


def test_more_leaves_than_a_float_can_number_are_refused() -> None:
    """The maximum is 2**24 leaves; the message names the hyperparameters that limit them."""
    leaves = np.broadcast_to(np.int64(-1), onnx_tree.MAX_LEAVES + 1)
    classifier = SimpleNamespace(tree_=SimpleNamespace(children_left=leaves))

    with pytest.raises(ArtifactError, match="max_leaf_nodes or min_samples_leaf"):
        onnx_tree.of_classifier(classifier, 4)


def test_tree_that_is_too_deep_to_be_loaded_is_refused() -> None:
    """In this table each row with another label than the last needs a split."""
    rows = np.arange(onnx_file.MAX_DEPTH + 2, dtype=np.float32)
    classifier = DecisionTreeClassifier(random_state=0).fit(rows[:, np.newaxis], rows % 2)

    with pytest.raises(ArtifactError, match=r"5001 splits deep.*max_depth"):
        onnx_tree.of_classifier(classifier, 1)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_threshold_of_32_bits_is_the_largest_up_to_that_of_64(thresholds: list[float]) -> None:
    """No float32 changes sides: the next one is above the threshold."""
    wide = np.array(thresholds)
    found = float32_at_most(wide)
    with np.errstate(over="ignore"):
        above = np.nextafter(found, np.float32(np.inf)).astype(np.float64)

    assert found.dtype == np.float32
    assert (found <= wide).all()
    assert ((above > wide) | np.isinf(found)).all()


@pytest.mark.parametrize(
    ("values", "ahead"),
    [
        ([0.5, 0.5], 0),
        ([0.5 - 1e-12, 0.5 + 1e-12], 1),
        ([1.0, 1.0 + 1e-9, 1.0], 1),
        ([1e-9, 1.0, 1.0 + 1e-12], 2),
        ([3.0, 1.0, 3.0], 0),
        ([0.0, 1.0], 1),
    ],
)
def test_leaf_probabilities_keep_the_order_of_labels(values: list[float], ahead: int) -> None:
    """The label that leads in float64 leads in float32, and no share moves more than an ulp."""
    found = leaf_probabilities(np.array([values]))

    expected = (np.array([values]) / sum(values)).astype(np.float32)
    assert found.dtype == np.float32
    assert found.argmax() == ahead
    np.testing.assert_array_max_ulp(found, expected, maxulp=1)
