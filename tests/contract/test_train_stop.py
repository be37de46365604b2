"""SIGTERM during a job: it exits soon, and the model is complete or absent."""

import os
import signal
import subprocess

import pytest

from artifact import model as artifact
from support.fifos import pipe_of
from support.material import OptMl
from support.processes import read_until, start

STOP_SECONDS = 120
"""Time after which the platform kills a stopped job.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
"""


def running(opt_ml: OptMl, words: str) -> subprocess.Popen[str]:
    """Start a job, and wait until its log contains `words`."""
    process = start("train", opt_ml)
    read_until(process, words)
    return process


def stopped_log(process: subprocess.Popen[str]) -> str:
    """Send SIGTERM, and return the rest of the output; the exit code must be that of a stop."""
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 128 + signal.SIGTERM, log
    return log


def test_stop_ends_a_job_that_waits_for_a_pipe(opt_ml: OptMl) -> None:
    """A pipe that never appears does not delay a stop."""
    opt_ml.configure(train={"TrainingInputMode": "Pipe"})

    log = stopped_log(running(opt_ml, "hyperparameters"))

    assert "stopped by a signal" in log
    assert not opt_ml.failure.exists()


@pytest.mark.parametrize("content", [b"", b"a,1\nb,2\n", b"a,1\nb"])
def test_stop_ends_a_job_that_reads_a_pipe(opt_ml: OptMl, content: bytes) -> None:
    """A pipe without further data does not delay a stop.

    1. The writer opens the pipe, writes part of a table, and neither continues nor closes it.
    2. SIGTERM arrives.
    Result: the job exits with a message and an empty model directory.
    """
    opt_ml.configure(train={"TrainingInputMode": "Pipe"})
    pipe = pipe_of(opt_ml, "train")
    os.mkfifo(pipe)

    process = running(opt_ml, "hyperparameters")
    with pipe.open("wb", buffering=0) as writer:
        writer.write(content)
        log = stopped_log(process)

    assert "stopped by a signal" in log
    assert not list(opt_ml.model.glob("*"))
    assert not opt_ml.failure.exists()


def test_stop_ends_a_fit_at_once(opt_ml: OptMl, long_table: str) -> None:
    """A long fit is interrupted, and leaves neither a model nor a failure file."""
    opt_ml.write("long.csv", long_table)
    opt_ml.write_hyperparameters({"ccp_alpha": "1e-12"})

    log = stopped_log(running(opt_ml, "; 40 features"))

    assert "stopped by a signal" in log
    assert not list(opt_ml.model.glob("*"))
    assert not opt_ml.failure.exists()


def test_stop_after_the_fit_keeps_the_model(opt_ml: OptMl, long_table: str) -> None:
    """A fitted model is saved completely, and the log says so."""
    opt_ml.write("long.csv", long_table)

    process = running(opt_ml, "fit done")
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=STOP_SECONDS)

    assert process.returncode == 0, log
    assert "a signal asks to stop" in log
    assert artifact.load(opt_ml.model).record.n_features == 40
    assert opt_ml.metrics.exists()
