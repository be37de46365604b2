"""Trees as arrays: exactly scikit-learn's predictions, for one row."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact import export, model, tree
from artifact.metadata import ArtifactError
from support.apps import app_of

Estimator = Any  # a decision tree of scikit-learn
Features = NDArray[np.float32]


def grown(task: str) -> tuple[Estimator, Features]:
    """Return a tree of many leaves, and rows at its thresholds, just below, and just above."""
    random = np.random.default_rng(5)
    features = random.normal(size=(2000, 3)).astype(np.float32)
    quantities = random.normal(size=2000)
    quantities[features[:, 0] > 1] = -0.0
    if task == "regression":
        estimator = DecisionTreeRegressor(random_state=0).fit(features, quantities)
    else:
        labels = np.array(["b", "c", "a"])[random.integers(0, 3, 2000)]
        estimator = DecisionTreeClassifier(random_state=0, min_samples_leaf=3)
        estimator.fit(features, labels)
    thresholds = estimator.tree_.threshold[estimator.tree_.feature >= 0].astype(np.float32)
    near = [np.nextafter(thresholds, np.float32(way)) for way in (-9e9, 9e9)]
    return estimator, random.choice(np.concatenate([thresholds, *near]), (3000, 3))


def saved(directory: Path, task: str) -> tuple[Estimator, Features]:
    """Export such a tree into `directory`/model."""
    estimator, rows = grown(task)
    (directory / "model").mkdir()
    export.save(estimator, directory / "model", rows, {})
    return estimator, rows


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_tree_answers_as_scikit_learn(tmp_path: Path, task: str) -> None:
    """At every threshold and next to it, label and score equal those of `predict`."""
    estimator, rows = saved(tmp_path, task)
    walked = model.load(tmp_path / "model").tree
    assert walked is not None

    if task == "classification":
        found = [estimator.classes_[walked.label(row)] for row in rows.tolist()]
        assert found == estimator.predict(rows).tolist()
    else:
        scores = [walked.score(row) for row in rows.tolist()]
        assert scores == estimator.predict(rows).astype(np.float32).tolist()
        assert not any(np.signbit(score) for score in scores if score == 0)


def lines(app: Flask, body: str, content_type: str) -> list[str]:
    """Return the response of the endpoint, a line for each row."""
    headers = {"Content-Type": content_type, "Accept": "text/csv"}
    response = app.test_client().post("/invocations", data=body.encode(), headers=headers)
    assert response.status_code == 200, response.data
    return str(response.data.decode()).splitlines()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_row_alone_gets_the_answer_that_it_gets_among_others(tmp_path: Path, task: str) -> None:
    """In CSV and in JSON, one row has the same prediction alone and among many."""
    _, rows = saved(tmp_path, task)
    app = app_of(tmp_path)
    texts = [",".join(map(repr, row)) for row in rows[:300].tolist()]

    together = lines(app, "\n".join(texts), "text/csv")

    assert [lines(app, text + "\n", "text/csv")[0] for text in texts] == together
    assert [lines(app, f"[[{text}]]", "application/json")[0] for text in texts] == together


def replaced(directory: Path, content: bytes) -> str:
    """Return why an artifact with another tree is refused."""
    (directory / "model/tree.npy").write_bytes(content)
    record = directory / "model/model.json"
    checksum = hashlib.sha256(content).hexdigest()
    record.write_text(json.dumps(json.loads(record.read_text()) | {"tree_sha256": checksum}))
    with pytest.raises(ArtifactError) as caught:
        model.load(directory / "model")
    return str(caught.value)


def npy(array: NDArray[Any]) -> bytes:
    """Return an array as a file."""
    return tree.to_bytes(array)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "tree.npy cannot be loaded ("),
        (b"rubbish", "tree.npy cannot be loaded ("),
        (npy(np.zeros(3)), "tree.npy holds no tree; train again"),
        (npy(np.zeros((2, 2), tree.NODE)), "tree.npy holds no tree; train again"),
        (npy(np.zeros(0, tree.NODE)), "tree.npy holds no tree; train again"),
    ],
)
def test_file_that_is_no_tree_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """The message names the file; pickles are not read."""
    saved(tmp_path, "classification")

    assert words in replaced(tmp_path, content)


def test_tree_of_another_model_is_refused(tmp_path: Path) -> None:
    """The tree must be the one in model.onnx, node by node."""
    saved(tmp_path, "classification")
    leaf = np.array([(tree.LEAF, 0, 0, 0)], tree.NODE)

    assert replaced(tmp_path, npy(leaf)).startswith("tree.npy is not the tree in model.onnx; ")


def test_model_that_is_no_tree_has_none(tmp_path: Path) -> None:
    """Only a single tree is stored as arrays; other models use the session."""
    from sklearn.ensemble import RandomForestClassifier

    rows = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    export.save(RandomForestClassifier(3).fit(rows, rows[:, 0] > 0), tmp_path, rows, {})

    assert model.load(tmp_path).tree is None
    assert not (tmp_path / "tree.npy").exists()
