"""Hosts of a job as processes, each with its own address and /opt/ml directory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support.host_threads import NAMES
from support.material import PROGRAM_DIR, OptMl
from support.processes import environment, launch, wait_for

JOINED = "waiting for the other hosts done"
"""Words in the log of a host that is connected."""

QUIET_SECONDS = 600.0
"""Longer than any test."""


class HostProcess:
    """A host that is quiet for some seconds after it has joined, and then exits."""

    def __init__(self, directory: Path, name: str, port: int, seconds: float) -> None:
        self.opt_ml = OptMl(directory / name)
        config = {"current_host": name, "hosts": NAMES}
        file = self.opt_ml.base / "input/config/resourceconfig.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(config))
        self.process: subprocess.Popen[str] = launch(
            [sys.executable, Path(__file__).parent / "host_program.py", str(port), str(seconds)],
            env=environment(self.opt_ml, PYTHONPATH=str(PROGRAM_DIR)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


def started(
    directory: Path, port: int, names: Sequence[str] = NAMES, seconds: float = QUIET_SECONDS
) -> list[HostProcess]:
    """Start hosts of a job of three."""
    return [HostProcess(directory, name, port, seconds) for name in names]


def check_failures(hosts: Sequence[HostProcess], *words: str) -> None:
    """Check that hosts exit with code 70 and a printable failure file that has these words."""
    for host in hosts:
        ended = wait_for(host.process)
        assert ended.code == 70, ended.log
        failure = host.opt_ml.failure.read_text()
        assert failure.isprintable()
        for word in words:
            assert word in failure
