"""Which module may import which, and that importing does nothing."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.settings import PROGRAM_DIR
from processes import python

FLASK = {"endpoint.py", "hosting.py", "predictor.py", "shortcut.py", "wsgi.py"}
STDLIB = sys.stdlib_module_names
SOURCES = sorted(PROGRAM_DIR.rglob("*.py"))
MODULES = [
    ".".join(file.relative_to(PROGRAM_DIR).with_suffix("").parts).removesuffix(".__init__")
    for file in SOURCES
]
PROGRAMS = [PROGRAM_DIR / name for name in ("train", "serve", "selftest")]
OWN = {module.split(".")[0] for module in MODULES}


def imported(file: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def is_below(name: str, allowed: set[str]) -> bool:
    """Say whether a full name is one of `allowed`, or in one of them."""
    return any(name == other or name.startswith(f"{other}.") for other in allowed)


def foreign(file: Path, allowed: set[str]) -> list[str]:
    """Return what a file imports beside the standard library and `allowed`."""
    return [
        name
        for name in imported(file)
        if name.split(".")[0] not in STDLIB and not is_below(name, allowed)
    ]


@pytest.mark.parametrize("file", SOURCES, ids=MODULES)
def test_module_imports_only_what_its_layer_may(file: Path) -> None:
    """The container knows no algorithm, the artifact no container, the algorithm no server."""
    layers = {
        "container": {"container", "numpy", "werkzeug.http"},
        "container/admission.py": {"container", "gevent"},
        "container/decoders/parquet.py": {"container", "numpy", "pyarrow"},
        "container/endpoint.py": {"container", "flask", "werkzeug.exceptions"},
        "container/formats/aialgs.py": {"google"},
        "container/formats/parquet.py": {"container", "numpy", "pyarrow"},
        "container/formats/recordio.py": {"container", "numpy", "google"},
        "container/numbers.py": {"container", "numpy", "simdjson"},
        "container/offload.py": {"container", "gevent"},
        "container/scripts/code.py": {"container", "boto3", "botocore"},
        "container/scripts/hosting.py": {"container", "flask.Flask"},
        "container/scripts/hosting_thread.py": {"container", "gevent"},
        "container/scripts/hosting_worker.py": {"container", "gevent"},
        "container/shortcut.py": {"container", "flask"},
        "container/sources.py": {"container", "pyarrow"},
        "container/workers.py": {"container", "gevent", "gunicorn"},
        "artifact": {"artifact", "numpy"},
        "algorithm.py": {"artifact.export", "container", "histogram", "numpy", "sklearn"},
        "histogram": {"container", "histogram", "numpy", "sklearn"},
        "histogram/collective.py": {"container", "xgboost"},
        "histogram/growth.py": {"container", "histogram", "numpy", "xgboost"},
        "histogram/refusals.py": {"xgboost"},
        "gunicorn_master.py": {"artifact.model", "container", "gunicorn.app.wsgiapp", "wsgi"},
        "predictor.py": {"artifact", "container", "flask.Flask", "numpy"},
        "wsgi.py": {"artifact.estimator", "container", "flask.Flask", "predictor"},
        "artifact/export.py": {"artifact", "numpy", "onnx", "skl2onnx"},
        "artifact/session.py": {"onnxruntime"},
        "artifact/tree_graph.py": {"artifact", "numpy", "onnx"},
    }
    path = file.relative_to(PROGRAM_DIR)
    allowed = layers.get(str(path)) or layers[path.parts[0]]

    assert not foreign(file, allowed)


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.name)
def test_program_imports_only_the_container_and_the_algorithm(file: Path) -> None:
    """A program joins the layers and does nothing else."""
    allowed = {
        "train": {"algorithm", "container"},
        "serve": {"container.serving"},
        "selftest": {"container.selftest"},
    }

    assert not foreign(file, allowed[file.name])


@pytest.mark.parametrize(
    "file", [*SOURCES, *PROGRAMS], ids=[*MODULES, *(file.name for file in PROGRAMS)]
)
def test_module_leaves_the_servers_to_the_endpoint(file: Path) -> None:
    """Flask is for those that make the app, gunicorn for its master and its workers."""
    names = {name.split(".")[0] for name in imported(file)}

    assert ("gunicorn" in names) == (file.name in {"gunicorn_master.py", "workers.py"})
    assert ("flask" in names) == (file.name in FLASK)


def test_no_module_hides_one_of_the_standard_library() -> None:
    """A module named like one of Python's own would be imported in its place."""
    assert {"algorithm", "predictor", "container", "artifact"} <= OWN
    assert OWN.isdisjoint(STDLIB)


@pytest.mark.parametrize("module", [module for module in MODULES if module != "wsgi"])
def test_importing_a_module_does_nothing(module: str) -> None:
    """An import prints nothing, warns of nothing, and sets up no process, signal or log."""
    ended = python(
        "import logging, multiprocessing, signal\n"
        "before = [signal.getsignal(number) for number in signal.valid_signals()]\n"
        f"import {module}\n"
        "assert before == [signal.getsignal(number) for number in signal.valid_signals()]\n"
        "assert not logging.getLogger().handlers\n"
        "assert not multiprocessing.active_children()\n"
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        (
            "import predictor",
            "sklearn scipy xgboost pandas skl2onnx onnx joblib pyarrow google.protobuf",
        ),
        ("import wsgi", "sklearn scipy xgboost pandas skl2onnx onnx joblib pyarrow"),
        ("from artifact import model", "sklearn scipy skl2onnx onnx onnxruntime flask container"),
        (
            "from container import serving",
            "numpy flask werkzeug gevent gunicorn onnxruntime artifact predictor",
        ),
        ("from container import job", "numpy flask onnxruntime sklearn artifact algorithm"),
        (
            "from container import training",
            "pyarrow google.protobuf flask onnxruntime sklearn artifact algorithm",
        ),
        ("import algorithm", "flask gunicorn gevent predictor xgboost skl2onnx"),
    ],
)
def test_import_leaves_out_what_is_not_needed(statement: str, absent: str) -> None:
    """What is heavy, or belongs to another side, is not even loaded."""
    ended = python(f"{statement}\nimport sys\nprint(*sys.modules)")

    assert ended.returncode == 0, ended.stderr
    assert set(absent.split()).isdisjoint(ended.stdout.split())


def test_places_to_edit_are_marked_in_the_files_to_edit() -> None:
    """The mark YOURS is in algorithm.py and predictor.py, and in no file that is to be kept."""
    mark = "# YOURS:"
    marked = {file for file in [*SOURCES, *PROGRAMS] if mark in file.read_text(encoding="utf-8")}

    assert marked == {PROGRAM_DIR / "algorithm.py", PROGRAM_DIR / "predictor.py"}
