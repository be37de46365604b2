"""prepare.sh with fake interpreters and a fake apt-get."""

import os
from pathlib import Path

import pytest

from support.clones import Clone, Fake, ScriptResult
from support.material import ROOT

SCRIPT = "local_test/prepare.sh"
LOCK = Path("decision_trees/requirements/train.txt")
PIP_IS_THERE = ["-m", "pip", "--version"]

# Creates a virtual environment whose interpreter is this fake.
INTERPRETER = """case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
esac"""


def prepared(clone: Clone) -> Fake:
    """Create the environment of an earlier run in a clone; return its fake interpreter."""
    venv = clone.root / ".venv"
    python = Fake(venv / "bin", "python")
    (venv / "train.installed").write_bytes((clone.root / LOCK).read_bytes())
    return python


def sentence(ended: ScriptResult) -> str:
    """Return the last line of a script that fails."""
    assert ended.code == 1
    assert ended.out == ""
    return ended.err.splitlines()[-1]


@pytest.mark.parametrize("arguments", [[], ["test"], ["--help"]], ids=["none", "test", "help"])
def test_prepare_rejects_wrong_arguments(tmp_path: Path, arguments: list[str]) -> None:
    """Anything except train or dev results in the usage and exit code 2, and creates nothing."""
    clone = Clone(tmp_path)

    ended = clone.run(SCRIPT, *arguments)

    assert ended.code == 2
    assert ended.err == "usage: prepare.sh train|dev\n"
    assert not (clone.root / ".venv").exists()


def test_prepare_keeps_an_environment(tmp_path: Path) -> None:
    """In a prepared clone it prints nothing and installs nothing."""
    clone = Clone(tmp_path)
    python, nginx = prepared(clone), Fake(tmp_path / "bin", "nginx")

    ended = clone.run(SCRIPT, "train", fakes=[nginx])

    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert python.calls() == [PIP_IS_THERE]


def test_prepare_installs_the_locked_packages(tmp_path: Path) -> None:
    """In a new clone it creates an environment, and pip installs only locked packages."""
    clone = Clone(tmp_path)
    python = Fake(tmp_path / "bin", "python3", INTERPRETER)
    nginx = Fake(tmp_path / "bin", "nginx")

    ended = clone.run(SCRIPT, "train", fakes=[python, nginx])

    venv = clone.root / ".venv"
    install = python.calls()[-1]
    assert ended.code == 0, ended.err
    assert ["-m", "venv", str(venv)] in python.calls()
    assert install[:3] == ["-m", "pip", "install"]
    assert {"--require-hashes", ":all:", str(clone.root / LOCK)} <= set(install)
    assert (venv / "train.installed").read_bytes() == (ROOT / LOCK).read_bytes()


def test_prepare_installs_again_when_the_lock_has_changed(tmp_path: Path) -> None:
    """After an update of the lock the packages are installed again."""
    clone = Clone(tmp_path)
    python, nginx = prepared(clone), Fake(tmp_path / "bin", "nginx")
    with (clone.root / LOCK).open("a") as lock:
        lock.write("# changed\n")

    first = clone.run(SCRIPT, "train", fakes=[nginx])
    second = clone.run(SCRIPT, "train", fakes=[nginx])

    assert (first.code, second.code) == (0, 0)
    assert "installing the locked packages of train.txt" in first.err
    assert second.err == ""
    assert python.call("-m", "pip", "install")


def test_prepare_tries_again_after_a_failed_installation(tmp_path: Path) -> None:
    """After a failure of pip, the next run installs again."""
    clone = Clone(tmp_path)
    prepared(clone)
    (clone.root / ".venv/train.installed").unlink()
    python = Fake(clone.root / ".venv/bin", "python", '[[ "$3" != install ]]')
    nginx = Fake(tmp_path / "bin", "nginx")

    codes = [clone.run(SCRIPT, "train", fakes=[nginx]).code for _ in range(2)]

    assert 0 not in codes
    assert [call[2] for call in python.calls()] == ["--version", "install"] * 2


def test_prepare_replaces_an_environment_without_pip(tmp_path: Path) -> None:
    """An environment of a failed run, or without its interpreter, is created again."""
    clone = Clone(tmp_path)
    prepared(clone)
    Fake(clone.root / ".venv/bin", "python", "exit 1")
    python = Fake(tmp_path / "bin", "python3", INTERPRETER)
    nginx = Fake(tmp_path / "bin", "nginx")

    ended = clone.run(SCRIPT, "train", fakes=[python, nginx])

    assert ended.code == 0, ended.err
    assert "creating a virtual environment" in ended.err
    assert ["-m", "venv", str(clone.root / ".venv")] in python.calls()


def test_prepare_reports_an_unsupported_python(tmp_path: Path) -> None:
    """An unsupported version is named in one sentence, with the remedy."""
    python = Fake(tmp_path / "bin", "python3.9", "exit 1")

    ended = Clone(tmp_path).run(SCRIPT, "train", PYTHON=str(python.path))

    assert sentence(ended) == (
        f"prepare: {python.path} is missing or not Python 3.11 to 3.13; "
        "set PYTHON to another interpreter, such as PYTHON=python3.13."
    )
    assert ended.err.count("\n") == 1


def test_prepare_reports_a_missing_python(tmp_path: Path) -> None:
    """A missing interpreter is reported in one sentence, without messages of the shell."""
    ended = Clone(tmp_path).run(SCRIPT, "train", PYTHON="python3.12")

    assert sentence(ended).startswith("prepare: python3.12 is missing or not Python 3.11 to 3.13")
    assert ended.err.count("\n") == 1


def test_prepare_reports_a_missing_venv_module(tmp_path: Path) -> None:
    """For Debian's bare python3 the message names the missing package."""
    python = Fake(tmp_path / "bin", "python3", '[[ "$2" != venv ]]')

    ended = Clone(tmp_path).run(SCRIPT, "train", fakes=[python])

    assert "apt-get install python3-venv" in sentence(ended)


def test_prepare_reports_a_missing_nginx(tmp_path: Path) -> None:
    """If no package can be unpacked, one sentence says what to install."""
    clone = Clone(tmp_path)
    prepared(clone)

    ended = clone.run(SCRIPT, "train")

    assert "nginx is not on PATH; install it" in sentence(ended)
    assert ended.err.count("\n") == 1


def test_prepare_unpacks_nginx_inside_the_clone(tmp_path: Path) -> None:
    """Without root, apt-get downloads and dpkg-deb unpacks nginx into the environment."""
    clone = Clone(tmp_path)
    prepared(clone)
    apt = Fake(tmp_path / "bin", "apt-get", 'if [[ "${!#}" == nginx ]]; then : >nginx_1.deb; fi')
    unpack = 'mkdir -p usr/sbin; echo "#!/bin/sh" >usr/sbin/nginx; chmod +x usr/sbin/nginx'
    dpkg = Fake(tmp_path / "bin", "dpkg-deb", unpack)

    first = clone.run(SCRIPT, "train", fakes=[apt])
    second = clone.run(SCRIPT, "train", fakes=[apt])

    nginx = clone.root / ".venv/bin/nginx"
    assert (first.code, second.code) == (0, 0), first.err
    assert [call[-1] for call in apt.calls()] == ["update", "nginx"]
    assert dpkg.calls() == [["--extract", "nginx_1.deb", "."]]
    assert os.access(nginx, os.X_OK)
    assert nginx.resolve().is_relative_to(clone.root)


def test_prepare_reports_a_failed_download_of_nginx(tmp_path: Path) -> None:
    """Without a network, the message names the command for root."""
    clone = Clone(tmp_path)
    prepared(clone)
    apt = Fake(tmp_path / "bin", "apt-get", "exit 100")
    dpkg = Fake(tmp_path / "bin", "dpkg-deb", "exit 2")

    ended = clone.run(SCRIPT, "train", fakes=[apt])

    assert "as root: apt-get install nginx" in sentence(ended)
    assert dpkg.calls() == []
    assert not (clone.root / ".venv/bin/nginx").exists()


def test_prepare_reports_a_broken_nginx_in_each_run(tmp_path: Path) -> None:
    """An unpacked nginx that lacks a library of this machine is reported in each run."""
    clone = Clone(tmp_path)
    prepared(clone)
    apt = Fake(tmp_path / "bin", "apt-get")
    unpack = 'mkdir -p usr/sbin; echo "exit 127" >usr/sbin/nginx; chmod +x usr/sbin/nginx'
    Fake(tmp_path / "bin", "dpkg-deb", unpack)

    first, second = (clone.run(SCRIPT, "train", fakes=[apt]) for _ in range(2))

    assert "the unpacked nginx does not run on this machine" in sentence(first)
    assert sentence(second) == sentence(first)


def test_prepare_reports_a_failed_installation(tmp_path: Path) -> None:
    """The message of the script follows the messages of pip."""
    clone = Clone(tmp_path)
    prepared(clone)
    (clone.root / ".venv/train.installed").unlink()
    Fake(clone.root / ".venv/bin", "python", '[[ "$3" != install ]] || { echo no >&2; exit 1; }')

    ended = clone.run(SCRIPT, "train")

    assert sentence(ended).startswith("prepare: pip could not install the packages")
    assert "\nno\n" in ended.err
