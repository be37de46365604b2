"""Supervision of a training job with real processes and signals; the jobs: supervised_jobs.py."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from artifact.metadata import ArtifactError
from container.paths import PROGRAM_DIR, named_if_full, written_atomically
from container.supervisor import describe, stop_postponed
from support import supervised_jobs
from support.material import OptMl
from support.processes import Ended, launch, read_until, wait_for

PROGRAM = (
    "import sys, supervised_jobs as jobs; from container.supervisor import main, supervise; "
    "job, policy = (getattr(jobs, name) for name in sys.argv[1:]); "
    "sys.exit(main(lambda paths, _: supervise(job, paths, policy())))"
)


def start(
    job: str, opt_ml: OptMl, beforehand: str = "", policy: str = "SupervisionPolicy"
) -> subprocess.Popen[str]:
    """Start a program that runs a job of supervised_jobs.py."""
    opt_ml.base.mkdir(exist_ok=True)
    path = os.pathsep.join([str(PROGRAM_DIR), str(Path(supervised_jobs.__file__).parent)])
    return launch(
        [sys.executable, "-c", beforehand + PROGRAM, job, policy],
        env=os.environ | {"PYTHONPATH": path, "SAGEMAKER_BASE_DIR": str(opt_ml.base)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait until the program has ended; none of its processes may remain."""
    result = wait_for(process)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return result


def files_of(opt_ml: OptMl) -> dict[str, str]:
    """Return name and content of everything in the model directory."""
    return {file.name: file.read_text() for file in sorted(opt_ml.model.glob("*"))}


def test_successful_job_writes_a_model(opt_ml: OptMl) -> None:
    """The exit code is 0, and there is a model and no failure file."""
    result = ended(start("succeeds", opt_ml))

    assert result.code == 0, result.log
    assert files_of(opt_ml) == {"model.json": "record", "model.onnx": "graph"}
    assert not opt_ml.failure.exists()


def test_successful_job_removes_an_old_failure_file(opt_ml: OptMl) -> None:
    """The failure file of an earlier job is removed."""
    opt_ml.failure.parent.mkdir(parents=True)
    opt_ml.failure.write_text("old")

    assert ended(start("succeeds", opt_ml)).code == 0
    assert not opt_ml.failure.exists()


@pytest.mark.parametrize(
    ("job", "code", "failure"),
    [
        ("blames_the_user", 65, "Row 1 is blank."),
        ("has_a_long_message", 65, "é" * 1024),
        ("names_an_undecodable_file", 65, "In caf"),
        ("finds_a_bad_setting", 78, "A setting is wrong."),
        ("has_a_bug", 70, "Internal error: KeyError: 'absent'; this is a bug of the program, and "),
        ("runs_out_of_memory", 70, "Training ran out of memory (MemoryError); use an instance "),
        (
            "lacks_a_package",
            70,
            "algorithm.py cannot be imported: No module named 'package_that_is_not_there'; add ",
        ),
        ("fills_the_disk", 70, "The disk is full: "),
        ("writes_too_large_a_file", 70, "A file cannot be used: [Errno 27] File too large; "),
        ("reads_what_is_not_there", 70, "A file cannot be used: [Errno 2] No such file or "),
        ("is_killed", 137, "The training process was killed (SIGKILL), most likely because it "),
        ("crashes", 139, "The training process was ended by SIGSEGV; see the log."),
        ("exits", 3, "The training process ended with exit code 3 and gave no reason; see the log"),
    ],
)
def test_failed_job_is_reported(opt_ml: OptMl, job: str, code: int, failure: str) -> None:
    """Every failure has its exit code and a failure file of 1024 characters, and no model."""
    result = ended(start(job, opt_ml))

    text = opt_ml.failure.read_text(encoding="utf-8")
    assert result.code == code, result.log
    assert text.startswith(failure)
    assert len(text) <= 1024
    assert "Traceback" not in text
    assert not files_of(opt_ml)


def test_mistake_of_the_user_is_logged_without_a_traceback(opt_ml: OptMl) -> None:
    """The log has the sentence of the failure file once, and nothing about the program's code."""
    log = ended(start("blames_the_user", opt_ml)).log

    assert log.count("Row 1 is blank.") == 1
    assert "Traceback" not in log


def test_failure_is_one_line_whatever_it_names(opt_ml: OptMl) -> None:
    """Text of others adds no line to the log or to the failure file, and no metric to the log."""
    log = ended(start("names_a_hostile_file", opt_ml)).log

    text = "In a\\n2026-01-01 INFO x: validation:accuracy=9.9;\\x1b[31m, row 1 is blank."
    assert opt_ml.failure.read_text() == text
    assert log.endswith(f" ERROR container.supervisor: {text.replace('=', chr(92) + 'x3d')}\n")
    assert log.count("\n") == 1


@pytest.mark.parametrize(
    "job", ["finds_a_bad_setting", "runs_out_of_memory", "fills_the_disk", "finds_a_directory"]
)
def test_problem_of_the_environment_is_logged_without_a_traceback(opt_ml: OptMl, job: str) -> None:
    """A traceback is only for a bug."""
    log = ended(start(job, opt_ml)).log

    assert log.count("\n") == 1


def test_directory_in_the_place_of_a_file_leaves_no_part_of_a_model(opt_ml: OptMl) -> None:
    """The model is written completely or not at all, and the failure names the directory."""
    assert ended(start("finds_a_directory", opt_ml)).code == 70
    assert [path.name for path in opt_ml.model.iterdir()] == ["model.onnx"]
    assert opt_ml.failure.read_text() == (
        f"{opt_ml.model / 'model.onnx'} is a directory, and a file must be written there; remove "
        "the directory."
    )


def test_traceback_of_a_bug_is_logged(opt_ml: OptMl) -> None:
    """The log has the traceback, which the failure file has not."""
    log = ended(start("has_a_bug", opt_ml)).log

    assert "Traceback (most recent call last)" in log
    assert 'raise KeyError("absent")' in log


def test_job_that_cannot_write_its_failure_file_ends_normally(opt_ml: OptMl) -> None:
    """The text of the failure is in the log, and the exit code is the same."""
    opt_ml.base.mkdir()
    opt_ml.failure.parent.write_text("not a directory")

    result = ended(start("blames_the_user", opt_ml))

    assert result.code == 65
    assert "Row 1 is blank." in result.log
    assert "the failure file could not be written" in result.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_ends_a_job_at_once(opt_ml: OptMl, number: signal.Signals) -> None:
    """After a signal there is neither a model nor a failure file."""
    process = start("waits", opt_ml)
    read_until(process, "waiting")

    process.send_signal(number)
    result = ended(process)

    assert result.code == 143
    assert "stopped by a signal" in result.log
    assert not files_of(opt_ml)
    assert not opt_ml.failure.exists()


def test_job_can_be_ended_right_after_the_fork(opt_ml: OptMl) -> None:
    """A signal to the child right after the fork ends the child and does not reach the parent."""
    kill = "lambda: os.kill(os.getpid(), signal.SIGTERM)"
    beforehand = f"import os, signal; os.register_at_fork(after_in_child={kill}); "

    result = ended(start("waits", opt_ml, beforehand))

    assert result.code == 143
    assert "was ended by SIGTERM" in opt_ml.failure.read_text()
    assert "asks to stop" not in result.log


def test_stop_waits_until_the_model_is_saved(opt_ml: OptMl) -> None:
    """A fitted model is saved before the program exits with code 0."""
    opt_ml.base.mkdir()
    os.mkfifo(opt_ml.base / "go")
    process = start("saves_when_asked", opt_ml)
    read_until(process, "saving")

    process.send_signal(signal.SIGTERM)
    read_until(process, "a signal asks to stop")
    (opt_ml.base / "go").write_text("go")
    result = ended(process)

    assert result.code == 0, result.log
    assert files_of(opt_ml) == {"model.onnx": "graph"}


def test_stop_waits_a_limited_time(opt_ml: OptMl) -> None:
    """A job that saves for too long is killed, and its unfinished files are removed."""
    process = start("waits_while_saving", opt_ml, policy="ImpatientPolicy")
    read_until(process, "waiting")

    process.send_signal(signal.SIGTERM)
    result = ended(process)

    assert result.code == 143
    assert not files_of(opt_ml)
    assert not (opt_ml.model / ".unfinished").exists()


def test_job_ignores_ctrl_c(opt_ml: OptMl) -> None:
    """A terminal sends SIGINT to all processes; the job continues until the parent stops it."""
    result = ended(start("is_interrupted", opt_ml))

    assert result.code == 0, result.log
    assert files_of(opt_ml) == {"model.json": "record", "model.onnx": "graph"}


def test_postponed_stop_is_recorded() -> None:
    """The context shows that a stop was requested, and then restores the signal handler."""
    before = signal.getsignal(signal.SIGTERM)

    with stop_postponed() as stop:
        was_requested = stop.requested
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    assert not was_requested
    assert stop.requested
    assert signal.getsignal(signal.SIGTERM) == before


def test_postponed_stop_restores_the_handler_after_an_error() -> None:
    """A job can be stopped after its save has failed."""
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyError), stop_postponed():
        raise KeyError

    assert signal.getsignal(signal.SIGTERM) == before


def test_atomic_write_replaces_an_older_artifact(tmp_path: Path) -> None:
    """The files replace older ones of the same names, and nothing else remains."""
    (tmp_path / "model.onnx").write_text("old")
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished/rest").write_text("of a killed job")

    with written_atomically(tmp_path) as directory:
        assert not list(directory.iterdir())
        (directory / "model.onnx").write_text("new")

    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "new"


def test_failed_atomic_write_changes_nothing(tmp_path: Path) -> None:
    """After an exception the older artifact is unchanged."""
    (tmp_path / "model.onnx").write_text("old")

    def fail() -> None:
        with written_atomically(tmp_path) as directory:
            (directory / "model.onnx").write_text("new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "old"


def test_failure_text_names_the_file_on_a_full_disk() -> None:
    """The failure text names the file that could not be written."""
    error = OSError(28, "No space left on device", "/opt/ml/model/model.onnx")

    assert describe(error).startswith("The disk is full: /opt/ml/model/model.onnx could")


def test_failure_text_names_no_directory_that_may_not_be_full() -> None:
    """The error of a write names no file, so that only the caller may know the directory."""
    error = OSError(28, "No space left on device")

    assert describe(error).startswith("The disk is full: a file could not be written; give")


def test_full_disk_is_that_of_the_file_that_is_written(tmp_path: Path) -> None:
    """The error of a write below another context keeps the path of the inner one."""
    with (
        pytest.raises(OSError, match="metrics") as caught,
        written_atomically(tmp_path),
        named_if_full(tmp_path / "metrics.json"),
        Path("/dev/full").open("w") as file,
    ):
        file.write("x" * 100_000)

    assert caught.value.filename == str(tmp_path / "metrics.json")


def test_model_that_cannot_be_saved_is_described_to_the_owner_of_the_job() -> None:
    """It is not called a bug of the program."""
    error = ArtifactError("the tree has too many leaves")

    assert describe(error) == ("The model cannot be saved: the tree has too many leaves.")
