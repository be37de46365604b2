"""quickstart.sh with a Docker engine: the image of a clone trains, serves and predicts."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.clones import Clone, ScriptResult
from support.containers import run
from support.example_algorithms import EXAMPLES, FOLDER, Example
from support.material import ROOT, LabelledRows, soak_only
from support.processes import free_port

pytestmark = pytest.mark.docker

IMAGE = "decision-trees"
HOUSES = "rooms,price,area\n3,200.5,70\n4,260,90\n2,120,45\n5,400,130\n3,210,75\n4,300,100\n"


@pytest.fixture(autouse=True)
def tag(images: Mapping[str, str]) -> Iterator[None]:
    """Restore the image that had the name of quickstart's image.

    What quickstart built may be an image of other tests too, which have another name for it.
    """
    before = run("docker", "images", "--quiet", IMAGE).strip()
    yield
    built = run("docker", "images", "--quiet", IMAGE).strip()
    if not before:
        run("docker", "rmi", IMAGE, check=False)
        return
    run("docker", "tag", before, IMAGE)
    if run("docker", "inspect", "--format", "{{len .RepoTags}}", built, check=False).strip() == "0":
        run("docker", "rmi", built, check=False)


def type_in(clone: Clone, commands: str) -> ScriptResult:
    """A function that runs commands in the root of a clone, with the programs of this machine."""
    ended = clone.run_commands(commands, fakes=(), **os.environ | {"PORT": str(free_port())})
    assert ended.code == 0, ended.out + ended.err
    assert f"using containers of the image {IMAGE}" in ended.out
    return ended


@pytest.mark.parametrize(
    "example",
    [EXAMPLES[-1], *map(soak_only, EXAMPLES[:-1])],
    ids=lambda example: example.name,
)
def test_quickstart_runs_every_example_in_containers(
    tmp_path: Path, iris: LabelledRows, example: Example
) -> None:
    """Each example, copied as documented, predicts the flowers.

    Without --soak only the one that also replaces predictor.py is tested.
    """
    commands = (FOLDER / "README.md").read_text(encoding="utf-8").split("```\n")[1]

    ended = type_in(Clone(tmp_path), commands.replace("random_forest", example.name))

    rows = (ROOT / "local_test/payload.csv").read_text(encoding="utf-8").splitlines()
    labels = example.default_labels(iris)[::10]
    lines = [f"{row}\t{label}\n" for row, label in zip(rows, labels, strict=True)]
    assert "".join(lines) in ended.out


def test_quickstart_trains_on_a_table_of_the_user_in_containers(tmp_path: Path) -> None:
    """The request contains rows of the user's table, and the files belong to the user."""
    clone = Clone(tmp_path)
    (clone.root / "houses.csv").write_text(HOUSES, encoding="utf-8")

    ended = type_in(
        clone,
        "./local_test/quickstart.sh houses.csv "
        "--hyperparameter label=price --hyperparameter task=regression\n",
    )

    assert "\nrooms,area\tprediction\n3,70\t200.5\n4,90\t260.0\n2,45\t120.0\n" in ended.out
    files = list((clone.local_test / "own_dir").rglob("*"))
    assert {file.stat().st_uid for file in files} == {os.getuid()}
