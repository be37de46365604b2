"""Commands of examples/algorithms/README.md, run in a clone."""

from pathlib import Path

import pytest

from support.clones import Fake, ScriptResult, with_environment
from support.example_algorithms import EXAMPLES, Example
from support.material import ROOT, LabelledRows
from support.pages import commands
from support.processes import free_port

BLOCKS = commands("examples/algorithms/README.md", "Example algorithms")
"""Commands of the README: those of one example, and those after them."""
HOUSES = "rooms,price,area\n3,200.5,70\n4,260,90\n2,120,45\n5,400,130\n3,210,75\n4,300,100\n"


def run(parent: Path, script: str) -> ScriptResult:
    """Run commands in a clone, without a Docker engine."""
    clone = with_environment(parent)
    (clone.root / "houses.csv").write_text(HOUSES, encoding="utf-8")
    docker = Fake(parent / "bin", "docker", "exit 1")
    return clone.run_commands(script, fakes=[docker], PORT=str(free_port()))


def predicted(example: Example, iris: LabelledRows) -> str:
    """Return the expected output: each row of payload.csv with its label."""
    rows = (ROOT / "local_test/payload.csv").read_text(encoding="utf-8").splitlines()
    labels = example.default_labels(iris)[::10]
    return "".join(f"{row}\t{label}\n" for row, label in zip(rows, labels, strict=True))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_quickstart_runs_every_example(
    tmp_path: Path, iris: LabelledRows, example: Example
) -> None:
    """Each example, copied as documented, is trained and predicts the flowers."""
    ended = run(tmp_path, BLOCKS[0].replace("random_forest", example.name))

    assert ended.code == 0, ended.out + ended.err
    assert predicted(example, iris) in ended.out
    assert "\ntrain:" in ended.out


def test_readme_of_the_examples_sets_hyperparameters(tmp_path: Path) -> None:
    """The commands with hyperparameters and a user's table work for the random forest."""
    ended = run(tmp_path, BLOCKS[0].splitlines()[0] + "\n" + BLOCKS[1])

    assert ended.code == 0, ended.out + ended.err
    assert "n_estimators=20" in ended.out
    assert "\nrooms,area\tprediction\n" in ended.out
