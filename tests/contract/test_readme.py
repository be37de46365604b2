"""What README.md says is what the code does."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from container import errors
from container.errors import ContainerError
from container.settings import Settings
from material import PROGRAM_DIR, ROOT, OptMl
from processes import Server, train

README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows_after(words: str) -> dict[str, list[str]]:
    """Return the first table after some words: first cell -> the others, without backticks."""
    lines = README[README.index(words) :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *others = [cell.strip(" `") for cell in line.strip("|").split("|")]
        rows[first] = others
    return rows


def test_readme_lists_every_setting() -> None:
    """The table of settings and the fields of settings.py name the same variables."""
    source = (PROGRAM_DIR / "container/settings.py").read_text(encoding="utf-8")
    documented = set(re.findall(r'"""`([A-Z_]+)`: ', source))

    assert set(rows_after("### Settings")) == documented


def test_readme_gives_the_defaults_of_the_settings() -> None:
    """The defaults in the table are those that hold in an empty environment."""
    settings = Settings.from_environ({})
    given = {name: cells[0] for name, cells in rows_after("### Settings").items()}

    assert settings.workers == settings.cores
    assert given["MODEL_SERVER_TIMEOUT"] == str(settings.timeout_seconds)
    assert given["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == str(settings.max_payload_bytes // 1024**2)
    assert given["SAGEMAKER_BIND_TO_PORT"] == str(settings.port)
    assert given["SAGEMAKER_BASE_DIR"] == str(settings.paths.base_dir)
    assert "MODEL_SERVER_USER=nobody" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_readme_lists_every_exit_code_of_training() -> None:
    """The table of exit codes has the code of every error that training can end with."""
    codes = {errors.UserError.exit_code, errors.SettingsError.exit_code, ContainerError.exit_code}
    by_signal = {errors.EXIT_STOPPED, 128 + signal.SIGKILL}

    assert {int(code) for code in rows_after("| exit code")} == {0} | codes | by_signal


def test_readme_names_only_files_that_exist() -> None:
    """The layout, and every path in a command, lead to something."""
    layout = README.split("## What is where")[1].split("```")[1]
    folder = ""
    for line in layout.strip().splitlines():
        names = re.split(r" {2,}|\bYOURS\b", line.strip())[0].split(", ")
        if not line.startswith(" "):
            folder = names[0] if names[0].endswith("/") else ""
        for name in names:
            assert (ROOT / ("" if name == folder else folder) / name).exists(), name
    for command in re.findall(r"\./([\w/.]+\.sh)", README):
        assert os.access(ROOT / command, os.X_OK), command


def test_readme_finds_every_place_to_edit() -> None:
    """The command that it gives finds a mark in each file that is yours, and in no other."""
    command = re.search(r"^grep .*# YOURS:.*$", README, re.MULTILINE)
    assert command is not None
    found = subprocess.run(
        ["bash", "-c", command[0]], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )

    files = {Path(line.split(":")[0]).name for line in found.stdout.splitlines()}
    assert files == {"algorithm.py", "predictor.py", "train.in"}


def test_readme_shows_what_the_quickstart_prints(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    """Rows, labels and accuracy in the README are those of the data in local_test."""
    opt_ml = OptMl(tmp_path / "ml")
    shutil.copytree(ROOT / "local_test/test_dir/input", opt_ml.base / "input")
    log = train(opt_ml).log
    server = serve(opt_ml)
    server.await_ready()

    payload = (ROOT / "local_test/payload.csv").read_text(encoding="utf-8")
    pairs = zip(payload.splitlines(), server.invoke(payload).lines(), strict=True)
    answered = [f"{row}\t{label}" for row, label in pairs]

    shown = README.split("and its label:\n")[1].split("\nquickstart:")[0].splitlines()
    assert shown == [*answered[:2], "...", answered[-1]]
    metric = re.search(r"metrics:\n(train:accuracy=.*;)", README)
    assert metric is not None
    assert metric[1] in log


def test_readme_gives_a_regular_expression_that_finds_the_metric(tmp_path: Path) -> None:
    """The metric definition that it recommends matches the log of a job, once."""
    opt_ml = OptMl(tmp_path / "ml")
    shutil.copytree(ROOT / "local_test/test_dir/input", opt_ml.base / "input")
    regex = re.search(r"metric definitions: `(.*?)`", README)
    assert regex is not None

    assert re.findall(regex[1], train(opt_ml).log) == ["0.98"]


@pytest.mark.parametrize("word", ["ModelNotReady", "ModelServerNotReady"])
def test_readme_explains_errors_that_exist(word: str) -> None:
    """The names that users search for are those that the program gives."""
    sources = [PROGRAM_DIR / "nginx.conf", PROGRAM_DIR / "container/errors.py"]

    assert any(word in source.read_text(encoding="utf-8") for source in sources)
