"""Run files of examples/ with one version of the SageMaker Python SDK.

Each version has its own virtual environment. The programs have no AWS account and no network: their
proxy is a port that nothing listens on.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.clones import ScriptResult
from support.containers import run
from support.material import ROOT
from support.processes import free_port

_NO_TELEMETRY = """\
SchemaVersion: "1.0"
SageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}
"""
_DEADLINE_SECONDS = 600.0


def interpreter(version: int) -> Path:
    """Return the Python of a virtual environment with the SDK; create it if necessary."""
    lock = ROOT / f"tests/sdk/sdk{version}.txt"
    environment = ROOT / f".venv/sdk{version}"
    python, stamp = environment / "bin/python", environment / "installed.txt"
    if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
        uv = Path(sys.executable).with_name("uv")
        run(uv, "venv", "--clear", "--quiet", "--python", sys.executable, environment)
        options = ("--quiet", "--require-hashes", "--only-binary=:all:")
        run(uv, "pip", "install", "--python", python, *options, "--requirement", lock)
        shutil.copyfile(lock, stamp)
    return python


@dataclass(frozen=True)
class Examples:
    """Runner of examples with one version of the SDK; they write below `directory`."""

    python: Path
    directory: Path

    def run(self, example: str, *arguments: str | Path, **variables: str) -> ScriptResult:
        """Run a file of examples/ until it exits."""
        done = subprocess.run(
            [self.python, ROOT / "examples" / example, *arguments],
            cwd=self.directory,
            env=self._environment() | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE_SECONDS,
        )
        return ScriptResult(done.returncode, done.stdout, done.stderr)

    def _environment(self) -> dict[str, str]:
        configuration = self.directory / "sagemaker.yaml"
        configuration.write_text(_NO_TELEMETRY)
        nowhere = f"http://127.0.0.1:{free_port()}"
        engine = {name: os.environ[name] for name in ("DOCKER_HOST", "PATH") if name in os.environ}
        return engine | {
            "HOME": str(self.directory),
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration),
        }


def options_of(example: str) -> set[str]:
    """Return the options of an example's argument parser."""
    text = (ROOT / "examples" / example).read_text(encoding="utf-8")
    return set(re.findall(r'add(?:_argument)?\(\s*"(--[\w-]+)"', text))


def logged(ended: ScriptResult, what: str) -> list[Any]:
    """Return the values that sagemaker_sdk.py logged under a name, in order."""
    start = f"sagemaker_sdk: {what}: "
    lines = [line for line in ended.err.splitlines() if line.startswith(start)]
    return [json.loads(line.removeprefix(start)) for line in lines]
