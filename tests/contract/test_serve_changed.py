"""A model directory that changes while `serve` runs: workers never serve two models."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.material import OptMl
from support.processes import await_condition, children_of
from support.script_mode.sources import write_files
from support.servers import LoggedServer, serving

ROW = "5.1,3.5,1.4,0.2"

SCRIPT = """
from pathlib import Path
def model_fn(model_dir):
    Path(model_dir, "cache").write_text("written by each worker")
    return Path(model_dir, "weights").read_text()
def transform_fn(model, body, content_type, accept): return model
"""


def replace_a_worker(server: LoggedServer) -> None:
    """Kill a worker, and wait until gunicorn has started another one."""
    (master,) = server.children("gunicorn")
    before = set(children_of(master))
    os.kill(max(before), signal.SIGKILL)
    await_condition(lambda: len(set(children_of(master)) - before) == 1, "a new worker")


def reason(server: LoggedServer) -> str:
    """Return the message of /ping; empty if it is 200."""
    reply = server.request("/ping")
    return "" if reply.status == 200 else str(reply.json()["message"])


def copy_over(source: Path, target: Path) -> None:
    """Copy another model into a directory, with the times of the old files."""
    for file in source.iterdir():
        times = (target / file.name).stat()
        shutil.copy(file, target)
        os.utime(target / file.name, ns=(times.st_atime_ns, times.st_mtime_ns))


def move_over(source: Path, target: Path) -> None:
    """Put another directory in the place of the old one."""
    target.rename(target.with_name("old"))
    shutil.copytree(source, target)


@pytest.mark.parametrize("change", [copy_over, move_over])
def test_replaced_model_is_not_mixed_with_the_old_one(
    trained: OptMl, opt_ml: OptMl, tmp_path: Path, change: Callable[[Path, Path], None]
) -> None:
    """With several threads a new worker reads the files, and reports that they have changed."""
    shutil.copytree(trained.model, opt_ml.model)
    variables = {"MODEL_SERVER_THREADS": "2", "MODEL_SERVER_WORKERS": "2"}
    with serving(opt_ml, tmp_path / "log", **variables) as server:
        server.await_ready()
        change(trained.model, opt_ml.model)
        replace_a_worker(server)
        await_condition(lambda: "changed" in reason(server), "a ping with the reason")
        found = reason(server)
        answers = [server.invoke(ROW) for _ in range(20)]

    assert "/ml/model/" in found
    assert "has changed since the server started" in found
    assert "restart the container" in found
    assert {answer.body for answer in answers if answer.status == 200} <= {b"setosa\n"}


@pytest.mark.parametrize("name", ["weights", "code/inference.py"])
def test_replaced_script_is_not_mixed_with_the_old_one(
    opt_ml: OptMl, tmp_path: Path, name: str
) -> None:
    """A script reads its files in every worker; so a new one reports that they have changed."""
    write_files(opt_ml.model, {"weights": "old", "code/inference.py": SCRIPT})
    with serving(opt_ml, tmp_path / "log") as server:
        server.await_ready()
        replace_a_worker(server)
        server.await_ready()  # a file that was not there at the start may change
        (opt_ml.model / name).write_text(SCRIPT.replace("written", "read"))
        replace_a_worker(server)
        await_condition(lambda: "changed" in reason(server), "a ping with the reason")

        assert reason(server).startswith(f"{opt_ml.model / name} has changed since")
