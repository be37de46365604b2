"""Install the packages of a program into a virtual environment on top of the image's own.

The new environment sees all packages of the image, so that pip installs only what is missing or
has another version. Nothing is written to the image, so any user can run it.
"""

import importlib.metadata
import importlib.util
import logging
import site
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from container.errors import ScriptError
from container.script_mode.entry_point import EntryPointKind, Program
from container.script_mode.masking import masked

_PIP = ["-m", "pip", "install", "--no-input", "--no-cache-dir", "--progress-bar", "off"]
_PIP += ["--disable-pip-version-check"]
_LINES_KEPT = 50
_RETRYING = "WARNING: Retrying"  # repeats what the last line says

logger = logging.getLogger(__name__)


def install(program: Program, scratch: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Install requirements.txt, and the program itself if it is a package.

    Returns:
        The virtual environment, below `scratch`; None if there is nothing to install.

    Raises:
        ScriptError: a package cannot be downloaded or built.
    """
    listed = (program.directory / "requirements.txt").is_file()
    if not listed and program.kind is not EntryPointKind.PACKAGE:
        return None
    if importlib.util.find_spec("pip") is None:
        raise ScriptError(
            f"The code in {program.directory} has packages to install, but this image has no pip; "
            "use the full image."
        )
    if scratch is None:
        raise ScriptError(
            f"The code in {program.directory} has packages to install, but there is no writable "
            "directory for them; mount one at /tmp."
        )
    overlay = _create(scratch / "packages")
    if listed:
        _run_pip(program, overlay, environ, ["--requirement", "requirements.txt"])
    if program.kind is EntryPointKind.PACKAGE:
        _run_pip(program, overlay, environ, _package_arguments(program))
    return overlay


def _package_arguments(program: Program) -> list[str]:
    """Return pip's arguments for the code itself; setup.py builds with the installed setuptools."""
    has_system = (program.directory / "pyproject.toml").is_file()
    return ["."] if has_system or not can_build() else ["--no-build-isolation", "."]


def can_build() -> bool:
    """Return whether the installed setuptools can build wheels by itself.

    Source: https://setuptools.pypa.io/en/latest/history.html (70.1).
    """
    with suppress(importlib.metadata.PackageNotFoundError):
        numbers = importlib.metadata.version("setuptools").split(".")
        return [int(number) for number in numbers[:2]] >= [70, 1]
    return False


def _create(directory: Path) -> Path:
    """Create a virtual environment that sees the packages of this one after its own."""
    import venv  # needed only for a program with packages

    venv.create(directory, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = directory / "lib" / version / "site-packages"
    lines = [f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages()]
    (packages / "image.pth").write_text("".join(lines), encoding="utf-8")
    return directory


def _run_pip(
    program: Program, overlay: Path, environ: Mapping[str, str], arguments: list[str]
) -> None:
    what = "requirements.txt" if "--requirement" in arguments else "package"
    logger.info("installing the %s of %s", what, program.directory)
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - pip, with arguments of ours
        [overlay / "bin/python", *_PIP, *arguments],
        cwd=program.directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as pip:
        for output in pip.stdout or []:
            line = masked(output.rstrip())
            logger.info("pip: %s", line)
            lines = [*lines[1 - _LINES_KEPT :], line]
    if pip.returncode:
        raise ScriptError(
            f"The {what} of {program.directory} cannot be installed: pip ended with exit code "
            f"{pip.returncode}. A job without network must find its packages in the image: add "
            "them to requirements/train.in and build it again. The end of pip's output:",
            [line for line in lines if line and not line.startswith(_RETRYING)],
        )
