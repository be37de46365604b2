"""Training inputs as people send them: each is read exactly, or rejected with its message.

payloads/corpus.py describes the tables that hold them.
"""

import json
import logging
import re
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import algorithm
from artifact import model
from container import supervisor
from container.data import channels
from container.data.table import Table, split
from container.errors import FAILURE_CHARACTERS, UserError
from container.hyperparameters import loader
from container.paths import Paths
from container.progress import Counter
from container.training import job
from payloads import corpus, flowers
from payloads.corpus import AcceptedInput, RejectedInput, TrainingInput
from support.training_files import read

ACCEPTED = corpus.read(AcceptedInput)
REJECTED = corpus.read(RejectedInput)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """The paths of a job without data."""
    paths = Paths(tmp_path)
    paths.data.mkdir(parents=True)
    paths.hyperparameters.parent.mkdir()
    return paths


def lay_out(case: TrainingInput, paths: Paths) -> None:
    """Write the files of a case to where the platform would have put them."""
    for folder, files in (
        (paths.data, case.files),
        (paths.hyperparameters.parent, case.configuration),
    ):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def as_table(
    features: list[list[float | None]],
    labels: list[Any],
    weights: list[float] | None = None,
    feature_names: list[str] | None = None,
) -> Table:
    """Return the table that a case expects."""
    return Table(
        np.array(features, dtype=np.float64).astype(np.float32),
        np.array(labels),
        None if weights is None else np.array(weights, dtype=np.float64),
        feature_names,
    )


def assert_same(found: Table, expected: Table) -> None:
    """Compare all parts of two tables, including the types of labels."""
    assert found.features.dtype == np.float32
    np.testing.assert_array_equal(found.features, expected.features)
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.labels.dtype.kind == expected.labels.dtype.kind
    assert found.feature_names == expected.feature_names
    assert (found.weights is None) == (expected.weights is None)
    if found.weights is not None and expected.weights is not None:
        assert found.weights.tolist() == expected.weights.tolist()


def scikit_learn_answers(table: Table, given: dict[str, str]) -> NDArray[Any]:
    """Return scikit-learn's own predictions for a table that it is fitted on."""
    kind = DecisionTreeRegressor if given.get("task") == "regression" else DecisionTreeClassifier
    own = {name: value for name, value in given.items() if name in kind().get_params()}
    estimator = kind(random_state=0, **{name: _value(text) for name, text in own.items()})
    estimator.fit(table.features, table.labels, sample_weight=table.weights)
    answers: NDArray[Any] = estimator.predict(table.features)
    return answers


def _value(text: str) -> object:
    """Return a hyperparameter as an argument of scikit-learn."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _value(value) if isinstance(value, str) else value


def artifact_answers(directory: Path, features: NDArray[np.float32]) -> NDArray[Any]:
    """Return the predictions of the artifact: labels, or scores as float32."""
    loaded = model.load(directory)
    answers: NDArray[Any] = loaded.answers(features)
    return np.array(loaded.record.labels)[answers] if loaded.record.labels else answers


@pytest.mark.parametrize("case", ACCEPTED, ids=attrgetter("name"))
def test_accepted_input_is_read_and_learnt(case: AcceptedInput, paths: Paths) -> None:
    """The table is exactly as expected, and the model predicts as scikit-learn's on that table."""
    lay_out(case, paths)
    values = dict(case.expected)
    validation_values = values.pop("validation", None)
    expected = as_table(**values)
    options = loader.load(paths.hyperparameters, algorithm.Hyperparameters)

    job.run(algorithm, paths)

    channel, validation = channels.find(paths)
    table = read(channel, options, Counter())
    assert_same(table, expected)
    assert (validation is None) == (validation_values is None)
    if validation is not None:
        found = read(validation, options, Counter(), table)
        assert_same(found, as_table(**validation_values))
    learnt = expected
    if options.validation_fraction:
        by_class = options.task == "classification"
        learnt, _ = split(expected, options.validation_fraction, by_class)
    answers = artifact_answers(paths.model, learnt.features)
    right = scikit_learn_answers(learnt, case.hyperparameters or {})
    assert answers.tolist() == right.astype(answers.dtype).tolist()


@pytest.mark.parametrize("case", REJECTED, ids=attrgetter("name"))
def test_rejected_input_fails_with_its_message(case: RejectedInput, paths: Paths) -> None:
    """The failure has exactly the expected message, and there is no model."""
    lay_out(case, paths)

    with pytest.raises(UserError) as caught:
        job.run(algorithm, paths)

    message = supervisor.describe(caught.value)
    assert len(message) <= FAILURE_CHARACTERS
    message = message.replace(str(paths.data), "{data}")
    message = message.replace(str(paths.hyperparameters.parent), "{config}")
    assert message == case.message
    assert not paths.model.exists() or not list(paths.model.iterdir())


def test_channel_without_a_file_is_reported(paths: Paths) -> None:
    """A prefix that matches no object leaves an empty folder, which no table can contain."""
    (paths.data / "train/2024").mkdir(parents=True)

    with pytest.raises(UserError) as caught:
        job.run(algorithm, paths)

    assert str(caught.value) == (
        f"The channel training (or train) has no data; found under {paths.data}: the channel "
        "train without files. Give the job a channel of that name with files that have a label "
        "and numbers in each row."
    )


def test_file_behind_a_link_is_read(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A link is read as the file that it points to."""
    caplog.set_level(logging.INFO)
    (tmp_path / "iris.csv").write_bytes(flowers.TEXT)
    (paths.data / "train").mkdir()
    (paths.data / "train/iris.csv").symlink_to(tmp_path / "iris.csv")

    job.run(algorithm, paths)

    assert "train:rows=4;" in caplog.messages


REMEDY = re.compile(r"set the hyperparameter (\w+)=(.+?)(?: to leave such rows out;.*)?\.$")
WITH_REMEDY = [(case, found) for case in REJECTED if (found := REMEDY.search(case.message))]


@pytest.mark.parametrize(
    ("case", "found"), WITH_REMEDY, ids=lambda value: getattr(value, "name", "")
)
def test_remedy_in_a_message_works_or_leads_on(
    case: RejectedInput, found: re.Match[str], paths: Paths
) -> None:
    """With the hyperparameter that a message names the job trains, or fails for another reason."""
    remedied = replace(case, hyperparameters={**(case.hyperparameters or {}), found[1]: found[2]})
    lay_out(remedied, paths)
    message = ""
    try:
        job.run(algorithm, paths)
    except UserError as error:
        message = supervisor.describe(error).replace(str(paths.data), "{data}")

    assert message != case.message
    assert "hyperparameter " + repr(found[1]) not in message


def test_many_messages_have_a_remedy() -> None:
    """The corpus has messages with most of the hyperparameters that are remedies."""
    assert {found[1] for _, found in WITH_REMEDY} >= {
        *("decimal", "header", "ignore", "label", "missing_labels", "na_values")
    }
