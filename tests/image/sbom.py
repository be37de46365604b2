"""List the packages of an image, Debian's and Python's, with their versions and licences.

usage: .venv/bin/python tests/image/sbom.py IMAGE >sbom.json

The output is a software bill of materials in CycloneDX 1.6. The script needs Docker, and the
packages of `local_test/prepare.sh dev`. Licences are those that the packages declare; in Debian,
those that a program can find in their copyright files.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

QUERY = ("dpkg-query", "--show", "--showformat", "${Package} ${Version} ${Architecture}\n")
"""Command that prints the installed packages of Debian."""

IN_IMAGE = "--in-this-image"
"""Argument with which the script runs in the image, where only the standard library is sure."""


class Package(NamedTuple):
    """Installed package."""

    kind: str
    """Type of its package URL: https://github.com/package-url/purl-spec."""

    name: str
    version: str
    architecture: str
    """Empty for Python."""

    licences: list[str]


def debian_packages() -> Iterable[Package]:
    """Yield the packages that dpkg installed in this image."""
    listed = subprocess.run(QUERY, check=True, capture_output=True, text=True).stdout
    for name, version, architecture in map(str.split, listed.splitlines()):
        file = Path("/usr/share/doc", name, "copyright")
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        licences = re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE)
        named = re.findall(r"/usr/share/common-licenses/([\w.-]*\w)", text)
        yield Package("deb", name, version, architecture, licences or named)


def python_packages() -> Iterable[Package]:
    """Yield the packages that this interpreter can import."""
    for found in importlib.metadata.distributions():
        metadata: Any = found.metadata
        name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
        classifiers = metadata.get_all("Classifier") or []
        licences = [text for text in classifiers if text.startswith("License :: ")]
        texts = [metadata.get("License-Expression"), *licences, metadata.get("License")]
        text = next(filter(None, texts), "").rpartition(" :: ")[2].strip()
        is_name = text and "\n" not in text  # some packages write the whole licence into the field
        yield Package("pypi", name, found.version, "", [text] if is_name else [])


def packages_of(image: str) -> list[Package]:
    """Run this script in an image and return the packages that it finds."""
    command = ["docker", "run", "--rm", "--interactive", "--network=none", image]
    with Path(__file__).open("rb") as script:
        printed = subprocess.run(
            [*command, "python3", "-", IN_IMAGE], stdin=script, stdout=subprocess.PIPE, check=True
        ).stdout
    return [Package(*fields) for fields in json.loads(printed)]


def document(image: str, packages: Iterable[Package]) -> str:
    """Return a bill of materials as JSON."""
    # The image has no such packages.
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from cyclonedx.spdx import fixup_id
    from packageurl import PackageURL

    def known_or_named(text: str) -> Any:
        known = fixup_id(text)
        return licence.make_with_id(known) if known else licence.make_with_name(text)

    bom, licence = Bom(), LicenseFactory()
    bom.metadata.component = Component(name=image, type=ComponentType.CONTAINER)
    for package in packages:
        is_debian = package.kind == "deb"
        url = PackageURL(
            type=package.kind,
            namespace="debian" if is_debian else None,
            name=package.name,
            version=package.version,
            qualifiers={"arch": package.architecture} if is_debian else None,
        )
        declared = set(package.licences)
        # A package has one expression, or any number of identifiers and names.
        make = licence.make_from_string if len(declared) == 1 else known_or_named
        bom.components.add(
            Component(
                name=package.name,
                version=package.version,
                type=ComponentType.LIBRARY,
                purl=url,
                bom_ref=url.to_string(),
                licenses=map(make, declared),
            )
        )
    return JsonV1Dot6(bom).output_as_string(indent=1)


def main() -> None:
    """Print the packages of this image, or the bill of materials of another one."""
    if sys.argv[1:] == [IN_IMAGE]:
        sys.stdout.write(json.dumps([*debian_packages(), *python_packages()]))
    elif len(sys.argv) == 2:
        sys.stdout.write(document(sys.argv[1], packages_of(sys.argv[1])) + "\n")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
