"""Layers of the packages, and modules without side effects during import."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from container.paths import PROGRAM_DIR
from support.processes import python

STDLIB = sys.stdlib_module_names
SOURCES = sorted(PROGRAM_DIR.rglob("*.py"))
MODULES = {
    ".".join(file.relative_to(PROGRAM_DIR).with_suffix("").parts).removesuffix(".__init__"): file
    for file in SOURCES
}
PROGRAMS = [PROGRAM_DIR / name for name in ("train", "serve", "selftest")]
EXAMPLES = sorted((PROGRAM_DIR.parent / "examples/algorithms").glob("*/algorithm.py"))
TOP_LEVEL = {module.split(".")[0] for module in MODULES}

FOUNDATION = (
    "container.errors container.log container.paths container.settings container.value_types "
    "container.resources container.signals container.supervisor container.progress"
)
LAYERS = {
    # Packages from the top down: packages of the program that each may import, and libraries.
    "algorithm": ("artifact container trees", "numpy pydantic sklearn"),
    "predictor": ("artifact container.payloads", "numpy"),
    "wsgi": ("artifact container predictor", "flask"),
    "gunicorn_master": ("artifact container wsgi", "gunicorn"),
    "trees": ("container", "numpy pydantic sklearn xgboost"),
    "container.selftest": ("container.serving", "numpy"),
    "container.training": ("container.data container.distributed container.hyperparameters", ""),
    "container.script_mode": (
        "container.serving container.payloads",
        "boto3 botocore flask gevent numpy pandas werkzeug",
    ),
    "container.serving": ("container.payloads", "flask gevent gunicorn prometheus_client werkzeug"),
    "container.data": (
        "container.distributed container.hyperparameters",
        "google numpy pyarrow werkzeug",
    ),
    "container.payloads": ("", "google numpy pyarrow werkzeug"),
    "container.hyperparameters": ("", "pydantic"),
    "container.distributed": ("", "numpy pydantic"),
    "artifact": ("", "google joblib numpy onnx onnxruntime skl2onnx"),
    "container.formats": ("", "google numpy pyarrow simdjson"),
    # Modules directly in container/, which every package may import.
    "container": ("container.formats", ""),
}


def package_of(module: str) -> str:
    """Return the row of LAYERS for a module."""
    rows = [row for row in LAYERS if module == row or module.startswith(f"{row}.")]
    return max(rows, key=len)


def imported(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in MODULES else str(node.module)


def is_below(name: str, allowed: str) -> bool:
    """Return whether a module is one of `allowed`, or in one of these packages."""
    return any(name == other or name.startswith(f"{other}.") for other in allowed.split())


IMPORTS = {module: set(imported(file)) for module, file in MODULES.items()}
OWN = {
    module: {name for name in names if name.split(".")[0] in TOP_LEVEL} - {module}
    for module, names in IMPORTS.items()
}


@pytest.mark.parametrize("row", LAYERS)
def test_package_imports_only_what_its_layer_may(row: str) -> None:
    """A package imports only itself, packages of lower layers, and its own libraries."""
    below, libraries = LAYERS[row]
    allowed = f"{below} {libraries} {FOUNDATION} container.formats {row}"
    if row == "artifact":
        allowed = f"{row} {libraries}"
    wrong = {
        (module, name)
        for module, names in IMPORTS.items()
        if package_of(module) == row
        for name in names
        if name.split(".")[0] not in STDLIB and not is_below(name, allowed)
    }

    assert not wrong


def chain(module: str, above: tuple[str, ...] = ()) -> list[str]:
    """Return the longest chain of imports from a module down; fail if there is a circle."""
    assert module not in above, f"a circle: {above} {module}"
    names = [name for name in OWN[module] if MODULES[name].name != "__init__.py"]
    return [module, *max((chain(name, (*above, module)) for name in names), key=len, default=[])]


def test_imports_form_no_circle_and_no_long_chain() -> None:
    """No chain of imports has more than nine modules, and none is a circle."""
    longest = max(map(chain, MODULES), key=len)

    assert len(longest) <= 9, longest


def test_folder_has_few_modules() -> None:
    """A folder has at most nine modules."""
    folders = Counter(file.parent for file in SOURCES if file.name != "__init__.py")

    assert max(folders.values()) <= 9, folders.most_common(2)


def test_file_name_and_public_class_name_are_unique() -> None:
    """No two files of the program, and no two public classes, have the same name."""
    files = Counter(file.name for file in SOURCES if file.name != "__init__.py")
    classes = Counter(
        node.name
        for file in SOURCES
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert [name for name, count in files.items() if count > 1] == []
    assert [name for name, count in classes.items() if count > 1] == []


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.name)
def test_program_imports_only_the_container_and_the_algorithm(file: Path) -> None:
    """A program imports only the layers that it connects, and has at most 40 lines."""
    allowed = {
        "train": "algorithm container.hyperparameters container.training container.script_mode "
        "container.paths container.supervisor",
        "serve": "container.serving.server",
        "selftest": "container.selftest.checks",
    }
    wrong = [
        name
        for name in imported(file)
        if name.split(".")[0] not in STDLIB and not is_below(name, allowed[file.name])
    ]

    assert not wrong
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 40


def test_author_imports_from_two_packages() -> None:
    """algorithm.py imports container.training and artifact; only the built-in one imports trees."""
    for file in [PROGRAM_DIR / "algorithm.py", *EXAMPLES]:
        own = {name for name in imported(file) if name.split(".")[0] in TOP_LEVEL}
        trees = {name for name in own if name.split(".")[0] == "trees"}

        assert own - trees <= {"artifact", "container.training"}, file
        assert not trees or file == PROGRAM_DIR / "algorithm.py"
    users = {module for module, names in OWN.items() if any(n.startswith("trees") for n in names)}

    assert {module for module in users if not module.startswith("trees")} == {"algorithm"}


def test_no_module_hides_one_of_the_standard_library() -> None:
    """No module is named like one of the standard library, which it would shadow."""
    assert {"algorithm", "predictor", "container", "artifact"} <= TOP_LEVEL
    assert TOP_LEVEL.isdisjoint(STDLIB)


def test_importing_does_nothing() -> None:
    """Importing prints and warns nothing, and creates no process, signal handler or log handler."""
    left_out = {"wsgi"} | ({"trees.growth"} if find_spec("xgboost") is None else set())
    names = " ".join(module for module in MODULES if module not in left_out)
    ended = python(
        "import importlib, logging, multiprocessing, signal\n"
        "def state():\n"
        "    handlers = [signal.getsignal(number) for number in signal.valid_signals()]\n"
        "    return handlers, logging.getLogger().handlers, multiprocessing.active_children()\n"
        "before = state()\n"
        f"for module in {names!r}.split():\n"
        "    importlib.import_module(module)\n"
        "    assert state() == before, module\n"
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        (
            "import predictor",
            "sklearn scipy xgboost pandas skl2onnx onnx joblib pyarrow google.protobuf",
        ),
        (
            "import wsgi",
            "sklearn scipy xgboost pandas skl2onnx onnx joblib pyarrow prometheus_client",
        ),
        ("from artifact import model", "sklearn scipy skl2onnx onnx onnxruntime flask container"),
        (
            "from container.serving import server",
            "numpy flask werkzeug gevent gunicorn onnxruntime artifact predictor",
        ),
        ("from container import supervisor", "numpy flask onnxruntime sklearn artifact algorithm"),
        (
            "from container.training import job",
            "pyarrow google.protobuf flask onnxruntime sklearn artifact algorithm",
        ),
        ("import algorithm", "flask gunicorn gevent predictor xgboost skl2onnx"),
    ],
)
def test_import_leaves_out_what_is_not_needed(statement: str, absent: str) -> None:
    """Libraries that are heavy or belong to another program are not imported."""
    ended = python(f"{statement}\nimport sys\nprint(*sys.modules)")

    assert ended.returncode == 0, ended.stderr
    assert set(absent.split()).isdisjoint(ended.stdout.split())


def test_places_to_edit_are_marked_in_the_files_to_edit() -> None:
    """The mark YOURS is in algorithm.py and predictor.py, and in no other file."""
    mark = "# YOURS:"
    marked = {file for file in [*SOURCES, *PROGRAMS] if mark in file.read_text(encoding="utf-8")}

    assert marked == {PROGRAM_DIR / "algorithm.py", PROGRAM_DIR / "predictor.py"}
