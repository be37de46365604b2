"""Bill of materials of both images; the files stay in tests/output/."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.material import PROGRAM_DIR, ROOT

SBOM = ROOT / "tests/image/sbom.py"
LOCKED = re.compile(r"^([a-z0-9-]+)==([^ ;]+)(?! ;)[ \\]*$", re.MULTILINE)
DECLARE_NONE = {"pysimdjson"}
"""Packages of Python that have a licence, MIT, but do not declare it in their metadata."""

WITHOUT_LICENCE = 0.1
"""Maximum share of Debian's packages in whose copyright file no program can find a licence."""


@pytest.mark.docker
@pytest.mark.parametrize(("target", "lock"), [("full", "train"), ("inference", "inference")])
def test_packages_of_an_image_are_listed(images: Mapping[str, str], target: str, lock: str) -> None:
    """The list has all locked packages and those of Debian, with their licences."""
    ended = subprocess.run(
        [sys.executable, SBOM, images[target]], check=True, stdout=subprocess.PIPE, text=True
    )
    file = ROOT / f"tests/output/{target}.cdx.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(ended.stdout, encoding="utf-8")

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(ended.stdout) is None
    listed = json.loads(ended.stdout)["components"]
    locked = (PROGRAM_DIR / f"requirements/{lock}.txt").read_text(encoding="utf-8")
    versions = {found["name"]: found["version"] for found in of_kind("pypi", listed)}
    assert dict(LOCKED.findall(locked)).items() <= versions.items()
    debian = of_kind("deb", listed)
    assert {"nginx", "python3", "libc6"} <= {found["name"] for found in debian}
    without = {found["name"] for found in of_kind("pypi", listed) if not found.get("licenses")}
    assert without <= DECLARE_NONE
    n_without = sum(not found.get("licenses") for found in debian)
    assert n_without <= WITHOUT_LICENCE * len(debian)


def of_kind(kind: str, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the components of Debian (deb) or of Python (pypi)."""
    return [found for found in listed if found["purl"].startswith(f"pkg:{kind}/")]
