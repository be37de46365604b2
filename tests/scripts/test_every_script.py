"""Rules for all shell scripts of the repository, in addition to shellcheck and shfmt."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.material import ROOT

FOLDERS = ("local_test", "tests", "decision_trees")
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for path in [
        *ROOT.glob("*.sh"),
        *(script for folder in FOLDERS for script in (ROOT / folder).rglob("*.sh")),
        ROOT / ".ci/run",
    ]
)

# Features that bash 3.2, the bash of macOS, does not have. .ci/run runs only on Debian.
NEWER_THAN_BASH_3_2 = {
    "mapfile or readarray": r"\b(mapfile|readarray)\b",
    "a change of case": r"\$\{\w+(\[[^]]*\])?(,|\^)",
    "an associative array or a reference": r"\b(declare|local|typeset|readonly)\s+-\w*[An]",
    "a transformation": r"\$\{\w+(\[[^]]*\])?@[A-Za-z]\}",
    "an index from the end": r"\$\{\w+\[-",
    "appending of both outputs": r"&>>",
    "a pipe of both outputs": r"\|&",
    "wait -n": r"\bwait\s+-\w*[np]",
    "fall-through of case": r";;?&",
    "coproc": r"\bcoproc\b",
    "a test for a set name": r"\[\[[^]]*\s-v\s",
    "a date of printf": r"%\([^)]*\)T",
}


def code(script: str) -> str:
    """Return a script without its comment lines."""
    lines = (ROOT / script).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def test_the_scripts_are_found() -> None:
    """The other tests of this file check all scripts."""
    assert {"build_and_push.sh", "local_test/quickstart.sh", "tests/run.sh"} <= set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_describes_itself_and_its_usage(script: str) -> None:
    """It begins with bash, its name and its usage, and stops at the first failure."""
    text = (ROOT / script).read_text(encoding="utf-8")
    name = Path(script).name

    assert text.startswith(f"#!/usr/bin/env bash\n# {name} - ")
    assert re.search(rf"^# usage: (\S*/)?{re.escape(name)}( |$)", text, re.MULTILINE)
    assert "\nset -euo pipefail\n" in text


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_valid_bash(script: str) -> None:
    """Bash can parse it."""
    command = ["/usr/bin/env", "bash", "-n", str(ROOT / script)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_executable(script: str) -> None:
    """It is executable in this clone."""
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_executable_in_git(script: str) -> None:
    """It is executable in git."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no clone of git, or git is not here")
    command = [git, "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "--stage", script]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)

    assert listed.stdout.startswith("100755 ")


@pytest.mark.parametrize("script", [script for script in SCRIPTS if script != ".ci/run"])
def test_script_runs_with_the_bash_of_macos(script: str) -> None:
    """It uses no feature that is newer than bash 3.2."""
    found = {
        what: match[0]
        for what, pattern in NEWER_THAN_BASH_3_2.items()
        if (match := re.search(pattern, code(script)))
    }

    assert found == {}
