"""The README's chapter on your own algorithm agrees with the examples and the selftest."""

import ast
import re

import pytest

from container.selftest.checks import Checks
from container.selftest.sandbox import N_ROWS
from support.example_algorithms import EXAMPLES, FOLDER
from support.material import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def section() -> str:
    """The section on bringing an algorithm."""
    return README.split("\n## Bring your own algorithm\n")[1].split("\n## ")[0]


def test_readme_shows_the_random_forest_as_it_is(section: str) -> None:
    """Its Python blocks are the file without the imports, in the order of the file."""
    file = (FOLDER / "random_forest/algorithm.py").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in section.split("```python\n")[1:]]

    assert [block for block in blocks if block not in file] == []
    defined = [ast.unparse(node) for block in blocks for node in ast.parse(block).body]
    kinds = (ast.ClassDef, ast.FunctionDef)
    assert defined == [ast.unparse(n) for n in ast.parse(file).body if isinstance(n, kinds)]


def test_readme_shows_what_the_selftest_says(section: str) -> None:
    """Apart from the figures, the lines are those that the selftest of the image prints."""
    lines = re.findall(r"^ok .*$", section, re.MULTILINE)

    assert [line.split()[1] for line in lines] == list(Checks.NAMES)
    assert f"training     {N_ROWS} rows, " in section
    declared = len(EXAMPLES[0].algorithm.Hyperparameters.model_fields)
    assert f"algorithm    {declared} hyperparameters, by default {EXAMPLES[0].task}" in lines[2]


def test_readme_names_paths_of_examples_that_exist(section: str) -> None:
    """Paths below examples/algorithms/ exist."""
    named = re.findall(r"examples/algorithms/[\w/.]+", section)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_examples_are_short() -> None:
    """A file to copy has at most 100 lines."""
    files = [file for example in EXAMPLES for file in example.files]

    assert [file for file in files if len(file.read_text().splitlines()) > 100] == []


def test_readme_of_the_examples_lists_every_folder() -> None:
    """Its table has the folders, and the tests know each of them."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}

    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == folders
    assert {example.name for example in EXAMPLES} == folders
