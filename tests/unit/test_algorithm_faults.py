"""Mistakes in a user's algorithm.py: the sentence that the job ends with, and the log."""

import importlib.util
from pathlib import Path

import pytest

from container.errors import AlgorithmError, TrainingDataError
from container.paths import Paths
from container.training import contract, job
from support.material import OptMl

ALGORITHM = '''\
"""Algorithm that ends well."""
from container.training import InputOptions, TrainingDataError
class Hyperparameters(InputOptions):
    """None."""
def fit(table, chosen):
    return "model"
def evaluate(model, table):
    return {"accuracy": 1.0}
def describe(model):
    return {}
def save(model, directory, table, record):
    (directory / "model.txt").write_text(model)
'''
LINE = ALGORITHM.count("\n") + 1


def run(opt_ml: OptMl, tmp_path: Path, addition: str = "") -> None:
    """Run a job with algorithm.py and an addition to it, as `train` does."""
    opt_ml.write("a.csv", "a,1\nb,2\n")
    file = tmp_path / "algorithm.py"
    file.write_text(f"{ALGORITHM}{addition}\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("algorithm_of_a_user", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with contract.faults_named():
        spec.loader.exec_module(module)
        job.run(module, Paths(opt_ml.base))


def test_algorithm_without_annotations_trains(opt_ml: OptMl, tmp_path: Path) -> None:
    """The contract is about names and arguments only."""
    run(opt_ml, tmp_path)

    assert (opt_ml.model / "model.txt").read_text() == "model"


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("del evaluate", "algorithm.py has no function evaluate(model, table); define it."),
        (
            "def describe(model, other): return {}",
            (
                "describe of algorithm.py cannot be called as describe(model); define it with "
                "these arguments."
            ),
        ),
        (
            "Hyperparameters = dict",
            (
                "algorithm.py has no class Hyperparameters(InputOptions); define it, if only to "
                "hold a docstring."
            ),
        ),
        (
            "def evaluate(model, table): return None",
            (
                "evaluate of algorithm.py returned None; it must return a dictionary of numbers by "
                "name."
            ),
        ),
        (
            "def describe(model): return {'a': 'b'}",
            (
                "describe of algorithm.py returned {'a': 'b'}; it must return a dictionary of "
                "numbers by name."
            ),
        ),
        (
            "def f(:",
            f"algorithm.py, line {LINE}, is not valid Python (invalid syntax); correct it.",
        ),
        (
            "import no_such_package",
            (
                f"algorithm.py, line {LINE}, needs the package no_such_package, which is not "
                "installed; add it to requirements/train.in and build the image again."
            ),
        ),
        *(
            (
                f"def {call}: raise KeyError('x')",
                (
                    f"algorithm.py, line {LINE}, raised KeyError: 'x'; correct it, its "
                    "traceback is in the log."
                ),
            )
            for call in (
                *("fit(table, chosen)", "evaluate(model, table)", "describe(model)"),
                "save(model, directory, table, record)",
            )
        ),
        (
            "def fit(table, chosen): open('/no/such/file')",
            (
                f"algorithm.py, line {LINE}, raised FileNotFoundError: [Errno 2] No such file or "
                "directory: '/no/such/file'; correct it, its traceback is in the log."
            ),
        ),
    ],
)
def test_mistake_is_named_with_its_line(
    opt_ml: OptMl, tmp_path: Path, addition: str, message: str
) -> None:
    """The message says what is wrong in which line; the owner of the job can correct it."""
    with pytest.raises(AlgorithmError) as caught:
        run(opt_ml, tmp_path, addition)

    assert str(caught.value) == message
    assert caught.value.exit_code == 65
    assert not list(opt_ml.model.glob("*"))


def test_log_has_the_traceback_of_the_algorithm_only(
    opt_ml: OptMl, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It begins in algorithm.py, and not with the functions that called it."""
    with pytest.raises(AlgorithmError):
        run(opt_ml, tmp_path, "def fit(table, chosen): 1 / 0")

    (text,) = (record.exc_text for record in caplog.records if record.exc_text)
    assert text.count('  File "') == 1
    assert f'algorithm.py", line {LINE}, in fit' in text


@pytest.mark.parametrize("error", [MemoryError, TrainingDataError, PermissionError])
def test_other_errors_are_no_mistake_of_the_algorithm(
    opt_ml: OptMl, tmp_path: Path, error: type[Exception]
) -> None:
    """The memory, the permissions and the data keep their own message."""
    raised = "PermissionError(13, 'no')" if error is PermissionError else f"{error.__name__}('no')"

    with pytest.raises(error):
        run(opt_ml, tmp_path, f"def fit(table, chosen): raise {raised}")
