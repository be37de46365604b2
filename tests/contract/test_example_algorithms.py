"""The algorithms of examples/algorithms/, copied into a clone: training, serving, messages."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KernelDensity

from container.data.table import Table
from container.errors import UserError
from container.hyperparameters import specification
from support.example_algorithms import EXAMPLES, Example, check_trained
from support.material import ROOT, OptMl
from support.processes import (
    DEADLINE_SECONDS,
    Ended,
    Server,
    environment,
    free_port,
    start,
    wait_for,
)


@dataclass(frozen=True)
class Clone:
    """A copy of the program with the files of an example, whose job is done."""

    example: Example
    program: Path
    opt_ml: OptMl
    ended: Ended

    def train(self, opt_ml: OptMl) -> Ended:
        """Run its `train` to the end."""
        return run(self.program / "train", opt_ml)


def run(program: Path, opt_ml: OptMl) -> Ended:
    """Run a program to its end."""
    return wait_for(start(program, opt_ml))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of mypy."""
    return tmp_path_factory.mktemp("mypy")


def types(program: Path, cache: Path) -> Ended:
    """Check the types of a clone, as tests/run.sh does."""
    files = ["train", "algorithm.py", "predictor.py"]
    options = [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={cache}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files],
        cwd=program,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Ended(done.returncode, done.stdout)


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda example: example.name)
def clone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Each example, with its job done; tests must not change it."""
    example: Example = request.param
    directory = tmp_path_factory.mktemp(example.name)
    program, opt_ml = example.clone(directory), OptMl(directory / "ml")
    example.write_job(opt_ml)
    return Clone(example, program, opt_ml, run(program / "train", opt_ml))


@contextmanager
def served(program: Path, opt_ml: OptMl) -> Iterator[Server]:
    """Yield the `serve` of a clone, ready."""
    port = free_port()
    variables = {"MODEL_SERVER_WORKERS": "1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    server = Server(start(program / "serve", opt_ml, **variables), port)
    try:
        server.await_ready()
        yield server
    finally:
        assert server.stop().code == 0


@pytest.fixture(scope="module")
def server(clone: Clone) -> Iterator[Server]:
    """The `serve` of the clone, ready."""
    with served(clone.program, clone.opt_ml) as server:
        yield server


def test_example_has_only_the_files_to_edit() -> None:
    """An example replaces algorithm.py, and predictor.py if its model is not ONNX."""
    written = {example.name: [file.name for file in example.files] for example in EXAMPLES}

    assert written.pop("other_format") == ["algorithm.py", "predictor.py"]
    assert set(map(tuple, written.values())) == {("algorithm.py",)}


def test_example_has_the_types_of_the_contract(clone: Clone, cache: Path) -> None:
    """Mypy accepts its files, and the call of the training job in `train`."""
    assert types(clone.program, cache) == Ended(0, "Success: no issues found in 3 source files\n")


def test_mypy_names_a_missing_function(tmp_path: Path, cache: Path) -> None:
    """If algorithm.py lacks one of the functions, mypy names it."""
    program = EXAMPLES[0].clone(tmp_path)
    file = program / "algorithm.py"
    source = file.read_text(encoding="utf-8")
    file.write_text(source.replace("def describe(", "def descibe("), encoding="utf-8")

    ended = types(program, cache)

    assert ended.code != 0
    assert "train:" in ended.log
    assert "describe" in ended.log


def test_example_trains(clone: Clone) -> None:
    """Its job succeeds and writes the artifact; metrics.json and the log have the metrics."""
    assert clone.ended.code == 0, clone.ended.log
    check_trained(clone.example, clone.opt_ml, clone.ended.log)


def test_example_serves_the_predictions_of_its_model(clone: Clone, server: Server) -> None:
    """Labels and probabilities, or scores, are those of the model, in CSV and in JSON."""
    clone.example.check_answers(server)


def test_example_predicts_or_rejects_a_missing_cell(clone: Clone, server: Server) -> None:
    """A model that accepts missing cells predicts; otherwise the reply is 400 with the reason."""
    n_features = clone.example.table().features.shape[1]
    reply = server.invoke("," * (n_features - 1) + "\n")

    assert reply.status == (200 if clone.example.takes_missing else 400), reply.body
    assert clone.example.takes_missing or "missing" in reply.json()["message"]


def test_example_rejects_wrong_hyperparameters(clone: Clone, opt_ml: OptMl) -> None:
    """The failure file names a value out of range and an unknown name, with the remedy."""
    clone.example.write_job(opt_ml, **clone.example.wrong)

    ended = clone.train(opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert opt_ml.failure.read_text(encoding="utf-8") == clone.example.refusal
    assert not opt_ml.model.exists()


def test_example_rejects_bad_data(clone: Clone, opt_ml: OptMl) -> None:
    """The failure file names the cell, and there is no model."""
    opt_ml.write("rows.csv", "1,2.5,3\n2,oops,4\n1,3.5,5\n")

    ended = clone.train(opt_ml)

    failure = opt_ml.failure.read_text(encoding="utf-8")
    assert ended.code == UserError.exit_code, ended.log
    assert "oops" in failure
    assert "rows.csv" in failure
    assert not opt_ml.model.exists()


@pytest.mark.parametrize("argument", ["--help", "--schema"])
def test_example_describes_its_hyperparameters(clone: Clone, tmp_path: Path, argument: str) -> None:
    """The help and the schema are made from its declaration."""
    done = subprocess.run(
        [clone.program / "train", argument],
        env=environment(OptMl(tmp_path)),
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )

    declared = clone.example.algorithm.Hyperparameters
    assert (done.returncode, done.stderr) == (0, "")
    if argument == "--help":
        assert done.stdout == specification.help_text(declared)
    else:
        names = [one["Name"] for one in json.loads(done.stdout)]
        assert set(clone.example.given) <= set(names)
        assert names == list(declared.model_fields)


def selftest(program: Path, opt_ml: OptMl) -> subprocess.CompletedProcess[str]:
    """Run the selftest of a clone."""
    variables = environment(opt_ml)
    variables["PATH"] = f"{program}{os.pathsep}{variables['PATH']}"
    return subprocess.run(
        [program / "selftest"],
        env=variables,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def test_example_passes_the_selftest(clone: Clone, opt_ml: OptMl) -> None:
    """The selftest trains and serves the example with rows for its default task."""
    done = selftest(clone.program, opt_ml)

    assert done.returncode == 0, done.stdout
    assert "by default classification\n" in done.stdout


def test_selftest_makes_rows_for_an_algorithm_of_regression(tmp_path: Path, opt_ml: OptMl) -> None:
    """If the default task is regression, the labels of the rows are numbers."""
    program = EXAMPLES[0].clone(tmp_path)
    file = program / "algorithm.py"
    source = file.read_text(encoding="utf-8").replace("default=100", "default=5")
    file.write_text(
        f"{source}\n"
        "Classification = Hyperparameters\n"
        "class Hyperparameters(Classification):\n"
        "    task: Literal['regression'] = 'regression'\n"
    )

    done = selftest(program, opt_ml)

    assert done.returncode == 0, done.stdout
    assert "by default regression\n" in done.stdout


def test_pipeline_rejects_labels_that_are_all_the_same(tmp_path: Path, opt_ml: OptMl) -> None:
    """An error of scikit-learn about the data is in the failure file."""
    example = next(example for example in EXAMPLES if example.name == "pipeline")
    opt_ml.write("rows.csv", "1,2.5,3\n1,3,4\n1,3.5,5\n")

    ended = run(example.clone(tmp_path) / "train", opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert "scikit-learn rejected the rows: " in opt_ml.failure.read_text(encoding="utf-8")


@pytest.mark.parametrize("n_trees", [20, 40])
def test_forest_with_tied_votes_is_served_with_the_labels_of_scikit_learn(
    tmp_path: Path, opt_ml: OptMl, n_trees: int
) -> None:
    """Votes of trees of unlimited depth are tied often; the first label wins, as in `predict`."""
    example = next(example for example in EXAMPLES if example.name == "random_forest")
    rows = np.array([[7, 9, 2, 2, 7, 8, 5, 1, 8, 5, 1, 1]], dtype=np.float32).T
    labels = [0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0]
    pairs = zip(labels, rows[:, 0].astype(int), strict=True)
    opt_ml.write("rows.csv", "".join(f"{label},{cell}\n" for label, cell in pairs))
    opt_ml.write_hyperparameters({"n_estimators": str(n_trees)})
    program = example.clone(tmp_path)
    forest = RandomForestClassifier(n_trees, random_state=0).fit(rows, labels)
    asked = np.arange(0, 10, 0.125, dtype=np.float32)[:, np.newaxis]
    probabilities = forest.predict_proba(asked)

    ended = run(program / "train", opt_ml)
    with served(program, opt_ml) as server:
        body = "".join(f"{cell!r}\n" for cell in asked[:, 0].tolist())
        answers = server.invoke(body).body.decode().split()
        alone = [server.invoke(line).body.decode().strip() for line in body.splitlines()]

    assert ended.code == 0, ended.log
    assert (np.abs(probabilities[:, 0] - 0.5) < 1e-9).any()
    assert answers == alone == forest.predict(asked).astype(str).tolist()


def test_window_is_a_kernel_density_of_each_label() -> None:
    """The model of other_format has the densities of scikit-learn's KernelDensity."""
    example = next(example for example in EXAMPLES if example.name == "other_format")
    table = example.table()
    whole = Table(np.nan_to_num(table.features), table.labels)
    window = example.algorithm.fit(whole, example.algorithm.Hyperparameters(bandwidth=0.7))

    found = window.probabilities(whole.features)

    groups = [whole.features[whole.labels == label] for label in window.labels]
    logs = [KernelDensity(bandwidth=0.7).fit(rows).score_samples(whole.features) for rows in groups]
    densities = np.exp(logs).T * [len(rows) for rows in groups]
    np.testing.assert_allclose(found, densities / densities.sum(axis=1)[:, None], atol=1e-6)
