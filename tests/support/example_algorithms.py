"""The algorithms of examples/algorithms/: a job for each, and checks of its results."""

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from container.data.table import Table
from container.hyperparameters import loader
from support.material import PROGRAM_DIR, ROOT, LabelledRows, OptMl, as_csv
from support.processes import Endpoint

FOLDER = ROOT / "examples/algorithms"
ONNX = ("model.json", "model.onnx")


@dataclass(frozen=True)
class Example:
    """One algorithm, a job for it, and the expected results."""

    name: str
    given: Mapping[str, str]
    """Hyperparameters of the job."""

    wrong: Mapping[str, str]
    """Hyperparameters that it rejects."""

    refusal: str
    """The message about them."""

    metrics: Sequence[str]
    """The metrics of the training rows."""

    artifact: Sequence[str] = ONNX
    task: str = "classification"
    takes_missing: bool = False

    @property
    def files(self) -> list[Path]:
        """The files to copy."""
        return sorted((FOLDER / self.name).glob("*.py"))

    @cached_property
    def algorithm(self) -> Any:
        """Its module algorithm.py."""
        name = f"example_{self.name}"
        spec = importlib.util.spec_from_file_location(name, FOLDER / self.name / "algorithm.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def copy_to(self, program: Path) -> None:
        """Copy its files over those of a program, as its README says."""
        for file in self.files:
            shutil.copy(file, program)

    def clone(self, directory: Path) -> Path:
        """Return the folder of a copy of the program that has this algorithm."""
        ignored = shutil.ignore_patterns("__pycache__", "requirements", "trees")
        program = Path(shutil.copytree(PROGRAM_DIR, directory / "program", ignore=ignored))
        self.copy_to(program)
        return program

    def table(self) -> Table:
        """Return the rows of its job: flowers by name, or a product of two of their sizes."""
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
        """Return the model that its `fit` returns for that job."""
        declared = self.algorithm.Hyperparameters
        return self.algorithm.fit(self.table(), loader.parse(self.given, declared))

    def check_answers(self, endpoint: Endpoint) -> None:
        """Compare the predictions of an endpoint, in CSV and in JSON, with those of its model."""
        features = self.table().features
        body = as_csv(_cells(row) for row in features)
        if self.task == "regression":
            self._check_scores(endpoint, body, self.model().predict(features))
        else:
            probabilities = _labels_and_probabilities(self.model(), features)
            self._check_probabilities(endpoint, body, *probabilities)

    def default_labels(self, iris: LabelledRows) -> list[str]:
        """Return the labels of the flowers, of a model that is learnt without hyperparameters."""
        table = Table(iris.features.astype(np.float32), np.array(iris.labels))
        model = self.algorithm.fit(table, self.algorithm.Hyperparameters())
        labels, probabilities = _labels_and_probabilities(model, table.features)
        return [labels[index] for index in probabilities.argmax(axis=1)]

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


def _labels_and_probabilities(
    model: Any, features: NDArray[np.float32]
) -> tuple[list[Any], NDArray[Any]]:
    """Return the labels of a model, and their probabilities for each row."""
    if hasattr(model, "predict_proba"):
        return model.classes_.tolist(), model.predict_proba(features)
    return model.labels, model.probabilities(features)


def check_trained(example: Example, opt_ml: OptMl, log: str) -> None:
    """Check the artifact, the metrics and the log of its job."""
    printed = dict(re.findall(r" train:(\w+)=([^;]+);", log))
    written = json.loads(opt_ml.metrics.read_text(encoding="utf-8"))["train"]

    assert sorted(file.name for file in opt_ml.model.iterdir()) == sorted(example.artifact)
    assert set(printed) == set(written) == {*example.metrics, "rows", "seconds"}
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


EXAMPLES = (
    Example(
        "random_forest",
        {"n_estimators": "20", "max_depth": "4", "max_features": "0.5"},
        {"n_estimators": "0", "max_dept": "4"},
        "The hyperparameter 'n_estimators' is '0'; it must be a whole number from 1 to 10000. "
        "The hyperparameter 'max_dept' is unknown; did you mean 'max_depth'?",
        ["score", "leaves"],
        takes_missing=True,
    ),
    Example(
        "pipeline",
        {"strategy": "median", "C": "0.5"},
        {"strategy": "mode", "task": "regression"},
        "The hyperparameter 'strategy' is 'mode'; "
        "it must be mean, median or most_frequent. "
        "The hyperparameter 'task' is 'regression'; it must be classification.",
        ["accuracy", "log_loss", "steps"],
        takes_missing=True,
    ),
    Example(
        "gradient_boosting",
        {"task": "regression", "n_estimators": "30", "learning_rate": "0.3"},
        {"learning_rate": "fast"},
        "The hyperparameter 'learning_rate' is 'fast'; it must be a number above 0 up to 1.",
        ["rmse", "r2", "trees"],
        task="regression",
    ),
    Example(
        "other_format",
        {"bandwidth": "0.5"},
        {"bandwidth": "0"},
        "The hyperparameter 'bandwidth' is '0'; it must be a number above 0.",
        ["accuracy", "kept_rows"],
        artifact=["arrays.npz", "window.json"],
        takes_missing=True,
    ),
)
