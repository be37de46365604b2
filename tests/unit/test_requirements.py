"""Locked requirements: complete, consistent, with a hash for every package."""

import re

import pytest

from container.paths import PROGRAM_DIR

DIRECTORY = PROGRAM_DIR / "requirements"
NAMES = ["inference", "train", "dev"]


def wanted(name: str) -> set[str]:
    """Return the packages of an .in file, including those of the files that it includes."""
    found: set[str] = set()
    for line in (DIRECTORY / f"{name}.in").read_text().splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["-r"]:
            found |= wanted(words[1].removesuffix(".in"))
        elif words:
            found.add(re.split(r"[\[<>=!~]", words[0])[0])
    return found


def entries(name: str) -> list[str]:
    """Return one line for each requirement of a lock, with its hashes."""
    joined = (DIRECTORY / f"{name}.txt").read_text().replace("\\\n", " ")
    return [
        line for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")
    ]


def pins(name: str) -> dict[str, str]:
    """Return the version of each package of a lock."""
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)(?= )", "\n".join(entries(name)), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_lock_pins_every_direct_requirement(name: str) -> None:
    """Every package of an .in file is in its lock."""
    assert wanted(name)
    assert wanted(name) <= set(pins(name))


@pytest.mark.parametrize("name", NAMES)
def test_lock_has_an_exact_version_and_a_hash_for_each_package(name: str) -> None:
    """Each entry is one version with its sha256 hashes, and occurs once for a Python version."""
    form = r"([\w.-]+)==[\w.]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+ *"
    found = [re.fullmatch(form, entry) for entry in entries(name)]

    assert None not in found
    assert len({entry.group(1, 2) for entry in found if entry}) == len(found)


@pytest.mark.parametrize(("smaller", "larger"), [("inference", "train"), ("train", "dev")])
def test_locks_agree(smaller: str, larger: str) -> None:
    """Serving, training and tests use the same versions of the same packages."""
    assert pins(smaller).items() <= pins(larger).items()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("word", ["--index-url", "--extra-index-url", "--find-links", "http"])
def test_lock_names_no_package_index(name: str, word: str) -> None:
    """The index of the packages is configured by the user who builds."""
    assert word not in (DIRECTORY / f"{name}.txt").read_text()


def test_inference_has_no_packages_of_training() -> None:
    """scikit-learn and its dependencies are not in the inference image, which stays small."""
    assert (
        pins("inference").keys().isdisjoint({"scikit-learn", "scipy", "skl2onnx", "onnx", "joblib"})
    )
