"""The real `selftest` of a clone: its report of success and of each kind of failure."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from container.errors import EXIT_STOPPED
from container.selftest.checks import EXIT_FAILED, USAGE, Checks
from container.selftest.sandbox import N_ROWS
from support.material import PROGRAM_DIR, OptMl, soak_only
from support.processes import environment, launch, read_until, wait_for

Change = Callable[[str], str]


def started(program: Path, directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `selftest` with the folder of the program first on PATH, as in an image."""
    scratch = directory / "scratch"
    scratch.mkdir()
    variables = environment(OptMl(directory / "nothing"), TMPDIR=str(scratch))
    variables["PATH"] = f"{program}{os.pathsep}{variables['PATH']}"
    return launch(
        [program / "selftest", *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def ended(program: Path, directory: Path, *arguments: str) -> tuple[int, list[str]]:
    """Run `selftest`; return its exit code and its lines. No file may remain."""
    result = wait_for(started(program, directory, *arguments))
    assert list((directory / "scratch").iterdir()) == []
    return result.code, result.log.splitlines()


@pytest.fixture
def tmp_path(short_path: Path) -> Path:
    """A directory in which a server finds room for the path of its socket."""
    return short_path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the program, which tests may break."""
    ignored = shutil.ignore_patterns("__pycache__", "requirements")
    return Path(shutil.copytree(PROGRAM_DIR, tmp_path / "program", ignore=ignored))


def test_selftest_prints_one_line_for_each_check(tmp_path: Path) -> None:
    """On success each check has a line, in order, with its result and duration."""
    code, lines = ended(PROGRAM_DIR, tmp_path)

    assert code == 0, "\n".join(lines)
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in Checks.NAMES]
    assert re.fullmatch(rf"ok +training +{N_ROWS} rows, [\d.]+ s", lines[3])
    assert f"{PROGRAM_DIR}/train" in lines[0]
    assert f"{PROGRAM_DIR}/serve" in lines[0]


def test_selftest_works_in_a_directory_with_a_long_path(tmp_path: Path) -> None:
    """A socket's path has at most 107 characters; `selftest` allows paths as long as `serve`."""
    room = 107 - len("/serve-12345678/workers/http") - len(f"{tmp_path}//scratch")
    long = tmp_path / ("x" * room)
    long.mkdir()

    code, lines = ended(PROGRAM_DIR, long)

    assert code == 0, "\n".join(lines)


def test_selftest_without_train_skips_checks(clone: Path, tmp_path: Path) -> None:
    """The inference image has no train: checks that need a model are skipped, others run."""
    (clone / "train").unlink()

    code, lines = ended(clone, tmp_path)

    assert code == 0, "\n".join(lines)
    results = dict(line.split()[1::-1] for line in lines)
    assert {name for name, word in results.items() if word == "skipped"} == {
        "algorithm",
        "training",
        "invocations",
    }
    assert "no train: this image only serves" in lines[0]
    assert all("no train in this image" in line for line in lines if line.startswith("skipped"))


def write(name: str, change: Change) -> Callable[[Path], None]:
    """Return a function that changes the text of one file of a clone."""

    def act(clone: Path) -> None:
        file = clone / name
        text = file.read_text(encoding="utf-8")
        assert change(text) != text
        file.write_text(change(text), encoding="utf-8")

    return act


def mode(name: str) -> Callable[[Path], None]:
    """Return a function that makes a program of a clone not executable."""
    return lambda clone: (clone / name).chmod(0o644)


def answers(body: str) -> Callable[[Path], None]:
    """Return a function that replaces `answer` in the service of a clone."""
    method = f"\n    def answer(self, invocation):\n        {body}\n"
    names = "from container.payloads import Answer\n"
    return write("predictor.py", lambda text: text.replace("\n\n\n", f"\n{names}\n\n", 1) + method)


BROKEN = {
    "import": (
        write("algorithm.py", lambda text: "import no_such_package\n" + text),
        "algorithm",
        "train --schema ended with exit code 65; correct algorithm.py.",
        "train: algorithm.py, line 1, needs the package no_such_package, which is not installed;",
    ),
    "fit": (
        write(
            "algorithm.py",
            lambda text: (
                text + "\n\nfrom container.training import TrainingDataError\n\n"
                "def fit(*_):\n    raise TrainingDataError('Too few rows.')\n"
            ),
        ),
        "training",
        "train ended with exit code 65: Too few rows.",
        "Too few rows.",
    ),
    "save": (
        write("algorithm.py", lambda text: text + "\n\ndef save(*_):\n    pass\n"),
        "training",
        "train wrote no file to the model directory; write the model in save.",
        "train:rows=150;",
    ),
    "train": (mode("train"), "programs", "/train is not executable; run `chmod a+x ", ""),
    "serve": (mode("serve"), "programs", "/serve is not executable; run `chmod a+x ", ""),
    "nginx": (
        write("nginx.conf", lambda text: text.replace("daemon off;", "demon off;")),
        "nginx",
        "nginx rejects nginx.conf with exit code 1; see the lines below.",
        'unknown directive "demon" in ',
    ),
    "predictor": (
        write("predictor.py", lambda text: "import no_such_package\n" + text),
        "serving",
        "serve exited with code 66; the last response of /ping was 503 ",
        "predictor.py, line 1, needs the package no_such_package, which is not installed; its ",
    ),
    "load": (
        write(
            "predictor.py",
            lambda text: text.replace(
                "model.load(settings.paths.model", "model.load(settings.paths.data"
            ),
        ),
        "serving",
        "serve exited with code 66; the last response of /ping was 503 ",
        "/input/data/model.json cannot be read",
    ),
    "error": (
        answers("1 / 0"),
        "invocations",
        "/invocations returned 500 for training rows: ",
        "ZeroDivisionError",
    ),
    "no answer": (
        answers("return Answer(b'7', 'a/b', 1)"),
        "invocations",
        "/invocations returned '7', which is not a predicted_label.",
        "",
    ),
    "too few": (
        answers("return Answer(b'1', 'a/b', 1)"),
        "invocations",
        f"/invocations returned 1 predictions for {N_ROWS} rows.",
        "",
    ),
    "among others": (
        answers(
            "n = invocation.body.count(b'\\n')\n"
            "        return Answer(b'1\\n' * n if n == 1 else b'0\\n' * n, 'a/b', n)"
        ),
        "invocations",
        "The prediction for row 1 is '1' alone and '0' with others.",
        "",
    ),
    "stop": (
        write("serve", lambda text: text.replace("server.main()", "server.main() or 3")),
        "stop",
        "serve ended with exit code 3 after SIGTERM; it must be 0.",
        "stopped",
    ),
}


SOAKED = {"save", "load", "error", "no answer", "too few"}
"""Faults that another one resembles; each takes seconds to find."""


@pytest.mark.parametrize(
    ("act", "name", "words", "log"),
    [soak_only(*BROKEN[key]) if key in SOAKED else BROKEN[key] for key in BROKEN],
    ids=BROKEN,
)
def test_selftest_stops_at_the_first_failure(
    clone: Path, tmp_path: Path, act: Callable[[Path], None], name: str, words: str, log: str
) -> None:
    """The line of the check has the reason, its log follows, and no other check runs."""
    act(clone)

    code, lines = ended(clone, tmp_path)

    results = [line for line in lines if not line.startswith("    ")]
    assert code == EXIT_FAILED, lines
    assert [line.split()[:2] for line in results] == [
        *(["ok", before] for before in Checks.NAMES[: Checks.NAMES.index(name)]),
        ["FAILED", name],
    ], "\n".join(lines)
    assert words in results[-1]
    assert any(log in line for line in lines[len(results) :]) or not log


def test_selftest_reports_programs_that_are_not_on_path(tmp_path: Path) -> None:
    """The message says which directory must be on PATH."""
    variables = environment(OptMl(tmp_path))

    done = subprocess.run(
        [PROGRAM_DIR / "selftest"], env=variables, check=False, capture_output=True, text=True
    )

    assert done.returncode == EXIT_FAILED
    assert f"put {PROGRAM_DIR} first on PATH." in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_selftest_that_is_stopped_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A stop ends all started programs and removes the directory."""
    process = started(PROGRAM_DIR, tmp_path)
    read_until(process, "training")

    process.send_signal(number)

    assert wait_for(process).code == EXIT_STOPPED
    assert list((tmp_path / "scratch").iterdir()) == []


def test_selftest_takes_no_arguments(tmp_path: Path) -> None:
    """With an argument it prints the usage and checks nothing."""
    assert ended(PROGRAM_DIR, tmp_path, "--help") == (os.EX_USAGE, [USAGE.strip()])
