"""Run `train` as the platform does: it reads files, and writes an artifact or a failure file."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from artifact import model as artifact
from support.material import ARTIFACT, LabelledRows, OptMl, soak_only
from support.processes import train


def failure_of(opt_ml: OptMl, log: str) -> str:
    """Return the text of the failure file; for a mistake of the user the log has no traceback."""
    text = opt_ml.failure.read_text(encoding="utf-8")
    assert 0 < len(text) <= 1024
    assert "Traceback" not in text
    assert "Traceback" not in log
    return text


def test_train_writes_an_artifact_that_predicts_as_scikit_learn(
    opt_ml: OptMl, iris: LabelledRows
) -> None:
    """A job writes the files of the model and no failure file, and its exit code is 0."""
    opt_ml.write("iris.csv", iris.training_csv())
    opt_ml.write_hyperparameters({"max_leaf_nodes": "5"})

    ended = train(opt_ml)

    assert ended.code == 0, ended.log
    assert sorted(file.name for file in opt_ml.model.iterdir()) == ARTIFACT
    assert not opt_ml.failure.exists()
    model = artifact.load(opt_ml.model)
    oracle = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0)
    expected = oracle.fit(iris.features, iris.labels).predict(iris.features)
    found = model.predict(iris.features.astype(np.float32))
    assert [model.record.labels[index] for index in found] == expected.tolist()


def test_train_prints_the_accuracy_that_scikit_learn_computes(
    opt_ml: OptMl, iris: LabelledRows
) -> None:
    """The metric line is printed once, in the form that a tuner's regular expression matches."""
    opt_ml.write("iris.csv", iris.training_csv())
    opt_ml.write_hyperparameters({"max_leaf_nodes": "3"})

    ended = train(opt_ml)

    oracle = DecisionTreeClassifier(max_leaf_nodes=3, random_state=0)
    score = oracle.fit(iris.features, iris.labels).score(iris.features, iris.labels)
    assert re.findall(r"train:accuracy=(.*?);", ended.log) == [f"{score:.6g}"]


def test_train_needs_no_hyperparameters(opt_ml: OptMl, iris: LabelledRows) -> None:
    """Without hyperparameters.json the defaults are used."""
    opt_ml.write("iris.csv", iris.training_csv())

    ended = train(opt_ml)

    record = json.loads((opt_ml.model / "model.json").read_text())
    assert ended.code == 0
    assert record["training"]["hyperparameters"]["max_leaf_nodes"] is None


def test_train_says_which_column_is_the_label(opt_ml: OptMl) -> None:
    """A line of the log and model.json have the label, how it was chosen, classes and columns."""
    opt_ml.write("a.csv", "rooms,price,kind\n3,200,1\n2,120,0\n3,150,1\n")

    ended = train(opt_ml)

    record = json.loads((opt_ml.model / "model.json").read_text())
    assert (
        "training: label: column 'rooms', index 0, the first column, because the hyperparameter "
        "label is not set; 2 classes: '3' 2 rows, '2' 1 row; 3 rows, no weights; "
        "2 features: 'price', 'kind'\n"
    ) in ended.log
    assert record["training"]["data"] == {
        "format": "comma-separated text",
        "rows": 3,
        "columns": 3,
        "label": {"index": 0, "name": "rooms", "chosen_by": "default"},
        "weight": None,
        "classes": {"2": 1, "3": 2},
    }


def test_train_reads_every_file_of_the_channel_train(opt_ml: OptMl, iris: LabelledRows) -> None:
    """Nested files are read, hidden and empty ones are not; the channel may be called train."""
    lines = iris.training_csv().splitlines(keepends=True)
    opt_ml.write("a.csv", "".join(lines[:70]), channel="train")
    opt_ml.write("part/b", "".join(lines[70:]), channel="train")
    opt_ml.write("._a.csv", b"\0\5\26\7", channel="train")
    opt_ml.write("_SUCCESS", "", channel="train")

    ended = train(opt_ml)

    record = json.loads((opt_ml.model / "model.json").read_text())
    assert record["training"]["metrics"]["train"]["rows"] == 150
    assert "train/._a.csv" in ended.log


def test_train_gives_the_same_bytes_for_the_same_data(tmp_path: Path, iris: LabelledRows) -> None:
    """Two jobs with the same rows write the same artifact."""
    artifacts = []
    for name in ("first", "second"):
        opt_ml = OptMl(tmp_path / name)
        opt_ml.write("iris.csv", iris.training_csv())
        train(opt_ml)
        artifacts.append([file.read_bytes() for file in sorted(opt_ml.model.iterdir())])

    assert artifacts[0] == artifacts[1]


@pytest.mark.parametrize(
    ("content", "phrases"),
    [
        ("a,1,2\nb,1,2,3\n", ["row 2 has 4 columns", "the rows before have 3"]),
        soak_only("a,1,2\nb,1,two\n", ["row 2, column 3 is 'two', not a number"]),
        ("label,sepal,petal\na,1,x\n", ["row 2, column 3 ('petal') is 'x', not a number"]),
        soak_only("a,1,2\n,1,2\n", ["row 2, column 1 is '': no label"]),
        soak_only("a\nb\n", ["row 1 has 1 column"]),
        soak_only("a,1,2\na,2,1\n", ["have the label 'a'"]),
        (b"a,1,2\nb\xff,1,2\n", ["0xff", "UTF-8"]),
    ],
)
def test_train_reports_a_bad_file(opt_ml: OptMl, content: str | bytes, phrases: list[str]) -> None:
    """The exit code is 65; the failure file has the mistake, its place and a remedy."""
    opt_ml.write("bad.csv", content)

    ended = train(opt_ml)

    failure = failure_of(opt_ml, ended.log)
    assert ended.code == os.EX_DATAERR
    assert all(phrase in failure for phrase in phrases)
    assert not list(opt_ml.model.glob("*"))


def test_train_names_file_and_row_in_the_second_file(opt_ml: OptMl) -> None:
    """The failure names both of two files that do not match."""
    first = opt_ml.write("first.csv", "a,1,2\nb,2,1\n")
    second = opt_ml.write("second.csv", "a,1,2,3\n")

    failure = failure_of(opt_ml, train(opt_ml).log)

    assert f"In {second}, rows have 4 columns, but those of {first} 3" in failure


@pytest.mark.parametrize(
    ("prepare", "phrase"),
    [
        (lambda opt_ml: opt_ml.base.mkdir(), ": no channel at all"),
        (
            lambda opt_ml: (opt_ml.base / "input/data/training").mkdir(parents=True),
            ": the channel training without files",
        ),
        (
            lambda opt_ml: opt_ml.write("._x.csv", "a,1\n"),
            "1 of them empty or hidden (training/._x.csv)",
        ),
    ],
)
def test_train_reports_a_channel_without_data(
    opt_ml: OptMl, prepare: Callable[[OptMl], object], phrase: str
) -> None:
    """The failure says what the channel contains instead of data."""
    prepare(opt_ml)

    ended = train(opt_ml)

    assert ended.code == os.EX_DATAERR
    assert phrase in failure_of(opt_ml, ended.log)


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("[1, 2]", "holds a JSON list"),
        ("{", "is not JSON"),
        ('{"max_depht": "3"}', "did you mean 'max_depth'?"),
        ('{"max_depth": "deep"}', "'max_depth' is 'deep'; it must be a whole number"),
    ],
)
def test_train_reports_bad_hyperparameters(
    opt_ml: OptMl, iris: LabelledRows, content: str, phrase: str
) -> None:
    """Unusable hyperparameters end the job before the data are read."""
    opt_ml.write("iris.csv", iris.training_csv())
    opt_ml.write_hyperparameters(content)

    ended = train(opt_ml)

    assert ended.code == os.EX_DATAERR
    assert phrase in failure_of(opt_ml, ended.log)


def test_train_rejects_a_relative_base_directory(opt_ml: OptMl) -> None:
    """An unusable setting ends the program before it starts anything."""
    ended = train(opt_ml, SAGEMAKER_BASE_DIR="ml")

    assert ended.code == os.EX_CONFIG
    assert "SAGEMAKER_BASE_DIR is 'ml'; it must be an absolute path" in ended.log
