"""SIGTERM in script mode: it is forwarded to the program, which has time to save its model."""

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
"""A program that saves its model on SIGTERM."""


def working(opt_ml: OptMl, name: str, program: str) -> subprocess.Popen[str]:
    """Start a program and wait until it prints "working"."""
    write_files(opt_ml.base / "code", {name: program})
    process = start("train", opt_ml, SAGEMAKER_PROGRAM=name)
    read_until(process, "working")
    return process


def stopped(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> Ended:
    """Send a signal and wait until the job has ended."""
    process.send_signal(number)
    return wait_for(process)


@pytest.mark.parametrize("code", [0, 5])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_waits_for_a_program_that_saves(
    opt_ml: OptMl, number: signal.Signals, code: int
) -> None:
    """The program receives SIGTERM; its model and exit code are kept, without a failure file."""
    process = working(opt_ml, "train.py", SAVES.replace("CODE", str(code)))
    ended = stopped(process, number)

    assert ended.code == code, ended.log
    assert (opt_ml.model / "model").read_text() == "saved"
    assert not opt_ml.failure.exists()


def test_stop_ends_a_program_without_a_handler(opt_ml: OptMl) -> None:
    """A program without a handler is ended by SIGTERM at once."""
    program = "import signal\nprint('working')\nsignal.pause()\n"

    ended = stopped(working(opt_ml, "train.py", program))

    assert ended.code == 128 + signal.SIGTERM
    assert "stopped by a signal; the program train.py was ended by SIGTERM" in ended.log
    assert not opt_ml.failure.exists()


def test_stop_reaches_processes_that_a_shell_started(opt_ml: OptMl) -> None:
    """The signal is sent to the whole process group, because a waiting shell forwards none."""
    script = 'sleep 1000 &\necho $! > "$SM_MODEL_DIR/pid"\necho working\nwait\n'

    process = working(opt_ml, "run.sh", script)
    child = int((opt_ml.model / "pid").read_text())
    ended = stopped(process)

    assert ended.code == 128 + signal.SIGTERM
    assert "sleep" not in command_line(child)


def test_stop_ends_an_installation(opt_ml: OptMl) -> None:
    """A stop ends the job and pip, even while pip builds a package that never finishes."""
    write_files(opt_ml.base / "code", {"train.py": ""} | ENDLESS_REQUIREMENTS)
    opt_ml.model.mkdir(parents=True)
    started = opt_ml.base / "started"
    process = start("train", opt_ml, SAGEMAKER_PROGRAM="train.py", STARTED=str(started))
    await_condition(lambda: started.exists() and bool(started.read_text()), "a build")

    ended = stopped(process)

    assert ended.code == 128 + signal.SIGTERM
    assert "endless" not in command_line(int(started.read_text()))
    assert not opt_ml.failure.exists()
