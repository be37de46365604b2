"""Training inputs as people send them: each is read exactly, or refused with its message.

A case is a directory below payloads/training/accepted or payloads/training/rejected: its folders
are channels, its hyperparameters.json and inputdataconfig.json are those of the job. Beside them is
what comes of it, in expected.json or message.txt.
"""

import json
import logging
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import algorithm
from artifact import model
from container import channels, hyperparameters, job, tables, training
from container.errors import UserError
from container.progress import Counter
from container.settings import Paths
from container.tables import Table
from payloads import flowers, make_training_payloads
from written import read

DIRECTORY = make_training_payloads.DIRECTORY
ACCEPTED = sorted(case.name for case in (DIRECTORY / "accepted").iterdir())
REJECTED = sorted(case.name for case in (DIRECTORY / "rejected").iterdir())
BINARY = make_training_payloads.payloads()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """The paths of a job without data."""
    paths = Paths(tmp_path)
    paths.data.mkdir(parents=True)
    paths.hyperparameters.parent.mkdir()
    return paths


def lay_out(case: Path, paths: Paths) -> None:
    """Copy a case to where the platform would have put it."""
    for entry in case.iterdir():
        if entry.is_dir():
            shutil.copytree(entry, paths.data / entry.name)
        elif entry.suffix == ".json":
            shutil.copy(entry, paths.hyperparameters.parent)


def as_table(values: dict[str, Any]) -> Table:
    """Return the table that expected.json describes."""
    cells = [[math.nan if cell is None else cell for cell in row] for row in values["features"]]
    weights = values.get("weights")
    return Table(
        np.array(cells, dtype=np.float64).astype(np.float32),
        np.array(values["labels"]),
        None if weights is None else np.array(weights, dtype=np.float64),
        values.get("feature_names"),
    )


def assert_same(found: Table, expected: Table) -> None:
    """Compare all that a table says of its rows, the types of labels too."""
    assert found.features.dtype == np.float32
    np.testing.assert_array_equal(found.features, expected.features)
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.labels.dtype.kind == expected.labels.dtype.kind
    assert found.feature_names == expected.feature_names
    assert (found.weights is None) == (expected.weights is None)
    if found.weights is not None and expected.weights is not None:
        assert found.weights.tolist() == expected.weights.tolist()


def scikit_learn_answers(table: Table, given: dict[str, str]) -> NDArray[Any]:
    """Return what scikit-learn itself, told the same, answers to the rows of `table`."""
    kind = DecisionTreeRegressor if given.get("task") == "regression" else DecisionTreeClassifier
    own = {name: value for name, value in given.items() if name in kind().get_params()}
    estimator = kind(random_state=0, **{name: _value(text) for name, text in own.items()})
    estimator.fit(table.features, table.labels, sample_weight=table.weights)
    answers: NDArray[Any] = estimator.predict(table.features)
    return answers


def _value(text: str) -> object:
    """Return a hyperparameter as scikit-learn takes it."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _value(value) if isinstance(value, str) else value


def artifact_answers(directory: Path, features: NDArray[np.float32]) -> NDArray[Any]:
    """Return what the artifact answers: labels, or scores as float32."""
    loaded = model.load(directory)
    answers: NDArray[Any] = loaded.answers(features)
    return np.array(loaded.record.labels)[answers] if loaded.record.labels else answers


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_input_is_read_and_learnt(name: str, paths: Paths) -> None:
    """The table is exactly the expected one, and the model is scikit-learn's on that table."""
    case = DIRECTORY / "accepted" / name
    lay_out(case, paths)
    values = json.loads((case / "expected.json").read_bytes())
    expected = as_table(values)
    options = hyperparameters.load(paths.hyperparameters, algorithm.Hyperparameters)

    training.run(algorithm, paths)

    channel, validation = channels.find(paths)
    table = read(channel, options, Counter())
    assert_same(table, expected)
    assert (validation is None) == ("validation" not in values)
    if validation is not None:
        found = read(validation, options, Counter(), table)
        assert_same(found, as_table(values["validation"]))
    learnt = expected
    if options.validation_fraction:
        by_class = options.task == "classification"
        learnt, _ = tables.split(expected, options.validation_fraction, by_class)
    answers = artifact_answers(paths.model, learnt.features)
    right = scikit_learn_answers(learnt, _given(case))
    assert answers.tolist() == right.astype(answers.dtype).tolist()


def _given(case: Path) -> dict[str, str]:
    file = case / "hyperparameters.json"
    given: dict[str, str] = json.loads(file.read_bytes()) if file.exists() else {}
    return given


@pytest.mark.parametrize("name", REJECTED)
def test_rejected_input_is_told_of(name: str, paths: Paths) -> None:
    """The failure says exactly what message.txt says, and there is no model."""
    case = DIRECTORY / "rejected" / name
    lay_out(case, paths)

    with pytest.raises(UserError) as caught:
        training.run(algorithm, paths)

    told = job.describe(caught.value, paths)
    assert len(told) <= job.FAILURE_CHARACTERS
    told = told.replace(str(paths.data), "{data}")
    told = told.replace(str(paths.hyperparameters.parent), "{config}")
    assert told + "\n" == (case / "message.txt").read_text(encoding="utf-8")
    assert not paths.model.exists() or not list(paths.model.iterdir())


def test_there_are_many_cases() -> None:
    """What people send is varied."""
    assert len(ACCEPTED) >= 65
    assert len(REJECTED) >= 65


@pytest.mark.parametrize(
    ("kind", "outcome"), [("accepted", "expected.json"), ("rejected", "message.txt")]
)
def test_every_case_is_complete(kind: str, outcome: str) -> None:
    """A case has data, its outcome, and beside them nothing that no test looks at."""
    known = {outcome, "hyperparameters.json", "inputdataconfig.json"}
    for case in (DIRECTORY / kind).iterdir():
        files = {entry.name for entry in case.iterdir() if entry.is_file()}

        assert outcome in files, case
        assert files <= known, case
        assert any(entry.is_file() for channel in case.iterdir() for entry in channel.rglob("*"))


@pytest.mark.parametrize("path", sorted(BINARY))
def test_binary_file_is_as_it_is_made(path: str) -> None:
    """What is in the repository is what make_training_payloads.py writes."""
    found, made = (DIRECTORY / path).read_bytes(), BINARY[path]

    if made.startswith(b"PAR1"):
        assert _parquet_content(found) == _parquet_content(made)
    else:
        assert found == made


def _parquet_content(file: bytes) -> object:
    """Return a Parquet file's table and metadata, for its bytes tell the version of pyarrow."""
    try:
        read = pq.read_table(pa.BufferReader(file))
    except pa.ArrowException as error:
        return type(error)
    return read.schema.metadata, read.schema, repr(read.to_pylist())  # NaN is not equal to itself


def test_channel_without_a_file_is_told_of(paths: Paths) -> None:
    """A prefix that matches no object leaves an empty folder, which git cannot hold."""
    (paths.data / "train/2024").mkdir(parents=True)

    with pytest.raises(UserError) as caught:
        training.run(algorithm, paths)

    assert str(caught.value) == (
        "There is nothing to train on in the channel training (or train): found under "
        f"{paths.data} is the channel train without files. Give the job a channel of that name "
        "with files that hold a label and numbers in each row."
    )


def test_file_behind_a_link_is_read(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A link to a file, as in a folder that stands in for /opt/ml, is that file."""
    caplog.set_level(logging.INFO)
    (tmp_path / "iris.csv").write_bytes(flowers.TEXT)
    (paths.data / "train").mkdir()
    (paths.data / "train/iris.csv").symlink_to(tmp_path / "iris.csv")

    training.run(algorithm, paths)

    assert "train:rows=4;" in caplog.messages
