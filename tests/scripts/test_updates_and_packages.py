"""Commands that pin the base image and list packages, with a fake docker client."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.clones import Clone, Fake, ScriptResult, with_environment
from support.material import ROOT
from support.pages import commands

DIGEST = f"debian@sha256:{'0' * 64}"
SBOM = "tests/image/sbom.py"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone with the packages of the tests."""
    clone = with_environment(tmp_path)
    shutil.copy(
        clone.root / "decision_trees/requirements/dev.txt", clone.root / ".venv/dev.installed"
    )
    (clone.root / SBOM).parent.mkdir(parents=True)
    shutil.copy(ROOT / SBOM, clone.root / SBOM)
    return clone


@pytest.fixture
def docker(tmp_path: Path) -> Fake:
    """A docker client whose containers run this interpreter, with one package of Debian."""
    Fake(tmp_path / "image", "dpkg-query", "echo tzdata 1:2026c-0+deb13u1 all")
    return Fake(
        tmp_path / "bin",
        "docker",
        f"""case "$1 ${{2-}}" in
        "inspect --format") echo {DIGEST} ;;
        run*) PATH="{tmp_path}/image:$PATH" exec {sys.executable} "${{@: -2}}" ;;
        esac""",
    )


def test_commands_pin_the_base_and_list_packages(clone: Clone, docker: Fake) -> None:
    """The image is built on the digest of the pulled base, and its packages are listed."""
    text = "\n".join(commands("docs/operations.md", "Updates and packages"))

    ended: ScriptResult = clone.run_commands(text, fakes=[docker])

    assert ended.code == 0, ended.err
    assert ["pull", "debian:trixie-slim"] in docker.calls()
    assert f"BASE_IMAGE={DIGEST}" in docker.call("buildx", "build")
    written = (clone.root / "sbom.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    document = json.loads(written)
    assert document["metadata"]["component"]["name"] == "decision-trees"
    assert licences_of("pkg:deb/debian/tzdata@1:2026c-0%2Bdeb13u1?arch=all", document) != []
    (pytest_url,) = [c["purl"] for c in document["components"] if c["name"] == "pytest"]
    assert pytest_url == f"pkg:pypi/pytest@{pytest.__version__}"
    assert licences_of(pytest_url, document) == [{"license": {"id": "MIT"}}]


def licences_of(url: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the licences of a package."""
    (found,) = [part for part in document["components"] if part["purl"] == url]
    licences: list[dict[str, Any]] = found["licenses"]
    return licences


def test_wrong_arguments_print_the_usage(clone: Clone, docker: Fake) -> None:
    """Without the name of an image nothing is run."""
    ended = clone.run_commands(f".venv/bin/python {SBOM}", fakes=[docker])

    assert ended.code == 1
    assert "usage: .venv/bin/python tests/image/sbom.py IMAGE >sbom.json" in ended.err
    assert docker.calls() == []
