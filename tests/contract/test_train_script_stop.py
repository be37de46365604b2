"""SIGTERM in script mode: the program hears of it, and is waited for."""

import signal
import subprocess

import pytest

from support.material import OptMl
from support.processes import Ended, await_condition, command_line, read_until, start, wait_for
from support.script_mode.sources import ENDLESS_REQUIREMENTS, write_files

SAVES = """
import os, signal, sys, time
def save(number, frame):
    time.sleep(0.5)
    open(os.environ["SM_MODEL_DIR"] + "/model", "w").write("saved")
    sys.exit(CODE)
signal.signal(signal.SIGTERM, save)
print("working")
while True:
    signal.pause()
"""
"""A program that saves its model when it is asked to stop."""


def working(opt_ml: OptMl, name: str, program: str) -> subprocess.Popen[str]:
    """Start a program, and return when it says that it works."""
    write_files(opt_ml.base / "code", {name: program})
    process = start("train", opt_ml, SAGEMAKER_PROGRAM=name)
    read_until(process, "working")
    return process


def stopped(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> Ended:
    """Send a signal, and wait for the end of the job."""
    process.send_signal(number)
    return wait_for(process)


@pytest.mark.parametrize("code", [0, 5])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_waits_for_a_program_that_saves(
    opt_ml: OptMl, number: signal.Signals, code: int
) -> None:
    """SIGTERM reaches the program; what it saves and its exit code are kept; it is no failure."""
    process = working(opt_ml, "train.py", SAVES.replace("CODE", str(code)))
    ended = stopped(process, number)

    assert ended.code == code, ended.log
    assert (opt_ml.model / "model").read_text() == "saved"
    assert not opt_ml.failure.exists()


def test_stop_ends_a_program_that_knows_nothing_of_it(opt_ml: OptMl) -> None:
    """A program without a handler ends at once, by SIGTERM."""
    program = "import signal\nprint('working')\nsignal.pause()\n"

    ended = stopped(working(opt_ml, "train.py", program))

    assert ended.code == 128 + signal.SIGTERM
    assert "stopped by a signal; the program train.py was ended by SIGTERM" in ended.log
    assert not opt_ml.failure.exists()


def test_stop_reaches_what_a_shell_program_has_started(opt_ml: OptMl) -> None:
    """The signal goes to the whole group, since a shell that waits passes none on."""
    script = 'sleep 1000 &\necho $! > "$SM_MODEL_DIR/pid"\necho working\nwait\n'

    process = working(opt_ml, "run.sh", script)
    child = int((opt_ml.model / "pid").read_text())
    ended = stopped(process)

    assert ended.code == 128 + signal.SIGTERM
    assert "sleep" not in command_line(child)


def test_stop_ends_an_installation(opt_ml: OptMl) -> None:
    """While pip waits for a package that never comes, a stop ends the job, pip included."""
    write_files(opt_ml.base / "code", {"train.py": ""} | ENDLESS_REQUIREMENTS)
    opt_ml.model.mkdir(parents=True)
    started = opt_ml.base / "started"
    process = start("train", opt_ml, SAGEMAKER_PROGRAM="train.py", STARTED=str(started))
    await_condition(lambda: started.exists() and bool(started.read_text()), "a build")

    ended = stopped(process)

    assert ended.code == 128 + signal.SIGTERM
    assert "endless" not in command_line(int(started.read_text()))
    assert not opt_ml.failure.exists()
