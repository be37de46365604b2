"""What README.md says is what the code does."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from algorithm import Hyperparameters
from container import errors
from container.data.readers import detection
from container.errors import ContainerError
from container.formats.media_types import OUTPUTS, REPLIES
from container.hyperparameters.declaration import declarations
from container.resources import mini_batches
from container.settings import BOARD_VARIABLE, Settings
from support.material import PROGRAM_DIR, ROOT, OptMl
from support.processes import Server, train
from support.readme import README, metric_definitions


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
    """The table, what the fields say, and what is read have the same variables, by setting."""
    source = (PROGRAM_DIR / "container/settings.py").read_text(encoding="utf-8")
    name = r"(?:BAD|MODEL|SAGEMAKER)_[A-Z_]+"
    fields = re.findall(rf'"""((?:`{name}`,?\s+)*`{name}`): ', source)
    documented = {tuple(re.findall(name, names)) for names in fields}

    assert {tuple(re.findall(name, names)) for names in rows_after("### Settings")} == documented
    read = set(re.findall(rf'"({name})"', source)) - {BOARD_VARIABLE}  # of `serve`, for its workers
    assert read == {name for row in documented for name in row}


def test_readme_gives_the_defaults_of_the_settings() -> None:
    """The defaults in the table are those that hold in an empty environment."""
    settings = Settings.from_environ({})
    in_batch = Settings.from_environ({"SAGEMAKER_BATCH": "true"})
    given = {name.split("`")[0]: cells[0] for name, cells in rows_after("### Settings").items()}

    assert given == {
        "MODEL_SERVER_WORKERS": "as many as have a core each and fit into the memory",
        "MODEL_SERVER_THREADS": "the cores over the workers",
        "MODEL_SERVER_TIMEOUT": (
            f"{settings.timeout_seconds}; in batch transform {in_batch.timeout_seconds}"
        ),
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(settings.max_payload_bytes // 1024**2),
        "MODEL_SERVER_LOG_LEVEL": logging.getLevelName(settings.log_level),
        "SAGEMAKER_INFERENCE_OUTPUT": f"{_none(settings.outputs)}: the label, or the score",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": settings.default_accept,
        "BAD_RECORDS": settings.bad_records,
        "SAGEMAKER_BIND_TO_PORT": str(settings.port),
        "SAGEMAKER_SAFE_PORT_RANGE": _none(settings.safe_port_range),
        "SAGEMAKER_BATCH": str(settings.batch).lower(),
        "SAGEMAKER_BATCH_STRATEGY": _none(settings.batch_strategy),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": (
            f"the workers, at most {mini_batches(512, 0, None)[0]}"
        ),
        "SAGEMAKER_PROGRAM": (
            f"{_none(settings.program)}: `inference.py`, or the only script, in `/opt/ml/model/code"
        ),
        "SAGEMAKER_SUBMIT_DIRECTORY": (
            f"{_none(settings.submit_directory)}: `/opt/ml/model/code`, then `/opt/ml/code"
        ),
        "MODEL_SERVER_USER": "nobody` in the image",
        "SAGEMAKER_BASE_DIR": str(settings.paths.base_dir),
    }
    assert "MODEL_SERVER_USER=nobody" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_readme_lists_what_the_settings_take() -> None:
    """Words that a setting takes are in its row, and no others."""
    rows = {name.split("`")[0]: cells for name, cells in rows_after("### Settings").items()}

    def words(variable: str) -> set[str]:
        return set(re.findall(r"`([\w/-]+)`", "`, `".join(["", *rows[variable], ""])))

    assert words("SAGEMAKER_INFERENCE_OUTPUT") == set(OUTPUTS)
    assert words("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") == set(REPLIES)


def _none(value: object) -> str:
    assert value is None
    return "none"


def test_readme_lists_every_exit_code_of_training() -> None:
    """The table of exit codes has the code of every error that training can end with."""
    codes = {errors.UserError.exit_code, errors.SettingsError.exit_code, ContainerError.exit_code}
    usage = {os.EX_USAGE}
    by_signal = {errors.EXIT_STOPPED, 128 + signal.SIGKILL}
    listed = {int(code) for code in rows_after("| exit code | meaning")}

    assert listed == {0} | codes | usage | by_signal


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


def test_readme_lists_every_hyperparameter() -> None:
    """Names, defaults and what they take are those that algorithm.py declares."""
    declared = {
        d.name: [str(d.default), d.expected().replace("|", "&#124;")]
        for d in declarations(Hyperparameters)
    }

    assert rows_after("### Hyperparameters") == declared


def test_readme_lists_every_content_type_and_suffix() -> None:
    """The table of formats has what the program knows."""
    rows = rows_after("### Data").values()

    assert set(re.findall(r"[\w.-]+/[\w.-]+", str(rows))) == set(detection.MEDIA_TYPES)
    assert set(re.findall(r"(?<![\w/])\.\w+", str(rows))) == set(detection.SUFFIXES)


def test_readme_gives_definitions_that_find_each_metric_once(tmp_path: Path) -> None:
    """Over the log of a job each regular expression finds the value of metrics.json, once."""
    opt_ml = OptMl(tmp_path / "ml")
    rows = "".join(f"{'ab'[n % 3 == 0]},{n},{n * n % 7}\n" for n in range(60))
    opt_ml.write("two_classes.csv", rows)
    opt_ml.write("two_classes.csv", rows, channel="validation")
    opt_ml.write_hyperparameters({"max_depth": "2"})

    log = train(opt_ml).log

    written = json.loads(opt_ml.metrics.read_text())
    for definition in metric_definitions():
        part, metric = definition["Name"].split(":")
        assert re.findall(definition["Regex"], log) == [f"{written[part][metric]:.6g}"]


def test_readme_lists_every_metric(opt_ml: OptMl) -> None:
    """The table of metrics has every name that a job prints, of either task, and no other."""
    printed = set()
    for task in ("classification", "regression"):
        opt_ml.write("rows.csv", "0,1\n1,2\n0,3\n1,5\n")
        opt_ml.write_hyperparameters({"task": task})
        printed |= set(re.findall(r"train:(\w+)=", train(opt_ml).log))

    assert (
        set(re.findall(r"`(\w+)`", ",".join(f"`{k}`" for k in rows_after("### Metrics"))))
        == printed
    )


@pytest.mark.parametrize("word", ["ModelNotReady", "ModelServerNotReady"])
def test_readme_explains_errors_that_exist(word: str) -> None:
    """The names that users search for are those that the program gives."""
    sources = [PROGRAM_DIR / "nginx.conf", PROGRAM_DIR / "container/errors.py"]

    assert any(word in source.read_text(encoding="utf-8") for source in sources)
