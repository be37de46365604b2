"""How a server knows that a program ends the workers that load it."""

import subprocess
import sys
from pathlib import Path

import pytest

from container.errors import ModelNotReady
from container.script_mode.serving.startup import MOST, noted

LOSE = """
import os, pathlib
from container.script_mode.serving.startup import noted
with noted(pathlib.Path({scratch!r})):
    os._exit(9)
"""


def lose(scratch: Path, times: int) -> None:
    """Let processes end while they load."""
    path = [entry for entry in sys.path if entry]
    code = f"import sys; sys.path[:] = {path!r}" + LOSE.format(scratch=str(scratch))
    for _ in range(times):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9


def test_workers_that_are_lost_are_counted(tmp_path: Path) -> None:
    """One fewer than the most is borne, and then the next worker does not try."""
    lose(tmp_path, MOST - 1)
    with pytest.raises(KeyError), noted(tmp_path):
        raise KeyError  # an error that is told is no loss, and makes up for none
    lose(tmp_path, 1)

    with pytest.raises(ModelNotReady, match=f"has ended {MOST} workers"), noted(tmp_path):
        pytest.fail("it was tried")


def test_worker_that_is_loaded_makes_up_for_those_before(tmp_path: Path) -> None:
    """Losses far apart, such as those of a machine short of memory, do not add up."""
    for _ in range(2):
        lose(tmp_path, MOST - 1)
        with noted(tmp_path):
            pass
    lose(tmp_path, MOST - 1)

    with noted(tmp_path):
        assert len(list((tmp_path / "loading").iterdir())) == MOST
