"""Training job: read, fit, evaluate and save, with an algorithm that records its calls."""

import json
import math
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from container.data.table import Table
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths
from container.training import job
from support.material import OptMl, as_csv


class Declared(InputOptions):
    """Hyperparameters of the jobs of these tests."""

    depth: Annotated[int, Field(ge=1)] = 2
    """Depth."""


@dataclass
class Notes:
    """Algorithm that records its calls; it can fail, and raise SIGTERM in a function."""

    Hyperparameters = Declared
    metrics: Mapping[str, float] = field(default_factory=lambda: {"accuracy": 0.5})
    failure: Exception | None = None
    is_stopped_in: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    handlers: dict[str, object] = field(default_factory=dict)

    def note(self, name: str, value: object) -> None:
        """Record a call and the handler of SIGTERM; raise the signal if it is requested here."""
        self.calls.append((name, value))
        self.handlers[name] = signal.getsignal(signal.SIGTERM)
        if self.is_stopped_in == name:
            signal.raise_signal(signal.SIGTERM)

    def fit(self, table: Table, chosen: Declared, /) -> str:
        """Record the table and the hyperparameters."""
        self.note("fit", (table.labels.tolist(), table.features.tolist(), chosen))
        return "model"

    def evaluate(self, model: str, table: Table, /) -> Mapping[str, float]:
        """Record the labels."""
        self.note("evaluate", table.labels.tolist())
        return self.metrics

    def describe(self, model: str, /) -> Mapping[str, float]:
        """Record the model."""
        self.note("describe", model)
        return {"depth": 7}

    def save(self, model: str, directory: Path, table: Table, record: Mapping[str, Any], /) -> None:
        """Write one file, then raise the failure, if there is one."""
        self.note("save", record)
        (directory / "model.txt").write_text(model)
        if self.failure:
            raise self.failure

    def given(self, name: str) -> list[Any]:
        """Return the arguments of the calls of one function."""
        return [value for call, value in self.calls if call == name]


@pytest.fixture
def paths(opt_ml: OptMl) -> Paths:
    """Return the paths of a job with two rows."""
    opt_ml.write("a.csv", "a,1\nb,2\n")
    return Paths(opt_ml.base)


def metrics_in(paths: Paths) -> Any:
    """Return the contents of metrics.json."""
    return json.loads(paths.metrics.read_text())


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines with metrics in alphabetical order, without the seconds."""
    metric = re.compile(r"(train|validation):(?!seconds)\w+=\S+;")
    return sorted(filter(metric.fullmatch, caplog.messages))


def test_job_fits_evaluates_and_saves(paths: Paths, opt_ml: OptMl) -> None:
    """The functions are called in order, with table, hyperparameters and record."""
    opt_ml.write_hyperparameters({"depth": "3"})
    notes = Notes()

    job.run(notes, paths)

    chosen = Declared(depth=3)
    metrics = {"train": {"rows": 2, "accuracy": 0.5, "depth": 7}}
    data = {
        "format": "comma-separated text",
        "rows": 2,
        "columns": 2,
        "label": {"index": 0, "name": None, "chosen_by": "default"},
        "weight": None,
        "classes": {"a": 1, "b": 1},
    }
    assert notes.calls == [
        ("fit", (["a", "b"], [[1.0], [2.0]], chosen)),
        ("evaluate", ["a", "b"]),
        ("describe", "model"),
        ("save", {"hyperparameters": chosen.model_dump(), "data": data, "metrics": metrics}),
    ]
    assert [file.name for file in paths.model.iterdir()] == ["model.txt"]


def test_job_writes_its_metrics(paths: Paths) -> None:
    """metrics.json has the metrics and the duration of the fit."""
    begun = time.monotonic()
    job.run(Notes(), paths)
    elapsed = time.monotonic() - begun

    metrics = metrics_in(paths)
    seconds = metrics["train"].pop("seconds")
    assert metrics == {"train": {"rows": 2, "accuracy": 0.5, "depth": 7}}
    assert 0 <= seconds <= elapsed + 0.001  # it is rounded


def test_record_is_the_same_at_each_run(paths: Paths) -> None:
    """The record of the artifact is JSON and contains no time."""
    notes = Notes()

    job.run(notes, paths)
    job.run(notes, paths)

    first, second = (json.dumps(record, allow_nan=False) for record in notes.given("save"))
    assert first == second


@pytest.mark.parametrize("channel", ["validation", "test"])
def test_job_validates_on_its_channel(
    paths: Paths, opt_ml: OptMl, caplog: pytest.LogCaptureFixture, channel: str
) -> None:
    """Both tables are evaluated; only the training table is fitted."""
    opt_ml.write("v.csv", "b,3\nb,4\nb,5\n", channel=channel)
    caplog.set_level("INFO")
    notes = Notes()

    job.run(notes, paths)

    assert notes.given("fit")[0][0] == ["a", "b"]
    assert notes.given("evaluate") == [["a", "b"], ["b", "b", "b"]]
    assert metrics_in(paths)["validation"] == {"rows": 3, "accuracy": 0.5}
    assert logged(caplog) == [
        "train:accuracy=0.5;",
        "train:depth=7;",
        "train:rows=2;",
        "validation:accuracy=0.5;",
        "validation:rows=3;",
    ]


@pytest.mark.parametrize(
    ("task", "labels"),
    [("classification", [0, 1, 0, 1, 0, 1, 0, 1]), ("regression", [row / 2 for row in range(8)])],
)
def test_job_validates_on_rows_that_it_sets_aside(
    opt_ml: OptMl, task: str, labels: list[float]
) -> None:
    """Each row is used for training or validation; both have the classes in proportion."""
    opt_ml.write("a.csv", as_csv([label, row] for row, label in enumerate(labels)))
    opt_ml.write_hyperparameters({"validation_fraction": "0.25", "task": task})
    notes, paths = Notes(), Paths(opt_ml.base)

    job.run(notes, paths)

    kept, aside = notes.given("evaluate")
    assert (len(kept), len(aside)) == (6, 2)
    assert task == "regression" or sorted(aside) == [0, 1]
    assert notes.given("fit")[0][0] == kept
    assert sorted(kept + aside) == sorted(labels)
    assert metrics_in(paths)["validation"]["rows"] == 2


def test_job_validates_on_one_thing(paths: Paths, opt_ml: OptMl) -> None:
    """A validation channel and a validation fraction exclude each other."""
    opt_ml.write("v.csv", "b,3\n", channel="test")
    opt_ml.write_hyperparameters({"validation_fraction": "0.5"})

    with pytest.raises(HyperparameterError) as caught:
        job.run(Notes(), paths)

    assert str(caught.value) == (
        "The hyperparameter validation_fraction is 0.5, and the job has a channel test; use one of "
        "them."
    )


def test_validation_data_are_read_like_the_training_data(paths: Paths, opt_ml: OptMl) -> None:
    """Mistakes in validation data are reported before the fit."""
    opt_ml.write("v.csv", "c,3\n", channel="validation")
    notes = Notes()

    with pytest.raises(TrainingDataError, match=r"the label 'c' \(1 row\) is not"):
        job.run(notes, paths)

    assert not notes.calls


def test_job_prints_each_metric_once(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """Each metric has a log line that the documented regular expression matches."""
    caplog.set_level("INFO")

    job.run(Notes(metrics={"accuracy": 1 / 3, "loss": 1e-9}), paths)

    assert logged(caplog) == [
        "train:accuracy=0.333333;",
        "train:depth=7;",
        "train:loss=1e-09;",
        "train:rows=2;",
    ]
    assert sum(line.startswith("train:seconds=") for line in caplog.messages) == 1


def test_metric_without_a_value_is_left_out(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """NaN and infinity are neither printed nor written, but logged as undefined."""
    caplog.set_level("INFO")

    job.run(Notes(metrics={"r2": math.nan, "rmse": 2.5, "loss": math.inf}), paths)

    assert logged(caplog) == ["train:depth=7;", "train:rmse=2.5;", "train:rows=2;"]
    assert "train: not defined for these rows: r2, loss" in caplog.messages
    assert set(metrics_in(paths)["train"]) == {"rows", "rmse", "depth", "seconds"}


def test_job_that_cannot_save_leaves_nothing(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    """If saving fails, there is no artifact and no metric that a tuner could choose."""
    caplog.set_level("INFO")

    with pytest.raises(OSError, match="full"):
        job.run(Notes(failure=OSError("full")), paths)

    assert not list(paths.model.iterdir())
    assert not paths.metrics.exists()
    assert not logged(caplog)


def test_stop_waits_only_for_a_model_that_is_fitted(paths: Paths) -> None:
    """SIGTERM ends a fit at once; after the fit it is postponed until the model is saved."""
    before = signal.getsignal(signal.SIGTERM)
    notes = Notes()

    job.run(notes, paths)

    assert notes.handlers["fit"] == before
    assert notes.handlers["evaluate"] == notes.handlers["save"] != before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("moment", "validation"),
    [("evaluate", {"rows": 1}), ("describe", {"rows": 1, "accuracy": 0.5})],
)
def test_stop_after_the_fit_saves_the_model(
    paths: Paths, opt_ml: OptMl, moment: str, validation: dict[str, float]
) -> None:
    """After a stop the remaining metrics are left out, and the model is saved."""
    opt_ml.write("v.csv", "b,3\n", channel="validation")
    notes = Notes(is_stopped_in=moment)

    job.run(notes, paths)

    assert (paths.model / "model.txt").read_text() == "model"
    assert notes.given("save")[0]["metrics"] == {
        "train": {"rows": 2, "accuracy": 0.5, "depth": 7},
        "validation": validation,
    }


def test_hyperparameters_are_read_before_the_data(opt_ml: OptMl) -> None:
    """Mistakes in hyperparameters are reported before the data is read."""
    opt_ml.write("a.csv", "no table")
    opt_ml.write_hyperparameters({"depth": "deep"})
    notes = Notes()

    with pytest.raises(HyperparameterError, match="'depth' is 'deep'"):
        job.run(notes, Paths(opt_ml.base))

    assert not notes.calls


def test_job_logs_its_hyperparameters(
    paths: Paths, opt_ml: OptMl, caplog: pytest.LogCaptureFixture
) -> None:
    """Hyperparameters that differ from their defaults are logged."""
    caplog.set_level("INFO")

    job.run(Notes(), paths)
    opt_ml.write_hyperparameters({"depth": "3", "header": "absent", "label": ""})
    job.run(Notes(), paths)

    assert "hyperparameters: defaults, see train --help" in caplog.messages
    assert "hyperparameters: header='absent', depth=3" in caplog.messages


def test_job_tells_what_it_does(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """Each phase is logged when it is done, in order, with the columns."""
    caplog.set_level("INFO")

    job.run(Notes(), paths)

    text = "\n".join(caplog.messages)
    assert "reading training done: 1 file, 2 rows, 0.0 MB, " in text
    assert "; 2 rows, no weights; 1 feature without names" in text
    assert re.findall(r"^(\w+).* done: ", text, re.MULTILINE) == [
        "reading",
        "fit",
        "evaluate",
        "save",
    ]


def test_job_without_data_is_refused(opt_ml: OptMl) -> None:
    """A job without training data fails and creates no model directory."""
    with pytest.raises(TrainingDataError, match=r"^The channel training \(or train\) has no data"):
        job.run(Notes(), Paths(opt_ml.base))

    assert not opt_ml.model.exists()
