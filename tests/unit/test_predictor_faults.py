"""Mistakes in a user's predictor.py: the reason on /ping."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.material import PROGRAM_DIR, OptMl
from support.processes import DEADLINE_SECONDS, environment

PING = "import wsgi; print(wsgi.make_app().test_client().get('/ping').text)"
N_LINES = len((PROGRAM_DIR / "predictor.py").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("del ScoringService", "predictor.py has no class ScoringService; define it."),
        (
            "def f(:",
            (
                f"predictor.py, line {N_LINES + 1}, is not valid Python (invalid syntax); its "
                "traceback is in the log."
            ),
        ),
        (
            "import no_such_package",
            (
                f"predictor.py, line {N_LINES + 1}, needs the package no_such_package, which is "
                "not installed; its traceback is in the log."
            ),
        ),
        (
            "ScoringService.load = classmethod(lambda cls, settings: {}['private'])",
            f"predictor.py, line {N_LINES + 1}, raised KeyError; its traceback is in the log.",
        ),
    ],
    ids=["class", "syntax", "import", "load"],
)
def test_mistake_is_named_with_its_line(tmp_path: Path, addition: str, message: str) -> None:
    """The server starts and reports why there is no model; gunicorn would only exit with code 3."""
    program = tmp_path / "program"
    shutil.copytree(PROGRAM_DIR, program, ignore=shutil.ignore_patterns("__pycache__"))
    with (program / "predictor.py").open("a", encoding="utf-8") as file:
        file.write(f"{addition}\n")

    ended = subprocess.run(
        [sys.executable, "-c", PING],
        check=False,
        cwd=program,
        env=environment(OptMl(tmp_path / "ml")),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )

    reply = json.loads(ended.stdout.splitlines()[-2])
    assert (reply["error"], reply["message"]) == ("ModelNotReady", message)
