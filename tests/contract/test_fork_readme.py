"""What the README says of bringing an algorithm is what the forks and the selftest are."""

import ast
import re

import pytest

from container.selftest.checks import Checks
from container.selftest.sandbox import N_ROWS
from fork.forks import FOLDER, FORKS
from support.material import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def section() -> str:
    """The section on bringing an algorithm."""
    return README.split("\n## Bring your own algorithm\n")[1].split("\n## ")[0]


def test_readme_shows_the_random_forest_as_it_is(section: str) -> None:
    """Its blocks of Python are parts of the file, in their order; nothing but imports is left."""
    file = (FOLDER / "random_forest/algorithm.py").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in section.split("```python\n")[1:]]

    assert [block for block in blocks if block not in file] == []
    defined = [ast.unparse(node) for block in blocks for node in ast.parse(block).body]
    kinds = (ast.ClassDef, ast.FunctionDef)
    assert defined == [ast.unparse(n) for n in ast.parse(file).body if isinstance(n, kinds)]


def test_readme_shows_what_the_selftest_says(section: str) -> None:
    """Each check has a line; figures aside, it is what the selftest of the image prints."""
    lines = re.findall(r"^ok .*$", section, re.MULTILINE)

    assert [line.split()[1] for line in lines] == list(Checks.NAMES)
    assert f"training     {N_ROWS} rows, " in section
    declared = len(FORKS[0].algorithm.Hyperparameters.__dataclass_fields__)
    assert f"algorithm    {declared} hyperparameters, by default {FORKS[0].task}" in lines[2]


def test_readme_names_every_fork_that_is_there(section: str) -> None:
    """Paths below tests/fork/ exist."""
    named = re.findall(r"tests/fork/[\w/.]+", section)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
