"""Artifacts that were damaged or made to do harm: refused with a sentence, or served correctly."""

import json
import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact import export, model, tree
from artifact.metadata import MAX_FILE_BYTES, ArtifactError
from support.apps import app_of, assert_error
from support.damage import change_record, outcomes_apart, replace
from support.ensembles import class_labels, training_rows
from support.material import ARTIFACT

ROWS = training_rows(60, 0)
ESTIMATORS = {
    "leaf": DecisionTreeClassifier().fit(ROWS, np.ones(60)),
    "score": DecisionTreeRegressor().fit(ROWS, np.full(60, 2.5)),
    "tree": DecisionTreeClassifier(random_state=0).fit(ROWS, class_labels(60, 3, 0).astype(str)),
    "regressor": DecisionTreeRegressor(random_state=0).fit(ROWS, np.arange(60) / 7),
    "forest": RandomForestClassifier(3, random_state=0).fit(ROWS, class_labels(60, 3, 0)),
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories with an artifact of each estimator; tests must not change them."""
    directory = tmp_path_factory.mktemp("originals")
    for name, estimator in ESTIMATORS.items():
        (directory / name).mkdir()
        export.save(estimator, directory / name, ROWS, {}, export.Naming(["x", "y", "é"]))
    return directory


@pytest.fixture
def directory(originals: Path, tmp_path: Path) -> Path:
    """A copy of the artifact of the tree, to be changed."""
    return Path(shutil.copytree(originals / "tree", tmp_path / "model"))


def reason(directory: Path) -> str:
    """Return why the artifact is refused; the text can be written to any log."""
    with pytest.raises(ArtifactError) as caught:
        model.load(directory)
    assert str(caught.value).encode()
    return str(caught.value)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_artifact_with_any_region_changed_is_refused_or_served_correctly(
    originals: Path, name: str
) -> None:
    """With all checksums made right again, no change crashes, hangs or gives another node."""
    outcomes = outcomes_apart(originals / name, seed=0, seconds=0)

    assert "refused" in outcomes
    assert "ready" in outcomes


def leaf_of(nodes: NDArray[np.void]) -> int:
    """Return the number of a leaf."""
    return int(np.flatnonzero(nodes["feature"] == tree.LEAF)[0])


def set_node(field: str, number: int | None, value: float) -> Callable[[NDArray[np.void]], None]:
    """Return a change of one node; None is a leaf."""

    def change(nodes: NDArray[np.void]) -> None:
        nodes[field][leaf_of(nodes) if number is None else number] = value

    return change


def next_label(nodes: NDArray[np.void]) -> None:
    """Give a leaf another label that exists."""
    leaf = leaf_of(nodes)
    nodes["left"][leaf] = (nodes["left"][leaf] + 1) % 3


NODES: dict[str, Callable[[NDArray[np.void]], None]] = {
    "a circle": set_node("left", 2, 0),
    "a node that is its own child": set_node("right", 1, 1),
    "a child before all": set_node("left", 0, -1),
    "a child after all": set_node("right", 0, 10**6),
    "a feature that does not exist": set_node("feature", 0, 3),
    "a negative feature": set_node("feature", 0, -2),
    "a label that does not exist": set_node("left", None, 3),
    "a negative label": set_node("left", None, -1),
}
OTHER_TREES: dict[str, Callable[[NDArray[np.void]], None]] = {
    "another label": next_label,
    "another feature": set_node("feature", 0, 2),
    "another threshold": set_node("threshold", 0, 2.25),
    "no threshold": set_node("threshold", 0, np.nan),
    "another child": set_node("left", 0, 2),
}


def changed_nodes(directory: Path, change: Callable[[NDArray[np.void]], None]) -> None:
    """Change the nodes in tree.npy."""
    nodes = np.load(directory / "tree.npy")
    change(nodes)
    replace(directory, "tree.npy", tree.to_bytes(nodes))


@pytest.mark.parametrize("change", NODES.values(), ids=NODES)
def test_tree_with_a_number_out_of_range_is_refused(
    directory: Path, change: Callable[[NDArray[np.void]], None]
) -> None:
    """No walk through the tree leaves it, or goes in circles."""
    changed_nodes(directory, change)

    assert reason(directory).startswith("node ")


@pytest.mark.parametrize("change", OTHER_TREES.values(), ids=OTHER_TREES)
def test_tree_that_is_not_the_one_in_the_graph_is_refused(
    directory: Path, change: Callable[[NDArray[np.void]], None]
) -> None:
    """A row alone is answered from tree.npy, among others from model.onnx."""
    changed_nodes(directory, change)

    assert reason(directory).startswith("tree.npy is not the tree in model.onnx; ")


def test_score_that_is_not_finite_is_refused(originals: Path, tmp_path: Path) -> None:
    """A score beyond float32 cannot be served."""
    directory = Path(shutil.copytree(originals / "regressor", tmp_path / "model"))
    changed_nodes(directory, set_node("threshold", None, 1e39))

    assert reason(directory).startswith("node ")


def zipped() -> bytes:
    """Return an archive of an array, which np.load reads as well."""
    file = BytesIO()
    np.savez(file, np.zeros(1, tree.NODE))
    return file.getvalue()


def header(shape: str, descr: object = tree.NODE.descr) -> bytes:
    """Return a file of the format npy whose header has any shape, and 20 bytes of data."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(20)


@pytest.mark.parametrize(
    "content",
    [
        zipped(),
        header("(2,)"),
        header("(1000000000000,)"),
        header("(-1,)"),
        header("()"),
        header("(1, 1)"),
        header("(1,)", "|O"),
        header("(1,)", [("feature", "O")]),
        header("(1,)", "<i4"),
        header("(" * 5000),
        b"\x93NUMPY\x09\x00",
    ],
    ids=str,
)
def test_file_that_is_no_array_of_nodes_is_refused(directory: Path, content: bytes) -> None:
    """Neither an archive nor objects are loaded, and a header's size is not trusted."""
    replace(directory, "tree.npy", content)

    assert reason(directory).startswith(("tree.npy cannot be loaded (", "tree.npy holds no tree; "))


def attribute(graph: onnx.ModelProto, name: str) -> Any:
    """Return an attribute of the first tree of a graph."""
    walk = next(node for node in graph.graph.node if node.op_type == "TreeEnsemble")
    return next(found for found in walk.attribute if found.name == name)


def negative_leaf(graph: onnx.ModelProto) -> None:
    """Ask for the leaf before the first, which is the last in Python and in ONNX."""
    numbers = numpy_helper.to_array(attribute(graph, "leaf_weights").t).copy()
    numbers[0] = -1
    attribute(graph, "leaf_weights").t.CopyFrom(numpy_helper.from_array(numbers))


def second_parent(graph: onnx.ModelProto) -> None:
    """Let a leaf be the child of two nodes."""
    is_leaf = np.array(attribute(graph, "nodes_trueleafs").ints)
    first, second = np.flatnonzero(is_leaf)[:2]
    numbers = attribute(graph, "nodes_truenodeids").ints
    numbers[int(first)] = numbers[int(second)]


def deep_tree(graph: onnx.ModelProto) -> None:
    """Replace the tree by one whose recursion would overflow the stack."""
    count = 200_000
    last = [0] * (count - 1) + [1]
    for name, values in {
        "nodes_featureids": [0] * count,
        "nodes_truenodeids": [*range(1, count), 0],
        "nodes_trueleafs": last,
        "nodes_falsenodeids": list(range(1, count + 1)),
        "nodes_falseleafs": [1] * count,
        "nodes_missing_value_tracks_true": [0] * count,
        "leaf_targetids": [0] * (count + 1),
    }.items():
        attribute(graph, name).ints[:] = values
    for name, array in {
        "nodes_modes": np.zeros(count, np.uint8),
        "nodes_splits": np.zeros(count, np.float32),
        "leaf_weights": np.arange(count + 1, dtype=np.float32),
    }.items():
        attribute(graph, name).t.CopyFrom(numpy_helper.from_array(array))


def endless_loop(graph: onnx.ModelProto) -> None:
    """Add a loop that never ends."""
    yes = helper.make_tensor_value_info("yes", TensorProto.BOOL, [])
    number = helper.make_tensor_value_info("number", TensorProto.INT64, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["yes"], ["still"])],
        "body",
        [number, yes],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )
    graph.graph.initializer.append(numpy_helper.from_array(np.array(True), "begin"))
    graph.graph.node.append(helper.make_node("Loop", ["", "begin"], [], body=body))


def other_file(graph: onnx.ModelProto) -> None:
    """Refer to a file for a constant."""
    constant = graph.graph.initializer[0]
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="pyproject.toml")


def own_function(graph: onnx.ModelProto) -> None:
    """Add a function."""
    graph.functions.append(helper.make_function("own", "f", [], [], [], []))


GRAPHS = {
    "leaves of a tree are not numbered": negative_leaf,
    "a node of a tree has no parent, or several": second_parent,
    "a tree has more than 5000 splits on a path": deep_tree,
    "it has a loop or a function": endless_loop,
    "it refers to other files": other_file,
}


@pytest.mark.parametrize("name", ["tree", "forest"])
@pytest.mark.parametrize("words", GRAPHS)
def test_graph_that_must_not_run_is_refused(
    originals: Path, tmp_path: Path, name: str, words: str
) -> None:
    """Without the check, it would crash or hang onnxruntime, or have answers of other leaves."""
    directory = Path(shutil.copytree(originals / name, tmp_path / "model"))
    graph = onnx.load(directory / "model.onnx")
    GRAPHS[words](graph)
    replace(directory, "model.onnx", graph.SerializeToString())

    assert words in reason(directory)


def test_graph_with_a_function_is_refused(directory: Path) -> None:
    """A function may call itself."""
    graph = onnx.load(directory / "model.onnx")
    own_function(graph)
    replace(directory, "model.onnx", graph.SerializeToString())

    assert "it has a loop or a function" in reason(directory)


def make_fifo(file: Path) -> None:
    """Replace a file by a FIFO without a writer."""
    os.mkfifo(file)


def make_endless(file: Path) -> None:
    """Replace a file by a device without an end."""
    file.symlink_to("/dev/zero")


def make_socket(file: Path) -> None:
    """Replace a file by a socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(file))


def make_huge(file: Path) -> None:
    """Replace a file by a larger one than any model, without a byte on the disk."""
    with file.open("wb") as opened:
        opened.truncate(MAX_FILE_BYTES)


@pytest.mark.parametrize("name", ARTIFACT)
@pytest.mark.parametrize("make", [make_fifo, make_endless, make_socket, make_huge])
def test_file_that_is_no_regular_file_is_refused(
    directory: Path, name: str, make: Callable[[Path], None]
) -> None:
    """Nothing waits for a writer, and nothing reads without an end."""
    (directory / name).unlink()
    make(directory / name)

    assert f"{name} " in reason(directory)


def test_file_behind_a_symbolic_link_is_served(directory: Path) -> None:
    """Volumes of Kubernetes consist of links."""
    shutil.move(directory / "model.onnx", directory / "..data")
    (directory / "model.onnx").symlink_to("..data")

    assert model.load(directory).record.n_features == 3


def test_archive_in_place_of_a_graph_is_refused(directory: Path) -> None:
    """A name or a suffix says nothing about the content."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.onnx", b"")
    replace(directory, "model.onnx", file.getvalue())

    assert reason(directory).startswith("model.onnx cannot be loaded (")


@pytest.mark.parametrize(
    "values",
    [
        {"labels": ["a", "b", "\ud800"]},
        {"feature_names": ["x", "y", "\udfff"]},
        {"sha256": None},
        {"\ud800": 1},
        {"probe": {"\ud800": 1}},
    ],
    ids=json.dumps,
)
def test_app_with_a_damaged_artifact_answers_with_the_reason(
    directory: Path, values: dict[str, Any]
) -> None:
    """The worker does not end: /ping has one sentence, in valid UTF-8."""
    change_record(directory, **values)

    response = app_of(directory.parent).test_client().get("/ping")

    message = json.loads(response.data)["message"]
    assert_error(response, 503, "ModelNotReady", message)
    assert message.startswith("The model cannot be used: ")
