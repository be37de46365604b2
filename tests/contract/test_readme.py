"""Pages compared with the program: settings, codes, formats, metrics and messages."""

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
from container.resources import CONCURRENT_BODIES, mini_batches
from container.script_mode import training as script_mode
from container.script_mode.serving.handlers import ARGUMENTS
from container.serving import commands as serving_commands
from container.serving import concurrency, scoreboard
from container.serving.supervision import monitor
from container.settings import SCOREBOARD_VARIABLE, Settings
from support.material import PROGRAM_DIR, ROOT, OptMl
from support.pages import PAGES, README, commands, metric_definitions, section, table
from support.processes import Server, train

SETTINGS = ("docs/environment-variables.md", "Environment variables")
OPERATIONS = "docs/operations.md"
REQUESTS = "docs/requests-and-responses.md"
TRAINING_DATA = "docs/training-data.md"


def settings_by_first_name() -> dict[str, list[str]]:
    """Return the cells of each setting, by the first of its names."""
    return {names.split("`")[0]: cells for names, cells in table(*SETTINGS).items()}


def words_of(cell: str) -> set[str]:
    """Return the words in backticks of a cell whose last backtick was stripped."""
    return set(re.findall(r"`([\w/-]+)`", f"{cell}`"))


def test_settings_are_documented() -> None:
    """The table, the docstrings of the fields and the code name the same variables."""
    files = [PROGRAM_DIR / "container" / name for name in ("settings.py", "paths.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    name = r"(?:BAD|MODEL|SAGEMAKER)_[A-Z_]+"
    fields = re.findall(rf'"""((?:`{name}`,?\s+)*`{name}`): ', source)
    documented = {tuple(re.findall(name, names)) for names in fields}

    assert {tuple(re.findall(name, names)) for names in table(*SETTINGS)} == documented
    read = set(re.findall(rf'"({name})"', source)) - {SCOREBOARD_VARIABLE}  # set by `serve`
    assert read == {name for row in documented for name in row}


def test_settings_have_the_documented_defaults() -> None:
    """The documented defaults are those of an empty environment."""
    settings = Settings.from_environ({})
    in_batch = Settings.from_environ({"SAGEMAKER_BATCH": "true"})

    assert {name: cells[0] for name, cells in settings_by_first_name().items()} == {
        "MODEL_SERVER_WORKERS": "one per core, as far as the memory allows",
        "MODEL_SERVER_THREADS": "cores divided by workers",
        "MODEL_SERVER_TIMEOUT": (
            f"{settings.timeout_seconds}; in batch transform {in_batch.timeout_seconds}"
        ),
        "SAGEMAKER_STARTUP_TIMEOUT": str(settings.startup_seconds),
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(settings.max_payload_bytes // 1024**2),
        "MODEL_SERVER_LOG_LEVEL": logging.getLevelName(settings.log_level),
        "SAGEMAKER_INFERENCE_OUTPUT": f"{_none(settings.outputs)}: the label, or the score",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": settings.default_accept,
        "BAD_RECORDS": settings.bad_records,
        "SAGEMAKER_BIND_TO_PORT": str(settings.port),
        "SAGEMAKER_BATCH": str(settings.batch).lower(),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": (
            f"the number of workers, at most {mini_batches(512, 0, None)[0]}"
        ),
        "SAGEMAKER_PROGRAM": (
            f"{_none(settings.program)}: `inference.py`, or the only script, in `/opt/ml/model/code"
        ),
        "SAGEMAKER_SUBMIT_DIRECTORY": (
            f"{_none(settings.submit_directory)}: `/opt/ml/model/code`, then `/opt/ml/code"
        ),
        "MODEL_SERVER_USER": "nobody` in the image",
        "SAGEMAKER_MULTI_MODEL": str(settings.multi_model).lower(),
        "SAGEMAKER_BASE_DIR": str(settings.paths.base_dir),
    }
    assert "MODEL_SERVER_USER=nobody" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def _none(value: object) -> str:
    assert value is None
    return "none"


def test_settings_take_the_documented_words() -> None:
    """The row of a setting contains exactly the words that it accepts."""
    rows = settings_by_first_name()
    default, formats = rows["SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"]

    assert words_of(rows["SAGEMAKER_INFERENCE_OUTPUT"][1]) == set(OUTPUTS)
    assert {default} | words_of(formats) - {"Accept"} == set(REPLIES)


def test_outputs_and_formats_of_responses_are_documented() -> None:
    """The table lists every output, and the sentence above it every format."""
    responses = section(REQUESTS, "Responses")
    outputs = {name for cell in table(REQUESTS, "Responses") for name in re.findall(r"\w+", cell)}

    assert outputs == set(OUTPUTS)
    assert set(re.findall(r"`([a-z]+/[\w.-]+)`", responses)) == set(REPLIES)


def test_exit_codes_of_training_are_documented() -> None:
    """The table lists the code of every error that a job can exit with."""
    codes = {errors.UserError.exit_code, errors.SettingsError.exit_code, ContainerError.exit_code}
    by_signal = {errors.EXIT_STOPPED, 128 + signal.SIGKILL}

    listed = {int(code) for code in table(OPERATIONS, "`train`")}
    assert listed == {0, os.EX_USAGE} | codes | by_signal


def test_exit_codes_of_serving_are_documented() -> None:
    """The table lists the codes that the program chooses."""
    codes = {errors.PlatformError.exit_code, errors.SettingsError.exit_code, errors.EXIT_NO_MODEL}

    assert {int(code) for code in table(OPERATIONS, "`serve`")} == {0, 1} | codes


def test_statuses_of_errors_are_documented() -> None:
    """The table lists the status of every class of error, and those that nginx returns."""
    listed = {int(code) for cell in table(REQUESTS, "Errors") for code in re.findall(r"\d+", cell)}
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    ours = {value.status for value in classes if issubclass(value, ContainerError)}
    nginx = (PROGRAM_DIR / "nginx.conf").read_text(encoding="utf-8")
    returned = {int(status) for status in re.findall(r"return (\d{3}) '", nginx)}

    assert listed == ours | returned | {431}  # gunicorn returns it for large headers


def test_paths_are_documented() -> None:
    """The table lists the paths of nginx's configuration."""
    nginx = (PROGRAM_DIR / "nginx.conf").read_text(encoding="utf-8")

    assert set(table(REQUESTS, "Endpoints")) == set(re.findall(r"location = (/[a-z-]+) ", nginx))


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Lifecycle of the server", f"answered within {serving_commands.STOP_SECONDS:.0f} seconds"),
        ("Health checks", f"in the last {scoreboard.HEARTBEAT_SECONDS:.0f} seconds"),
        ("Health checks", f"{scoreboard.MAX_CRASHES} workers"),
        ("Health checks", f"for {monitor.NO_MODEL_SECONDS:.0f} seconds"),
        ("Health checks", f"with code {errors.EXIT_NO_MODEL}"),
        ("Load", f"below {concurrency.LARGE_BODY_BYTES // 1024} KiB"),
        ("Load", f"{CONCURRENT_BODIES} at a time"),
        ("Load", f"Up to {concurrency.MAX_QUEUED} more"),
        ("`train`", f"gets {script_mode.STOP_SECONDS:.0f} seconds"),
    ],
)
def test_limits_of_operations_are_those_of_the_code(title: str, words: str) -> None:
    """The seconds and sizes on the page are the constants of the program."""
    assert words in section(OPERATIONS, title)


def test_marks_are_in_every_file_to_edit() -> None:
    """The documented command finds a mark in each file to edit, and in no other."""
    (command,) = commands("docs/bring-your-own-algorithm.md", "Bring your own algorithm")
    found = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )

    files = {Path(line.split(":")[0]).name for line in found.stdout.splitlines()}
    assert files == {"algorithm.py", "predictor.py", "train.in"}


def test_quickstart_prints_what_is_shown(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Rows, labels and accuracy in the README equal those of the data in local_test."""
    opt_ml = OptMl(tmp_path / "ml")
    shutil.copytree(ROOT / "local_test/test_dir/input", opt_ml.base / "input")
    log = train(opt_ml).log
    endpoint = serve(opt_ml)
    endpoint.await_ready()

    payload = (ROOT / "local_test/payload.csv").read_text(encoding="utf-8")
    pairs = zip(payload.splitlines(), endpoint.invoke(payload).lines(), strict=True)
    answered = [f"{row}\t{label}" for row, label in pairs]

    readme = PAGES[README]
    shown = readme.split("and its label:\n")[1].split("\nquickstart:")[0].splitlines()
    assert shown == [*answered[:2], "...", answered[-1]]
    metric = re.search(r"metrics:\n(train:accuracy=.*;)", readme)
    assert metric is not None
    assert metric[1] in log


def test_hyperparameters_are_documented() -> None:
    """Names, defaults and accepted values equal those of algorithm.py."""
    declared = {
        d.name: [str(d.default), d.expected().replace("|", "&#124;")]
        for d in declarations(Hyperparameters)
    }

    assert table("docs/hyperparameters.md", "Hyperparameters") == declared


def test_content_types_and_suffixes_are_documented() -> None:
    """The table of formats lists all content types and suffixes."""
    rows = str(table(TRAINING_DATA, "Formats").values())

    assert set(re.findall(r"[\w.-]+/[\w.-]+", rows)) == set(detection.MEDIA_TYPES)
    assert set(re.findall(r"(?<![\w/])\.\w+", rows)) == set(detection.SUFFIXES)


def test_metric_definitions_find_each_metric_once(tmp_path: Path) -> None:
    """In the log of a job each regular expression matches the value of metrics.json once."""
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


def test_metrics_of_training_are_documented(opt_ml: OptMl) -> None:
    """The table lists every metric that a job prints, for both tasks, and no other."""
    printed = set()
    for task in ("classification", "regression"):
        opt_ml.write("rows.csv", "0,1\n1,2\n0,3\n1,5\n")
        opt_ml.write_hyperparameters({"task": task})
        printed |= set(re.findall(r"train:(\w+)=", train(opt_ml).log))

    listed = ",".join(table(TRAINING_DATA, "Training metrics"))
    assert set(re.findall(r"\w+", listed)) == printed


def test_metrics_of_serving_are_documented(trained: OptMl, serve: Callable[..., Server]) -> None:
    """The table lists every metric of /metrics with its type, and no other."""
    endpoint = serve(trained)
    endpoint.await_ready()
    text = endpoint.request("/metrics").body.decode()

    listed = {name: cells[0] for name, cells in table(OPERATIONS, "Metrics").items()}
    assert listed == dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))


def test_functions_of_a_script_are_documented() -> None:
    """The table lists the functions and arguments that script mode calls."""
    listed = {
        function: tuple(re.findall(r"\w+", cells[0]))
        for function, cells in table("docs/script-mode.md", "Serving").items()
    }

    assert listed == dict(ARGUMENTS)


@pytest.mark.parametrize("word", ["ModelNotReady", "ModelServerNotReady"])
def test_explained_errors_exist(word: str) -> None:
    """The program contains the messages that the page explains."""
    sources = [PROGRAM_DIR / "nginx.conf", PROGRAM_DIR / "container/errors.py"]

    assert word in PAGES["docs/troubleshooting.md"]
    assert any(word in source.read_text(encoding="utf-8") for source in sources)
