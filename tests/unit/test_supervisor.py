"""How a training job ends, with real processes and signals; supervised_jobs.py has the jobs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from container.paths import PROGRAM_DIR, Paths
from container.supervisor import describe, stop_postponed, whole_or_nothing
from support.material import OptMl
from support.processes import Ended, launch, read_until, wait_for

PROGRAM = (
    "import sys, supervised_jobs as jobs; from container.supervisor import main, supervise; "
    "job, manner = (getattr(jobs, name) for name in sys.argv[1:]); "
    "sys.exit(main(lambda paths, _: supervise(job, paths, manner())))"
)


def start(
    job: str, opt_ml: OptMl, beforehand: str = "", manner: str = "Manner"
) -> subprocess.Popen[str]:
    """Start a program that runs a job of supervised_jobs.py."""
    opt_ml.base.mkdir(exist_ok=True)
    path = os.pathsep.join([str(PROGRAM_DIR), str(Path(__file__).parent)])
    return launch(
        [sys.executable, "-c", beforehand + PROGRAM, job, manner],
        env=os.environ | {"PYTHONPATH": path, "SAGEMAKER_BASE_DIR": str(opt_ml.base)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of the program, after which no process of it may be left."""
    result = wait_for(process)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return result


def files_of(opt_ml: OptMl) -> dict[str, str]:
    """Return name and content of everything in the model directory."""
    return {file.name: file.read_text() for file in sorted(opt_ml.model.glob("*"))}


def test_job_that_succeeds_leaves_a_model(opt_ml: OptMl) -> None:
    """The exit code is 0, the model is there, and no failure file."""
    result = ended(start("succeeds", opt_ml))

    assert result.code == 0, result.log
    assert files_of(opt_ml) == {"model.json": "record", "model.onnx": "graph"}
    assert not opt_ml.failure.exists()


def test_job_that_succeeds_removes_an_old_failure_file(opt_ml: OptMl) -> None:
    """What an earlier job left does not speak for this one."""
    opt_ml.failure.parent.mkdir(parents=True)
    opt_ml.failure.write_text("old")

    assert ended(start("succeeds", opt_ml)).code == 0
    assert not opt_ml.failure.exists()


@pytest.mark.parametrize(
    ("job", "code", "failure"),
    [
        ("blames_the_user", 65, "Row 1 is blank."),
        ("says_too_much", 65, "é" * 1024),
        ("names_a_strange_file", 65, "In caf"),
        ("finds_a_bad_setting", 78, "A setting is wrong."),
        ("has_a_bug", 70, "Internal error: KeyError: 'absent'; this is a fault of the program, "),
        ("runs_out_of_memory", 70, "The memory ran out during training (MemoryError); use an "),
        (
            "lacks_a_package",
            70,
            "algorithm.py cannot be imported: No module named 'package_that_is_not_there'; add ",
        ),
        ("fills_the_disk", 70, "The disk is full: "),
        ("writes_too_large_a_file", 70, "A file cannot be used: [Errno 27] File too large; "),
        ("reads_what_is_not_there", 70, "A file cannot be used: [Errno 2] No such file or "),
        ("is_killed", 137, "The training process was killed (SIGKILL), most likely because the "),
        ("crashes", 139, "The training process was ended by SIGSEGV; see the log."),
        ("exits", 3, "The training process ended with exit code 3 and gave no reason; see the log"),
    ],
)
def test_job_that_fails_says_why(opt_ml: OptMl, job: str, code: int, failure: str) -> None:
    """Every end but a good one has its exit code, a failure file of 1024 characters, no model."""
    result = ended(start(job, opt_ml))

    text = opt_ml.failure.read_text(encoding="utf-8")
    assert result.code == code, result.log
    assert text.startswith(failure)
    assert len(text) <= 1024
    assert "Traceback" not in text
    assert not files_of(opt_ml)


def test_job_with_a_bug_has_its_traceback_in_the_log(opt_ml: OptMl) -> None:
    """The log says where the bug is."""
    log = ended(start("has_a_bug", opt_ml)).log

    assert "Traceback (most recent call last)" in log
    assert 'raise KeyError("absent")' in log


def test_job_that_cannot_write_its_failure_file_still_ends(opt_ml: OptMl) -> None:
    """Without a place for the failure file its text is in the log, and the exit code stays."""
    opt_ml.base.mkdir()
    opt_ml.failure.parent.write_text("no directory")

    result = ended(start("blames_the_user", opt_ml))

    assert result.code == 65
    assert "Row 1 is blank." in result.log
    assert "the failure file could not be written" in result.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_ends_a_job_at_once(opt_ml: OptMl, number: signal.Signals) -> None:
    """A signal in the middle of a job leaves neither a model nor a failure file."""
    process = start("waits", opt_ml)
    read_until(process, "waiting")

    process.send_signal(number)
    result = ended(process)

    assert result.code == 143
    assert "stopped by a signal" in result.log
    assert not files_of(opt_ml)
    assert not opt_ml.failure.exists()


def test_job_can_be_ended_from_its_first_moment(opt_ml: OptMl) -> None:
    """What comes to its process right after the fork ends that, and does not reach the program."""
    kill = "lambda: os.kill(os.getpid(), signal.SIGTERM)"
    beforehand = f"import os, signal; os.register_at_fork(after_in_child={kill}); "

    result = ended(start("waits", opt_ml, beforehand))

    assert result.code == 143
    assert "was ended by SIGTERM" in opt_ml.failure.read_text()
    assert "asks to stop" not in result.log


def test_stop_waits_for_a_model_that_is_being_saved(opt_ml: OptMl) -> None:
    """A model whose fit has ended is saved before the program ends, with exit code 0."""
    opt_ml.base.mkdir()
    os.mkfifo(opt_ml.base / "go")
    process = start("saves_until_told", opt_ml)
    read_until(process, "saving")

    process.send_signal(signal.SIGTERM)
    read_until(process, "a signal asks to stop")
    (opt_ml.base / "go").write_text("go")
    result = ended(process)

    assert result.code == 0, result.log
    assert files_of(opt_ml) == {"model.onnx": "graph"}


def test_stop_does_not_wait_for_ever(opt_ml: OptMl) -> None:
    """A save that does not end is killed, and what it wrote is removed."""
    process = start("waits_while_saving", opt_ml, manner="ImpatientManner")
    read_until(process, "waiting")

    process.send_signal(signal.SIGTERM)
    result = ended(process)

    assert result.code == 143
    assert not files_of(opt_ml)
    assert not (opt_ml.model / ".unfinished").exists()


def test_job_leaves_ctrl_c_to_the_program(opt_ml: OptMl) -> None:
    """A terminal sends SIGINT to every process; the job itself goes on until it is told to stop."""
    result = ended(start("is_interrupted", opt_ml))

    assert result.code == 0, result.log
    assert files_of(opt_ml) == {"model.json": "record", "model.onnx": "graph"}


def test_stop_is_noted_while_it_is_postponed() -> None:
    """Whoever postpones a stop can see that it waits; afterwards signals do what they did."""
    before = signal.getsignal(signal.SIGTERM)

    with stop_postponed() as stop:
        was_requested = stop.requested
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    assert not was_requested
    assert stop.requested
    assert signal.getsignal(signal.SIGTERM) == before


def test_stop_is_obeyed_again_after_an_error() -> None:
    """What ends a save badly does not leave a job that cannot be stopped."""
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyError), stop_postponed():
        raise KeyError

    assert signal.getsignal(signal.SIGTERM) == before


def test_whole_or_nothing_replaces_an_older_artifact(tmp_path: Path) -> None:
    """Files appear under their names, over older ones, and nothing else is left."""
    (tmp_path / "model.onnx").write_text("old")
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished/rest").write_text("of a job that was killed")

    with whole_or_nothing(tmp_path) as directory:
        assert not list(directory.iterdir())
        (directory / "model.onnx").write_text("new")

    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "new"


def test_whole_or_nothing_leaves_nothing_of_a_failure(tmp_path: Path) -> None:
    """After an exception the older artifact is there, and nothing of the new one."""
    (tmp_path / "model.onnx").write_text("old")

    def fail() -> None:
        with whole_or_nothing(tmp_path) as directory:
            (directory / "model.onnx").write_text("new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "old"


def test_full_disk_is_described_with_the_file() -> None:
    """The failure text says which file found no room."""
    error = OSError(28, "No space left on device", "/opt/ml/model/model.onnx")

    assert describe(error, Paths()).startswith("The disk is full: /opt/ml/model/model.onnx could")
