"""Loading an artifact: complete and correct, or refused with the reason."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from artifact import export, model
from artifact.metadata import ArtifactError
from support.material import ARTIFACT, LabelledRows
from support.processes import python


@pytest.fixture(scope="module")
def estimator(iris: LabelledRows) -> DecisionTreeClassifier:
    """A tree of three leaves."""
    features = iris.features.astype(np.float32)
    return DecisionTreeClassifier(max_leaf_nodes=3, random_state=0).fit(features, iris.labels)


@pytest.fixture(scope="module")
def original(
    tmp_path_factory: pytest.TempPathFactory, estimator: DecisionTreeClassifier, iris: LabelledRows
) -> Path:
    """The artifact of the tree; tests must not change it."""
    directory = tmp_path_factory.mktemp("original")
    export.save(estimator, directory, iris.features.astype(np.float32), {})
    return directory


@pytest.fixture
def directory(original: Path, tmp_path: Path) -> Path:
    """A copy of the artifact, to be changed."""
    return Path(shutil.copytree(original, tmp_path / "model"))


def change(directory: Path, **values: Any) -> None:
    """Give fields of model.json other values."""
    file = directory / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def reason(directory: Path) -> str:
    """Return why the artifact is refused."""
    with pytest.raises(ArtifactError) as caught:
        model.load(directory)
    return str(caught.value)


@pytest.mark.parametrize("threads", [1, 2])
def test_model_answers_as_the_estimator(
    original: Path, estimator: DecisionTreeClassifier, iris: LabelledRows, threads: int
) -> None:
    """With any number of threads, the predictions are scikit-learn's."""
    features = iris.features.astype(np.float32)

    loaded = model.load(original, threads)

    labels = np.array(loaded.record.labels)[loaded.predict(features)]
    assert labels.tolist() == estimator.predict(features).tolist()
    assert (loaded.probabilities(features) == estimator.predict_proba(features).astype("f4")).all()


def test_artifact_of_an_earlier_version_is_served_as_before(iris: LabelledRows) -> None:
    """Its graph has an initializer as the input that asks for fewer probabilities."""
    features = iris.features.astype(np.float32)
    same = DecisionTreeClassifier(max_depth=2, random_state=0).fit(features, iris.labels)

    loaded = model.load(Path(__file__).parent / "earlier_artifact")

    labels = np.array(loaded.record.labels)[loaded.predict(features)]
    assert labels.tolist() == same.predict(features).tolist()
    assert (loaded.probabilities(features) == same.predict_proba(features).astype("f4")).all()
    assert loaded.predict_row
    assert [loaded.predict_row(row) for row in features.tolist()] == loaded.predict(
        features
    ).tolist()


def test_model_answers_no_rows_with_no_labels(original: Path) -> None:
    """An empty table has no predictions."""
    assert model.load(original).predict(np.empty((0, 4), dtype=np.float32)).shape == (0,)


@pytest.mark.parametrize("name", ARTIFACT)
def test_artifact_without_a_file_is_refused(directory: Path, name: str) -> None:
    """The message names the file that is absent and what an artifact is."""
    (directory / name).unlink()

    assert reason(directory) == (
        f"{directory / name} cannot be read (No such file or directory); the artifact is "
        "all that `train` writes"
    )


def test_artifact_one_directory_too_deep_is_named(directory: Path) -> None:
    """An archive that was packed from outside its directory is unpacked into a subdirectory."""
    (directory / "packed").mkdir()
    for name in ARTIFACT:
        (directory / name).rename(directory / "packed" / name)

    assert reason(directory) == (
        f"{directory}/model.json cannot be read (No such file or directory); it is in "
        f"{directory}/packed, move all files of that directory up into the other"
    )


def test_artifact_with_a_directory_for_a_file_is_refused(directory: Path) -> None:
    """A damaged file is refused."""
    (directory / "model.onnx").unlink()
    (directory / "model.onnx").mkdir()

    assert "model.onnx cannot be read (Is a directory)" in reason(directory)


@pytest.mark.parametrize("name", ["model.onnx", "tree.npy"])
def test_artifact_of_two_trainings_is_refused(directory: Path, name: str) -> None:
    """The checksums in model.json are those of the other files."""
    content = (directory / name).read_bytes()
    (directory / name).write_bytes(content + b"\0")

    assert "the files are not from one training, so copy all again" in reason(directory)


def test_artifact_whose_record_is_no_text_is_refused(directory: Path) -> None:
    """Bytes that are not UTF-8 are refused."""
    (directory / "model.json").write_bytes(b"\xff\xfe")

    assert reason(directory).startswith("model.json is not the record of a model")


def test_graph_that_is_no_onnx_is_refused(directory: Path) -> None:
    """The message includes that of onnxruntime."""
    record = model.load(directory).record

    with pytest.raises(ArtifactError, match=r"^model\.onnx cannot be loaded \(.*; train again$"):
        model.Model(b"not a graph", record)


@pytest.mark.parametrize("name", ["labels", "probabilities"])
def test_model_that_answers_its_probe_differently_is_refused(directory: Path, name: str) -> None:
    """Labels must be the same, and probabilities within the tolerance."""
    probe = json.loads((directory / "model.json").read_text())["probe"]
    probe[name] = probe[name][::-1]
    change(directory, probe=probe)

    assert "answers to its own probe differ" in reason(directory)


def shift(directory: Path, difference: float) -> None:
    """Add a number to every probability of the probe."""
    probe = json.loads((directory / "model.json").read_text())["probe"]
    probe["probabilities"] = [[p + difference for p in row] for row in probe["probabilities"]]
    change(directory, probe=probe)


def test_model_within_the_tolerance_is_taken(directory: Path) -> None:
    """Another machine may compute probabilities that differ in the last digits."""
    shift(directory, 5e-6)

    assert model.load(directory).record.n_features == 4


def test_model_beyond_the_tolerance_is_refused(directory: Path) -> None:
    """Probabilities that differ by more are another model's."""
    shift(directory, 5e-5)

    assert "answers to its own probe differ" in reason(directory)


@pytest.mark.parametrize(
    "values",
    [
        {"n_features": 3},
        {"labels": ["setosa"]},
        {"probe": {"features": [], "labels": [], "probabilities": []}},
        {"probe": {"features": [[1.0]], "labels": [0], "probabilities": [[1.0, 0.0, 0.0]]}},
        {"probe": {"features": [[1.0], []], "labels": [0], "probabilities": [[1.0, 0.0, 0.0]]}},
        {"probe": {"features": "x", "labels": "y", "probabilities": "z"}},
    ],
    ids=["n_features", "labels", "no_probe", "narrow_probe", "ragged_probe", "text_probe"],
)
def test_record_that_does_not_fit_its_graph_is_refused(
    directory: Path, values: dict[str, object]
) -> None:
    """A record that was changed by hand is refused when it is loaded, not at the first request."""
    change(directory, **values)

    assert reason(directory)


def test_what_comes_before_a_fork_starts_no_thread(directory: Path) -> None:
    """A child would not have it, so onnxruntime's telemetry, which uses one, is off."""
    ended = python(
        "import os, time\n"
        "from pathlib import Path\n"
        "from artifact import model\n"
        "before = os.listdir('/proc/self/task')\n"
        f"with model.preloading(Path({str(directory)!r}), threads=1):\n"
        "    pass\n"
        "while os.listdir('/proc/self/task') != before:\n"
        "    time.sleep(0.01)\n"  # a thread that was waited for goes a moment later
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_preloaded_artifact_is_read_once(directory: Path) -> None:
    """The next load returns it, although its files are gone; a second one reads files again."""
    record = model.load(directory).record
    with model.preloading(directory, threads=1):
        pass
    shutil.rmtree(directory)

    assert model.load(directory).record == record
    assert "cannot be read" in reason(directory)


def test_session_of_several_threads_is_not_preloaded(directory: Path) -> None:
    """Its threads would be missing in a child."""
    with model.preloading(directory, threads=2):
        pass
    shutil.rmtree(directory)

    assert "cannot be read" in reason(directory)


def test_artifact_that_cannot_be_used_is_left_to_its_load(directory: Path) -> None:
    """`load` reports the problem."""
    (directory / "model.onnx").write_bytes(b"no graph")

    with model.preloading(directory, threads=1):
        pass

    assert "checksum" in reason(directory)
