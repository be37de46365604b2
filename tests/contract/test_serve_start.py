"""Starts of `serve` that cannot succeed: workers that die while they load, and endless loads."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from container.errors import EXIT_NO_MODEL
from container.serving.scoreboard import MAX_CRASHES
from support.material import PROGRAM_DIR, OptMl
from support.processes import await_condition, children_of
from support.script_mode.sources import write_files
from support.servers import LoggedServer, serving

PREDICTOR = """
import ctypes, os, time
from predictor_of_trees import ScoringService as Trees
{at_import}

class ScoringService(Trees):
    @classmethod
    def load(cls, settings):
        {in_load}
        return super().load(settings)
"""
"""predictor.py of a fork, which does something before it loads the model."""

READ_A_PIPE = "open(os.environ['PIPE']).read()"
COUNT_TO_THE_END = "ctypes.PyDLL(None).pause()"  # holds the interpreter's lock, as C code may do
DIE = "os.kill(os.getpid(), 9)"
SCRIPT = f"import os\ndef model_fn(model_dir): {READ_A_PIPE}\n"


def fork(tmp_path: Path, in_load: str = "pass", at_import: str = "") -> Path:
    """Return a copy of the program with another predictor.py."""
    program = tmp_path / "program"
    shutil.copytree(PROGRAM_DIR, program)
    (program / "predictor.py").rename(program / "predictor_of_trees.py")
    text = PREDICTOR.format(in_load=in_load, at_import=at_import)
    (program / "predictor.py").write_text(text)
    return program


def reason(server: LoggedServer) -> str:
    """Return the message of /ping; empty if it is 200, or if nothing answers yet."""
    if not server.answers():
        return ""
    reply = server.request("/ping")
    return "" if reply.status == 200 else str(reply.json()["message"])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_that_die_while_they_load_end_the_container(
    trained: OptMl, tmp_path: Path, workers: str
) -> None:
    """After three deaths, with a pause after each, /ping and the log name the memory."""
    variables = {"MODEL_SERVER_WORKERS": workers}
    with serving(trained, tmp_path / "log", fork(tmp_path, DIE), **variables) as server:
        await_condition(lambda: "died" in reason(server), "a reason")
        found = reason(server)
        ended = server.ended()
        messages = server.messages()

    deaths = sum("was sent SIGKILL!" in message for message in messages)
    assert MAX_CRASHES <= deaths < MAX_CRASHES + int(workers)
    assert "workers died while they loaded the model" in found
    assert "ran out of memory" in found
    assert "MiB of memory" in found
    assert ended.code == EXIT_NO_MODEL
    assert re.search(r"exiting without a model: \d workers died while they loaded", ended.log)


def test_one_worker_that_cannot_load_ends_the_container(trained: OptMl, tmp_path: Path) -> None:
    """If the memory is enough for one worker of two, the other is not started for ever."""
    once = f"try: os.mkdir({str(tmp_path / 'loaded')!r})\n        except OSError: {DIE}"
    with serving(trained, tmp_path / "log", fork(tmp_path, once)) as server:
        ended = server.ended()

    assert ended.code == EXIT_NO_MODEL
    assert "ran out of memory" in ended.log


def test_master_that_is_killed_while_it_loads_is_explained(trained: OptMl, tmp_path: Path) -> None:
    """The model is loaded before the workers exist, so the kernel may kill the master instead."""
    with serving(trained, tmp_path / "log", fork(tmp_path, at_import=DIE)) as server:
        ended = server.ended()

    assert ended.code == EXIT_NO_MODEL
    assert "exiting without a model: gunicorn was killed while it loaded the model" in ended.log
    assert "memory ran out" in ended.log


@pytest.mark.parametrize(
    "where",
    [{"in_load": READ_A_PIPE}, {"in_load": COUNT_TO_THE_END}, {"at_import": READ_A_PIPE}, {}],
    ids=["load", "compiled", "import", "script"],
)
def test_load_that_never_ends_is_given_up(
    trained: OptMl, opt_ml: OptMl, tmp_path: Path, where: dict[str, str]
) -> None:
    """/ping returns the time and the setting for 10 s; then the container exits."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if not where:
        write_files(opt_ml.model / "code", {"inference.py": SCRIPT})
    variables = {"SAGEMAKER_STARTUP_TIMEOUT": "3", "PIPE": str(pipe)}
    program = fork(tmp_path, **where)
    with serving(trained if where else opt_ml, tmp_path / "log", program, **variables) as server:
        await_condition(lambda: "3 s" in reason(server), "a ping with the reason")
        replies = [server.ask("/ping"), server.ask("/invocations", b"1,2,3,4\n")]
        ended = server.ended()

    expected = "The model was not loaded within 3 s and is given up."
    assert [reply.status for reply in replies] == [503, 503]
    assert all(reply.json()["message"].startswith(expected) for reply in replies)
    assert "SAGEMAKER_STARTUP_TIMEOUT" in replies[0].json()["message"]
    assert ended.code == EXIT_NO_MODEL
    assert f"exiting without a model: {expected}" in ended.log


def test_load_may_take_longer_than_a_response(trained: OptMl, tmp_path: Path) -> None:
    """MODEL_SERVER_TIMEOUT does not limit the time of a load."""
    variables = {"MODEL_SERVER_TIMEOUT": "1"}
    with serving(trained, tmp_path / "log", fork(tmp_path, "time.sleep(4)"), **variables) as server:
        server.await_ready()
        messages = server.messages()

        assert server.invoke("5.1,3.5,1.4,0.2").body == b"setosa\n"
    assert not [message for message in messages if "TIMEOUT" in message]


def test_worker_that_hangs_is_replaced(trained: OptMl, tmp_path: Path) -> None:
    """After the load gunicorn's time-out is that of MODEL_SERVER_TIMEOUT."""
    with serving(trained, tmp_path / "log", MODEL_SERVER_TIMEOUT="2") as server:
        server.await_ready()
        (master,) = server.children("gunicorn")
        before = set(children_of(master))

        os.kill(max(before), signal.SIGSTOP)

        await_condition(lambda: len(set(children_of(master)) - before) == 1, "a new worker")
        server.await_ready()
