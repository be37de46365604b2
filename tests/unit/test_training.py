"""What a training job does, with an algorithm that only takes notes."""

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from container import training
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters import Integer, hyperparameter
from container.settings import Paths
from container.tables import Table
from material import OptMl


@dataclass(frozen=True)
class Declared:
    """What a job of these tests can be told."""

    depth: int = hyperparameter(Integer(1), default=2, doc="Depth.")


@dataclass
class Notes:
    """An algorithm that notes what it is given, and that can fail when it saves."""

    Hyperparameters = Declared
    metrics: Mapping[str, float] = field(default_factory=lambda: {"accuracy": 0.5})
    failure: Exception | None = None
    calls: list[tuple[str, object]] = field(default_factory=list)
    ignores_stop: dict[str, bool] = field(default_factory=dict)

    def note(self, name: str, value: object) -> None:
        """Note a call, and whether a stop would wait."""
        self.calls.append((name, value))
        self.ignores_stop[name] = signal.getsignal(signal.SIGTERM) == signal.SIG_IGN

    def fit(self, table: Table, chosen: Declared, /) -> str:
        """Note the table and the hyperparameters."""
        self.note("fit", (table.labels.tolist(), table.features.tolist(), chosen))
        return "model"

    def evaluate(self, model: str, table: Table, /) -> Mapping[str, float]:
        """Note the model."""
        self.note("evaluate", model)
        return self.metrics

    def save(self, model: str, directory: Path, table: Table, record: Mapping[str, Any], /) -> None:
        """Write one file, then fail if that is asked for."""
        self.note("save", record)
        (directory / "model.txt").write_text(model)
        if self.failure:
            raise self.failure


@pytest.fixture
def paths(opt_ml: OptMl) -> Paths:
    """The paths of a job with two rows."""
    opt_ml.write("a.csv", "a,1\nb,2\n")
    return Paths(opt_ml.base)


def test_job_fits_evaluates_and_saves(paths: Paths, opt_ml: OptMl) -> None:
    """The algorithm gets table, hyperparameters and record, in this order."""
    opt_ml.write_hyperparameters({"depth": "3"})
    notes = Notes()

    training.run(notes, paths)

    assert notes.calls == [
        ("fit", (["a", "b"], [[1.0], [2.0]], Declared(depth=3))),
        ("evaluate", "model"),
        (
            "save",
            {
                "hyperparameters": {"depth": 3},
                "metrics": {"train": {"accuracy": 0.5}},
                "rows": {"train": 2},
            },
        ),
    ]
    assert [file.name for file in paths.model.iterdir()] == ["model.txt"]


def test_record_of_a_job_is_json(paths: Paths) -> None:
    """What `save` is given can be written to model.json."""
    notes = Notes()

    training.run(notes, paths)

    assert json.dumps(notes.calls[-1][1], allow_nan=False)


def test_job_prints_each_metric_once(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """A metric is a line that the platform's regular expression finds."""
    caplog.set_level("INFO")

    training.run(Notes(metrics={"accuracy": 1 / 3, "loss": 1e-9}), paths)

    lines = [record.message for record in caplog.records if record.message.startswith("train:")]
    assert lines == ["train:accuracy=0.333333;", "train:loss=1e-09;"]


def test_job_prints_no_metric_of_a_model_that_is_not_saved(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    """A tuner must not choose a job without a model."""
    caplog.set_level("INFO")

    with pytest.raises(OSError, match="full"):
        training.run(Notes(failure=OSError("full")), paths)

    assert "train:" not in caplog.text


def test_job_that_cannot_save_leaves_nothing(paths: Paths) -> None:
    """The artifact appears whole or not at all."""
    with pytest.raises(OSError, match="full"):
        training.run(Notes(failure=OSError("full")), paths)

    assert not list(paths.model.iterdir())


def test_stop_waits_only_while_the_model_is_saved(paths: Paths) -> None:
    """SIGTERM ends a fit at once; afterwards it is ignored until the model is complete."""
    before = signal.getsignal(signal.SIGTERM)
    notes = Notes()

    training.run(notes, paths)

    assert notes.ignores_stop == {"fit": False, "evaluate": True, "save": True}
    assert signal.getsignal(signal.SIGTERM) == before


def test_hyperparameters_are_read_before_the_data(opt_ml: OptMl) -> None:
    """A mistake in a small file is found before large ones are read."""
    opt_ml.write("a.csv", "no table")
    opt_ml.write_hyperparameters({"depth": "deep"})
    notes = Notes()

    with pytest.raises(HyperparameterError, match="'depth' is 'deep'"):
        training.run(notes, Paths(opt_ml.base))

    assert not notes.calls


def test_job_without_data_is_refused(opt_ml: OptMl) -> None:
    """Without a channel there is nothing to fit, and no model directory is made."""
    with pytest.raises(TrainingDataError, match="holds no data"):
        training.run(Notes(), Paths(opt_ml.base))

    assert not opt_ml.model.exists()
