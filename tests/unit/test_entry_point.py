"""Entry point: its name, the source of its code, its kind and its command line."""

from pathlib import Path
from typing import Any

import pytest

from container.errors import ScriptError
from container.paths import Paths
from container.script_mode.configuration import Configuration
from container.script_mode.entry_point import EntryPointKind, command, find, name_of, source_of
from support.script_mode.sources import write_files

BUILD = "[build-system]\nrequires = []\n"


def job(base: Path, environ: dict[str, str] | None = None, **options: Any) -> Configuration:
    """Return a job with hyperparameters `sagemaker_NAME`."""
    values = {f"sagemaker_{name}": value for name, value in options.items()}
    return Configuration(Paths(base), environ or {}, values, {}, {})


@pytest.mark.parametrize(
    ("environ", "options", "name"),
    [
        ({"SAGEMAKER_PROGRAM": "a.py"}, {"program": "b.py"}, "a.py"),
        ({"SAGEMAKER_PROGRAM": ' "a.py" '}, {}, "a.py"),
        ({"SAGEMAKER_PROGRAM": " "}, {"program": "b.py"}, "b.py"),
        ({}, {"program": "b.py"}, "b.py"),
        ({}, {}, ""),
    ],
)
def test_name_comes_from_the_variable_or_the_hyperparameter(
    environ: dict[str, str], options: dict[str, str], name: str
) -> None:
    """The variable takes precedence, blank means not set, and JSON quotes are removed."""
    assert name_of(job(Path("/opt/ml"), environ, **options)) == name


def test_source_has_an_order_of_precedence(tmp_path: Path) -> None:
    """In order: hyperparameter, variable, archive in the channel, files in the channel."""
    environ = {"SAGEMAKER_SUBMIT_DIRECTORY": "/variable"}
    channel = tmp_path / "input/data/code"
    given = [source_of(job(tmp_path, environ, submit_directory="s3://b/k"))]
    given.append(source_of(job(tmp_path, environ)))
    write_files(channel, {"train.py": ""})
    given.append(source_of(job(tmp_path)))
    write_files(channel, {"sourcedir.tar.gz": ""})
    given.append(source_of(job(tmp_path)))

    expected = ["s3://b/k", "/variable", str(channel), str(channel / "sourcedir.tar.gz")]
    assert given == expected


@pytest.mark.parametrize(
    ("name", "files", "kind", "expected"),
    [
        ("a.py", {"a.py": ""}, EntryPointKind.PYTHON, ["PY", "--", "a.py"]),
        ("-c.py", {"-c.py": ""}, EntryPointKind.PYTHON, ["PY", "--", "-c.py"]),
        ("a.py", {"a.py": "", "setup.py": ""}, EntryPointKind.PACKAGE, ["PY", "-m", "a"]),
        ("p/a.py", {"pyproject.toml": BUILD}, EntryPointKind.PACKAGE, ["PY", "-m", "p.a"]),
        ("p.a", {"pyproject.toml": BUILD}, EntryPointKind.PACKAGE, ["PY", "-m", "p.a"]),
        (
            "a.py",
            {"a.py": "", "pyproject.toml": "[project]"},
            EntryPointKind.PYTHON,
            ["PY", "--", "a.py"],
        ),
        ("a.sh", {"a.sh": "", "setup.py": ""}, EntryPointKind.COMMAND, ["/bin/sh", "./a.sh"]),
        ("a.sh", {"a.sh": "#!/bin/sh\n"}, EntryPointKind.COMMAND, ["/bin/sh", "./a.sh"]),
        ("a", {"a": "#! /bin/sh  -e -x \n"}, EntryPointKind.COMMAND, ["/bin/sh", "-e -x", "./a"]),
        ("a b.sh", {"a b.sh": "echo\n"}, EntryPointKind.COMMAND, ["/bin/sh", "./a b.sh"]),
        ("a", {"a": "\x7fELF"}, EntryPointKind.COMMAND, ["./a"]),
    ],
)
def test_program_has_a_kind_and_a_command(
    tmp_path: Path, name: str, files: dict[str, str], kind: EntryPointKind, expected: list[str]
) -> None:
    """A shell script runs as the kernel would run it, a package as a module, Python as a file."""
    write_files(tmp_path, files)

    program = find(name, tmp_path)

    assert program.kind is kind
    assert command(program, "PY") == expected


def test_machine_code_is_made_executable(tmp_path: Path) -> None:
    """A binary from an archive without modes can be run."""
    write_files(tmp_path, {"a": "\x7fELF"})

    command(find("a", tmp_path), "PY")

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755


def test_link_to_a_program_outside_is_refused(tmp_path: Path) -> None:
    """Links are resolved before the check."""
    code = write_files(tmp_path / "code", {"b.py": ""})
    (tmp_path / "a.py").touch()
    (code / "a.py").symlink_to("../a.py")

    with pytest.raises(ScriptError, match=r"^The program 'a\.py' is outside "):
        find("a.py", code)


@pytest.mark.parametrize("name", ["a\0.py", "\ud800.py"])
def test_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    """A null character or half a surrogate pair, as JSON can hold it, is no internal error."""
    with pytest.raises(
        ScriptError, match=r"^The program '.*\.py' cannot be a file in .*; name a file"
    ):
        find(name, tmp_path)


def test_deeply_nested_pyproject_is_refused(tmp_path: Path) -> None:
    """The parser of TOML is recursive."""
    write_files(tmp_path, {"a.py": "", "pyproject.toml": f"a = {'[' * 100_000}"})

    with pytest.raises(ScriptError, match=r"pyproject\.toml is not TOML \(.*recursion.*correct it"):
        find("a.py", tmp_path)
