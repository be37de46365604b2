"""Pages about bringing an algorithm, compared with the examples and the selftest."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import is_regressor
from sklearn.datasets import load_iris
from sklearn.utils import all_estimators

import algorithm
from artifact import export
from artifact.metadata import ArtifactError
from container.selftest.checks import Checks
from container.selftest.sandbox import N_ROWS
from support.example_algorithms import EXAMPLES, FOLDER
from support.pages import README, blocks, section, table

PAGE = "docs/bring-your-own-algorithm.md"
FILE = (FOLDER / "random_forest/algorithm.py").read_text(encoding="utf-8")
VERDICTS = {
    name: cells[0]
    for names, cells in table(PAGE, "What works").items()
    for name in re.findall(r"\w+", names)
    if name[0].isupper() and name != "Pipeline"
}
"""Verdict of the table on each estimator."""


def shown(page: str, titles: set[str]) -> list[str]:
    """Return the Python blocks of these sections."""
    found = (block for block in blocks() if block.page == page and block.section in titles)
    return [block.text for block in found if block.language == "python"]


def test_page_shows_the_random_forest_as_it_is() -> None:
    """The blocks are parts of the file in its order; only the imports are left out."""
    parts = shown(PAGE, {"Hyperparameters", "fit", "evaluate, describe and save"})
    defined = [ast.unparse(node) for part in parts for node in ast.parse(part).body]
    kinds = (ast.ClassDef, ast.FunctionDef)

    assert [part for part in parts if part not in FILE] == []
    assert defined == [ast.unparse(n) for n in ast.parse(FILE).body if isinstance(n, kinds)]


def test_readme_shows_part_of_the_random_forest() -> None:
    """The block of the README is part of the file."""
    (part,) = shown(README, {"Bring an algorithm"})

    assert part in FILE


def test_page_shows_what_the_selftest_prints() -> None:
    """The page shows the output of the selftest, apart from durations."""
    text = section("docs/operations.md", "Self-test")
    lines = re.findall(r"^ok .*$", text, re.MULTILINE)
    declared = len(algorithm.Hyperparameters.model_fields)

    assert [line.split()[1] for line in lines] == list(Checks.NAMES)
    assert f"training     {N_ROWS} rows, " in text
    assert f"algorithm    {declared} hyperparameters, by default classification" in lines[2]


def test_page_shows_the_scoring_service_as_it_is() -> None:
    """The block is the class of the example with its own file format."""
    (part,) = shown(PAGE, {"A model that cannot be written as ONNX"})
    file = (FOLDER / "other_format/predictor.py").read_text(encoding="utf-8")

    assert file.endswith(part)


def test_examples_are_short() -> None:
    """A file to copy has at most 100 lines."""
    files = [file for example in EXAMPLES for file in example.files]

    assert [file for file in files if len(file.read_text().splitlines()) > 100] == []


def test_readme_of_the_examples_lists_every_folder() -> None:
    """The table lists the folders, and the tests know each of them."""
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}

    assert set(table("examples/algorithms/README.md", "Example algorithms")) == folders
    assert {example.name for example in EXAMPLES} == folders


def test_table_covers_each_kind_of_verdict() -> None:
    """The table says of many estimators that they work, and of some that they are rejected."""
    assert sum(verdict.startswith("work") for verdict in VERDICTS.values()) > 20
    assert sum(verdict.startswith("refused") for verdict in VERDICTS.values()) > 5


@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.filterwarnings("ignore")  # estimators with default parameters warn
def test_estimator_is_exported_as_the_table_says(name: str, tmp_path: Path) -> None:
    """An estimator with default parameters is exported to ONNX, or rejected."""
    iris = load_iris()
    features = iris.data[:, :3].astype(np.float32)
    numbers, names = iris.data[:, 3] * iris.data[:, 0], iris.target_names[iris.target]
    estimator: Any = dict(all_estimators())[name]()
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    estimator.fit(features, numbers if is_regressor(estimator) else names)

    if VERDICTS[name].startswith("refused"):
        with pytest.raises((ArtifactError, AttributeError)):
            export.save(estimator, tmp_path, features, {})
        assert list(tmp_path.iterdir()) == []
    else:
        export.save(estimator, tmp_path, features, {})
        record = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
        assert record["accepts_missing"] == ("accept missing values" in VERDICTS[name])
