"""The forks of this folder, and what each of them must do: as processes, and in an image."""

import importlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from container.data.table import Table
from container.hyperparameters import loader
from support.material import PROGRAM_DIR, OptMl, as_csv
from support.processes import Endpoint

FOLDER = Path(__file__).resolve().parent
ONNX = ("model.json", "model.onnx")


@dataclass(frozen=True)
class Fork:
    """One fork, a job for it, and what comes of that."""

    name: str
    given: Mapping[str, str]
    """The hyperparameters of the job."""

    wrong: Mapping[str, str]
    """Hyperparameters that it refuses."""

    refusal: str
    """What is said of them."""

    metrics: Sequence[str]
    """What it prints of the training rows."""

    artifact: Sequence[str] = ONNX
    task: str = "classification"
    takes_missing: bool = False

    @property
    def files(self) -> list[Path]:
        """What its author has written."""
        return sorted((FOLDER / self.name).glob("*.py"))

    @property
    def algorithm(self) -> Any:
        """Its module algorithm.py."""
        return importlib.import_module(f"fork.{self.name}.algorithm")

    def clone(self, directory: Path) -> Path:
        """Copy the program, with the files of the fork in place of ours; return its folder."""
        ignored = shutil.ignore_patterns("__pycache__", "requirements")
        program = Path(shutil.copytree(PROGRAM_DIR, directory / "program", ignore=ignored))
        for file in self.files:
            shutil.copy(file, program)
        return program

    def table(self) -> Table:
        """Return the rows of its job: flowers by name, or a quantity of them."""
        iris = load_iris()
        features = iris.data.astype(np.float32)
        if self.takes_missing:
            features[np.random.default_rng(0).random(features.shape) < 0.1] = np.nan
        if self.task == "regression":
            return Table(features[:, :3], iris.data[:, 3] * iris.data[:, 0])
        return Table(features, iris.target_names[iris.target])

    def write_job(self, opt_ml: OptMl, **changed: str) -> None:
        """Write the data and the hyperparameters of its job."""
        table = self.table()
        cells = (_cells(row) for row in table.features)
        rows = ([label, *row] for label, row in zip(table.labels.tolist(), cells, strict=True))
        opt_ml.write("rows.csv", as_csv(rows))
        opt_ml.write_hyperparameters({**self.given, **changed})

    def model(self) -> Any:
        """Return what its `fit` learns in that job."""
        declared = self.algorithm.Hyperparameters
        return self.algorithm.fit(self.table(), loader.parse(self.given, declared))

    def check_answers(self, endpoint: Endpoint) -> None:
        """Hold what the endpoint answers, in CSV and in JSON, against its model."""
        features = self.table().features
        body = as_csv(_cells(row) for row in features)
        if self.task == "regression":
            self._check_scores(endpoint, body, self.model().predict(features))
        else:
            self._check_probabilities(endpoint, body, *self._right(features))

    def _right(self, features: NDArray[np.float32]) -> tuple[list[Any], NDArray[Any]]:
        """Return the labels that the model knows, and their probabilities."""
        model = self.model()
        if hasattr(model, "predict_proba"):
            return model.classes_.tolist(), model.predict_proba(features)
        return model.labels, model.probabilities(features)

    def _check_scores(self, endpoint: Endpoint, body: str, right: NDArray[np.float64]) -> None:
        answers = _json(endpoint, body, "predicted_score")
        found = [answer["predicted_score"] for answer in answers]
        lines = endpoint.invoke(body).lines()

        np.testing.assert_allclose(found, right, atol=1e-5)
        assert [float(line) for line in lines] == found

    def _check_probabilities(
        self, endpoint: Endpoint, body: str, labels: list[Any], right: NDArray[Any]
    ) -> None:
        answers = _json(endpoint, body, "predicted_label+probabilities")
        lines = endpoint.invoke(body).lines()

        found = [answer["probabilities"] for answer in answers]
        np.testing.assert_allclose(found, right, atol=1e-5)
        expected = [labels[index] for index in right.argmax(axis=1)]
        assert [answer["predicted_label"] for answer in answers] == expected
        assert lines == expected


def check_trained(fork: Fork, opt_ml: OptMl, log: str) -> None:
    """Hold the artifact, the metrics and the log of its job against what it promises."""
    printed = dict(re.findall(r" train:(\w+)=([^;]+);", log))
    written = json.loads(opt_ml.metrics.read_text(encoding="utf-8"))["train"]

    assert sorted(file.name for file in opt_ml.model.iterdir()) == sorted(fork.artifact)
    assert set(printed) == set(written) == {*fork.metrics, "rows", "seconds"}
    assert all(f"{written[name]:.6g}" == value for name, value in printed.items())
    assert not opt_ml.failure.exists()


def _json(endpoint: Endpoint, body: str, outputs: str) -> list[dict[str, Any]]:
    headers = {"Content-Type": "text/csv", "Accept": f"application/json;output={outputs}"}
    reply = endpoint.request("/invocations", body, headers)
    assert reply.status == 200, reply.body
    answers: list[dict[str, Any]] = reply.json()["predictions"]
    return answers


def _cells(row: NDArray[np.float32]) -> list[object]:
    return ["" if np.isnan(cell) else float(cell) for cell in row]


FORKS = (
    Fork(
        "random_forest",
        {"n_estimators": "20", "max_depth": "4", "max_features": "0.5"},
        {"n_estimators": "0", "max_dept": "4"},
        "The hyperparameter 'n_estimators' is '0'; it must be a whole number from 1 to 10000. "
        "The hyperparameter 'max_dept' is unknown; did you mean 'max_depth'?",
        ["score", "leaves"],
    ),
    Fork(
        "pipeline",
        {"strategy": "median", "C": "0.5"},
        {"strategy": "mode", "task": "regression"},
        "The hyperparameter 'strategy' is 'mode'; "
        "it must be mean, median or most_frequent. "
        "The hyperparameter 'task' is 'regression'; it must be classification.",
        ["accuracy", "log_loss", "steps"],
        takes_missing=True,
    ),
    Fork(
        "gradient_boosting",
        {"n_estimators": "30", "learning_rate": "0.3"},
        {"learning_rate": "fast"},
        "The hyperparameter 'learning_rate' is 'fast'; it must be a number above 0 up to 1.",
        ["rmse", "r2", "trees"],
        task="regression",
    ),
    Fork(
        "other_format",
        {"bandwidth": "0.5"},
        {"bandwidth": "0"},
        "The hyperparameter 'bandwidth' is '0'; it must be a number above 0.",
        ["accuracy", "kept_rows"],
        artifact=["arrays.npz", "window.json"],
        takes_missing=True,
    ),
)
