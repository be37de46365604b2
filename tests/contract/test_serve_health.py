"""/ping of `serve`: 200 if every worker is ready, otherwise 503 with the reason."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from container.errors import EXIT_NO_MODEL
from container.serving.scoreboard import HEARTBEAT_SECONDS
from container.serving.supervision.monitor import NO_MODEL_SECONDS
from support.material import OptMl
from support.processes import await_condition, children_of
from support.servers import Line, LoggedServer, serving


def workers_of(server: LoggedServer) -> list[int]:
    """Return the process ids of gunicorn's workers."""
    return [worker for master in server.children("gunicorn") for worker in children_of(master)]


def reason(server: LoggedServer) -> str:
    """Return the message of /ping; empty if it is 200, or if nothing answers yet."""
    if not server.answers():
        return ""
    reply = server.request("/ping")
    assert reply.status in (200, 503)
    return "" if reply.status == 200 else str(reply.json()["message"])


def moment(line: Line) -> datetime:
    """Return when a line was logged."""
    return datetime.fromisoformat(line["time"])


def changed(trained: OptMl, tmp_path: Path, change: Callable[[Path], object]) -> OptMl:
    """Return a copy of the trained model after a change to it."""
    opt_ml = OptMl(tmp_path / "changed")
    shutil.copytree(trained.model, opt_ml.model)
    change(opt_ml.model)
    return opt_ml


def rewrite(model: Path, **values: object) -> None:
    """Change some of the values of model.json."""
    record = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(record | values))


def answer_otherwise(model: Path) -> None:
    """Make the probe of model.json expect other labels."""
    record = json.loads((model / "model.json").read_text())
    labels = record["probe"]["labels"]
    rewrite(model, probe=record["probe"] | {"labels": [(label + 1) % 3 for label in labels]})


def leave_the_archive(model: Path) -> None:
    """Leave only the archive, which the platform should have unpacked."""
    for file in model.iterdir():
        file.unlink()
    (model / "model.tar.gz").write_bytes(b"\x1f\x8b")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_ping_is_200_only_if_every_worker_is_ready(
    trained: OptMl, tmp_path: Path, method: str
) -> None:
    """While one of two workers is missing, the reason says so."""
    with serving(trained, tmp_path) as server:
        server.await_ready()
        (master,) = server.children("gunicorn")
        os.kill(master, signal.SIGSTOP)  # so that no other takes the place of the one that goes
        os.kill(workers_of(server)[1], signal.SIGKILL)

        await_condition(lambda: "loaded" in reason(server), "a reason of the app")
        before, status = reason(server), server.request("/ping", method=method).status
        os.kill(master, signal.SIGCONT)
        server.await_ready()
        after = server.ask("/ping", method=method)

    assert before == "The model is loaded in 1 of 2 workers; try again."
    assert status == 503
    assert (after.status, after.body, after.content_type) == (200, b"", "text/plain")


def test_ping_names_a_worker_that_does_not_answer(trained: OptMl, tmp_path: Path) -> None:
    """After 5 s without a heartbeat /ping is 503 and names the worker, until it continues."""
    with serving(trained, tmp_path) as server:
        server.await_ready()
        hangs = workers_of(server)[0]

        os.kill(hangs, signal.SIGSTOP)
        await_condition(lambda: reason(server) != "", "a ping with a reason")
        found = reason(server)
        answer = server.invoke("5.1,3.5,1.4,0.2")
        os.kill(hangs, signal.SIGCONT)

        server.await_ready()

    silent = re.fullmatch(rf"Worker {hangs} has not answered for (\d+) s; try again\.", found)
    assert silent
    assert int(silent[1]) >= HEARTBEAT_SECONDS
    assert answer.body == b"setosa\n"


def test_ping_is_503_when_no_worker_answers(trained: OptMl, tmp_path: Path) -> None:
    """Nginx responds in JSON until the workers continue."""
    with serving(trained, tmp_path) as server:
        server.await_ready()
        workers = workers_of(server)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)

        reply = server.ask("/ping")
        for worker in workers:
            os.kill(worker, signal.SIGCONT)

        assert reply.status == 503
        assert reply.json()["error"] == "ModelServerNotReady"
        assert reply.headers["Retry-After"] == "1"
        server.await_ready()


def test_ping_is_200_again_after_a_worker_was_killed(trained: OptMl, tmp_path: Path) -> None:
    """Requests are answered until the new worker is ready."""
    with serving(trained, tmp_path) as server:
        server.await_ready()
        (master,) = server.children("gunicorn")
        before = set(workers_of(server))

        os.kill(master, signal.SIGSTOP)  # so that the other does not come before it is missed
        os.kill(min(before), signal.SIGKILL)
        await_condition(lambda: reason(server) != "", "a ping with a reason")
        answers = {server.invoke("5.1,3.5,1.4,0.2").body for _ in range(10)}
        os.kill(master, signal.SIGCONT)
        server.await_ready()
        after = set(workers_of(server))

    assert answers == {b"setosa\n"}
    assert len(after - before) == 1
    assert len(after) == 2


def make_fifo(model: Path) -> None:
    """Replace model.onnx by a FIFO without a writer."""
    (model / "model.onnx").unlink()
    os.mkfifo(model / "model.onnx")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shutil.rmtree, ["model.json cannot be read", "all that `train` writes"]),
        (lambda model: [file.unlink() for file in model.iterdir()], ["all that `train` writes"]),
        (leave_the_archive, ["model.json cannot be read", "all that `train` writes"]),
        (lambda model: (model / "model.onnx").unlink(), ["model.onnx cannot be read"]),
        (lambda model: (model / "model.onnx").write_bytes(b"no"), ["checksum", "copy all again"]),
        (
            lambda model: (model / "model.json").write_text("{"),
            ["not the record of a model", "train again"],
        ),
        (
            lambda model: (model / "model.json").write_text('{"weights": [1]}'),
            ["not the record of a model", "train again"],
        ),
        (
            lambda model: rewrite(model, format_version=2),
            ["format version 2", "serve it with the image that trained it, or train again"],
        ),
        (answer_otherwise, ["its own probe", "train again"]),
        (lambda model: rewrite(model, labels=["\ud800", "b", "c"]), ["labels", "expected"]),
        (make_fifo, ["model.onnx is not a regular file", "all that `train` writes"]),
    ],
    ids=[
        *("absent", "empty", "archive", "half", "tampered", "broken", "foreign", "newer"),
        *("otherwise", "surrogate", "fifo"),
    ],
)
def test_ping_returns_why_the_model_cannot_be_used(
    trained: OptMl, tmp_path: Path, change: Callable[[Path], object], words: list[str]
) -> None:
    """The log, /ping and /invocations have one reason, which says what to do."""
    opt_ml = changed(trained, tmp_path, change)
    with serving(opt_ml, tmp_path / "log", MODEL_SERVER_WORKERS="1") as server:
        await_condition(lambda: "cannot be used" in reason(server), "a ping with a reason")
        replies = [server.ask("/ping"), server.ask("/invocations", b"1,2,3,4\n")]
        errors = [line for line in server.lines() if line["level"] == "ERROR"]

    assert [reply.status for reply in replies] == [503, 503]
    assert {reply.json()["error"] for reply in replies} == {"ModelNotReady"}
    assert {reply.json()["message"] for reply in replies} == {line["message"] for line in errors}
    assert len(errors) == 1
    assert all(word in errors[0]["message"] for word in words)


def test_serve_exits_if_no_worker_can_use_the_model(trained: OptMl, tmp_path: Path) -> None:
    """/ping returns the reason for 10 s; then the container exits with a specific code."""
    opt_ml = changed(trained, tmp_path, lambda model: rewrite(model, format_version=2))
    with serving(opt_ml, tmp_path / "log") as server:
        await_condition(lambda: "format version 2" in reason(server), "a ping with a reason")
        ended = server.ended()
        lines = server.lines()

    assert ended.code == EXIT_NO_MODEL
    begun, *_, told = (line for line in lines if line["level"] == "ERROR")
    assert told["message"].startswith("exiting without a model: ")
    assert "model.json has format version 2" in told["message"]
    assert moment(told) - moment(begun) >= timedelta(seconds=NO_MODEL_SECONDS)


def test_serve_accepts_a_leftover_archive_beside_the_model(trained: OptMl, tmp_path: Path) -> None:
    """Local mode of the SDK leaves model.tar.gz next to the files."""
    opt_ml = changed(
        trained, tmp_path, lambda model: (model / "model.tar.gz").write_bytes(b"\x1f\x8b")
    )
    with serving(opt_ml, tmp_path / "log") as server:
        server.await_ready()

        assert server.invoke("5.1,3.5,1.4,0.2").body == b"setosa\n"
