"""Forks by one file: with their algorithm.py in place of ours, the contract holds all the same."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from container.data.table import Table
from container.errors import UserError
from container.hyperparameters import specification
from fork.forks import FORKS, Fork, check_trained
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
    """A copy of the program with the files of a fork, and its job, done."""

    fork: Fork
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
    """Where mypy keeps what it has found out."""
    return tmp_path_factory.mktemp("mypy")


def types(program: Path, cache: Path) -> Ended:
    """Hold the types of a clone against each other, as the tests of this repository do."""
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


@pytest.fixture(scope="module", params=FORKS, ids=lambda fork: fork.name)
def clone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Each fork in turn, with its job done; tests must not change it."""
    fork: Fork = request.param
    directory = tmp_path_factory.mktemp(fork.name)
    program, opt_ml = fork.clone(directory), OptMl(directory / "ml")
    fork.write_job(opt_ml)
    return Clone(fork, program, opt_ml, run(program / "train", opt_ml))


@pytest.fixture(scope="module")
def server(clone: Clone) -> Iterator[Server]:
    """The `serve` of the clone, ready."""
    port = free_port()
    variables = {"MODEL_SERVER_WORKERS": "1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    server = Server(start(clone.program / "serve", clone.opt_ml, **variables), port)
    try:
        server.await_ready()
        yield server
    finally:
        assert server.stop().code == 0


def test_fork_is_nothing_but_the_files_to_edit() -> None:
    """A fork replaces algorithm.py, and predictor.py where its model is no ONNX graph."""
    written = {fork.name: [file.name for file in fork.files] for fork in FORKS}

    assert written.pop("other_format") == ["algorithm.py", "predictor.py"]
    assert set(map(tuple, written.values())) == {("algorithm.py",)}


def test_fork_has_the_types_that_the_container_takes(clone: Clone, cache: Path) -> None:
    """Mypy finds nothing wrong with its files, nor with how `train` hands them on."""
    assert types(clone.program, cache) == Ended(0, "Success: no issues found in 3 source files\n")


def test_what_a_fork_has_forgotten_is_named(tmp_path: Path, cache: Path) -> None:
    """Without one of the functions mypy says which it is."""
    program = FORKS[0].clone(tmp_path)
    file = program / "algorithm.py"
    source = file.read_text(encoding="utf-8")
    file.write_text(source.replace("def describe(", "def descibe("), encoding="utf-8")

    ended = types(program, cache)

    assert ended.code != 0
    assert "train:" in ended.log
    assert "describe" in ended.log


def test_fork_trains(clone: Clone) -> None:
    """Its job ends well, with its artifact, its metrics in a file, and the same in the log."""
    assert clone.ended.code == 0, clone.ended.log
    check_trained(clone.fork, clone.opt_ml, clone.ended.log)


def test_fork_serves_what_its_estimator_answers(clone: Clone, server: Server) -> None:
    """Labels and probabilities, or scores, are those of `fit` itself, in CSV and in JSON."""
    clone.fork.check_answers(server)


def test_fork_answers_or_refuses_a_missing_cell(clone: Clone, server: Server) -> None:
    """A model that takes missing cells answers; for another one the caller is told."""
    n_features = clone.fork.table().features.shape[1]
    reply = server.invoke("," * (n_features - 1) + "\n")

    assert reply.status == (200 if clone.fork.takes_missing else 400), reply.body
    assert clone.fork.takes_missing or "missing" in reply.json()["message"]


def test_fork_refuses_hyperparameters(clone: Clone, opt_ml: OptMl) -> None:
    """A value that is out of range and a name that is unknown are told, with the remedy."""
    clone.fork.write_job(opt_ml, **clone.fork.wrong)

    ended = clone.train(opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert opt_ml.failure.read_text(encoding="utf-8") == clone.fork.refusal
    assert not opt_ml.model.exists()


def test_fork_tells_of_bad_data(clone: Clone, opt_ml: OptMl) -> None:
    """A cell that is no number is named, and no model is left."""
    opt_ml.write("rows.csv", "1,2.5,3\n2,oops,4\n1,3.5,5\n")

    ended = clone.train(opt_ml)

    failure = opt_ml.failure.read_text(encoding="utf-8")
    assert ended.code == UserError.exit_code, ended.log
    assert "oops" in failure
    assert "rows.csv" in failure
    assert not opt_ml.model.exists()


@pytest.mark.parametrize("argument", ["--help", "--schema"])
def test_fork_tells_of_its_hyperparameters(clone: Clone, tmp_path: Path, argument: str) -> None:
    """The help and the schema are those of its own declaration."""
    done = subprocess.run(
        [clone.program / "train", argument],
        env=environment(OptMl(tmp_path)),
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )

    declared = clone.fork.algorithm.Hyperparameters
    assert (done.returncode, done.stderr) == (0, "")
    if argument == "--help":
        assert done.stdout == specification.help_text(declared)
    else:
        names = [one["Name"] for one in json.loads(done.stdout)]
        assert set(clone.fork.given) <= set(names)
        assert names == list(declared.__dataclass_fields__)


def test_fork_passes_the_selftest(clone: Clone, tmp_path: Path) -> None:
    """The selftest makes rows for the task of the fork, so that its author can run it."""
    variables = environment(OptMl(tmp_path))
    variables["PATH"] = f"{clone.program}{os.pathsep}{variables['PATH']}"

    done = subprocess.run(
        [clone.program / "selftest"],
        env=variables,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )

    assert done.returncode == 0, done.stdout
    assert f"by default {clone.fork.task}\n" in done.stdout


def test_pipeline_tells_of_labels_that_are_all_the_same(tmp_path: Path, opt_ml: OptMl) -> None:
    """What scikit-learn refuses is the data's fault, so the failure file says its words."""
    fork = next(fork for fork in FORKS if fork.name == "pipeline")
    opt_ml.write("rows.csv", "1,2.5,3\n1,3,4\n1,3.5,5\n")

    ended = run(fork.clone(tmp_path) / "train", opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert "scikit-learn refuses these rows: " in opt_ml.failure.read_text(encoding="utf-8")


def test_window_is_a_kernel_density_of_each_label() -> None:
    """The model of the other format gives what scikit-learn's KernelDensity gives."""
    fork = next(fork for fork in FORKS if fork.name == "other_format")
    table = fork.table()
    whole = Table(np.nan_to_num(table.features), table.labels)
    window = fork.algorithm.fit(whole, fork.algorithm.Hyperparameters(bandwidth=0.7))

    found = window.probabilities(whole.features)

    groups = [whole.features[whole.labels == label] for label in window.labels]
    logs = [KernelDensity(bandwidth=0.7).fit(rows).score_samples(whole.features) for rows in groups]
    densities = np.exp(logs).T * [len(rows) for rows in groups]
    np.testing.assert_allclose(found, densities / densities.sum(axis=1)[:, None], atol=1e-6)
