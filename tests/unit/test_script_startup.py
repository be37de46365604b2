"""Crashes of workers that load a user's program are counted, and end the attempts."""

import subprocess
import sys
from pathlib import Path

import pytest

from container.errors import ModelNotReady
from container.script_mode.serving.startup import MAX_CRASHES, crashes_limited

CRASH = """
import os, pathlib
from container.script_mode.serving.startup import crashes_limited
with crashes_limited(pathlib.Path({scratch!r})):
    os._exit(9)
"""


def crash(scratch: Path, times: int) -> None:
    """Start processes that crash while they load a program."""
    path = [entry for entry in sys.path if entry]
    code = f"import sys; sys.path[:] = {path!r}" + CRASH.format(scratch=str(scratch))
    for _ in range(times):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9


def test_crashes_are_limited(tmp_path: Path) -> None:
    """An error that was reported is no crash; after the last crash no worker tries again."""
    crash(tmp_path, MAX_CRASHES - 1)
    with pytest.raises(KeyError), crashes_limited(tmp_path):
        raise KeyError
    crash(tmp_path, 1)

    with (
        pytest.raises(ModelNotReady, match=f"ended {MAX_CRASHES} workers"),
        crashes_limited(tmp_path),
    ):
        pytest.fail("the program was loaded")


def test_successful_load_resets_the_count(tmp_path: Path) -> None:
    """Crashes before a successful load are forgotten, for example while memory was short."""
    for _ in range(2):
        crash(tmp_path, MAX_CRASHES - 1)
        with crashes_limited(tmp_path):
            pass
    crash(tmp_path, MAX_CRASHES - 1)

    with crashes_limited(tmp_path):
        assert len(list((tmp_path / "loading").iterdir())) == MAX_CRASHES
