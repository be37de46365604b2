"""Lifecycle of `serve`: start, stop, and servers that exit by themselves."""

import http.client
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from container.errors import EXIT_NO_MODEL, PlatformError
from support.material import PROGRAM_DIR, OptMl
from support.processes import (
    DEADLINE_SECONDS,
    Server,
    await_condition,
    children_of,
    environment,
    free_port,
    start,
    wait_for,
)

Serve = Callable[..., Server]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly_when_asked(
    serve: Serve, trained: OptMl, number: signal.Signals
) -> None:
    """A signal ends every process with exit code 0, and no worker aborts."""
    server = serve(trained)
    server.await_ready()
    server.invoke("5.1,3.5,1.4,0.2")
    masters = children_of(server.process.pid)
    family = masters + [worker for master in masters for worker in children_of(master)]

    ended = server.stop(number)

    assert ended.code == 0
    assert "terminate called" not in ended.log
    assert "Traceback" not in ended.log
    assert "killed" not in ended.log
    assert "Worker (pid" not in ended.log
    assert not any(Path(f"/proc/{pid}").exists() for pid in family)


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_serve_ends_cleanly_while_its_workers_start(
    serve: Serve, trained: OptMl, n_workers: int
) -> None:
    """A signal that arrives just after the fork of a worker is not lost."""
    server = serve(trained, MODEL_SERVER_WORKERS=str(n_workers))
    await_condition(lambda: any(map(children_of, server.children("gunicorn"))), "a worker")

    ended = server.stop()

    assert ended.code == 0
    assert "killed" not in ended.log


def test_serve_ends_cleanly_while_it_starts(serve: Serve, trained: OptMl) -> None:
    """A signal before the workers exist stops the server as well."""
    server = serve(trained)
    await_condition(lambda: len(children_of(server.process.pid)) == 2, "two children")

    assert server.stop().code == 0


def test_serve_repeats_a_signal_that_was_lost(serve: Serve, trained: OptMl, tmp_path: Path) -> None:
    """Nginx exits although the first signal arrives before it is ready for signals."""
    nginx = tmp_path / "nginx"
    nginx.write_text(
        f"#!/bin/sh\ntrap '' QUIT\ntouch {tmp_path}/deaf\nsleep 0.5\n"
        f'exec {shutil.which("nginx")} "$@"\n'
    )
    nginx.chmod(0o755)
    server = serve(trained, PATH=f"{tmp_path}{os.pathsep}{environment(trained)['PATH']}")
    await_condition((tmp_path / "deaf").exists, "a start of nginx")

    ended = server.stop()

    assert ended.code == 0, ended.log
    assert "killed" not in ended.log


def test_serve_answers_a_request_in_flight_before_it_ends(serve: Serve, trained: OptMl) -> None:
    """A large request that is in progress when the signal arrives gets its whole response."""
    server = serve(trained, MODEL_SERVER_WORKERS="1")
    server.await_ready()
    n_rows = 400_000
    connection = server.connect()
    connection.request(
        "POST", "/invocations", b"5.1,3.5,1.4,0.2\n" * n_rows, {"Content-Type": "text/csv"}
    )

    server.process.send_signal(signal.SIGTERM)
    reply = connection.getresponse()
    body = reply.read()

    assert reply.status == 200
    assert body == b"setosa\n" * n_rows
    assert server.ended().code == 0
    connection.close()


def test_serve_loses_no_response_under_load(serve: Serve, trained: OptMl) -> None:
    """Every response that has begun on an open connection is complete."""
    # The log goes into a pipe that is read at the end, and would be full before.
    server = serve(trained, MODEL_SERVER_LOG_LEVEL="WARNING")
    server.await_ready()
    answers: list[bytes] = []
    half_responses: list[Exception] = []

    def send_requests() -> None:
        connection = server.connect()
        while True:
            try:
                connection.request("POST", "/invocations", b"5.1,3.5,1.4,0.2")
                reply = connection.getresponse()
            except (OSError, http.client.HTTPException):
                break  # the port is closed, or the idle connection: nothing was accepted
            try:
                answers.append(reply.read())
            except (OSError, http.client.HTTPException) as error:
                half_responses.append(error)
                break
        connection.close()

    clients = [threading.Thread(target=send_requests) for _ in range(8)]
    for client in clients:
        client.start()
    await_condition(lambda: len(answers) > 200, "load")

    ended = server.stop()
    for client in clients:
        client.join(DEADLINE_SECONDS)

    assert ended.code == 0
    assert not half_responses
    assert set(answers) == {b"setosa\n"}


@pytest.mark.parametrize("name", ["gunicorn", "nginx"])
def test_serve_ends_with_the_signal_of_a_server_that_is_killed(
    serve: Serve, trained: OptMl, name: str
) -> None:
    """If a server is killed, the other is stopped, and the exit code contains the signal."""
    server = serve(trained)
    server.await_ready()

    os.kill(server.children(name)[0], signal.SIGKILL)
    ended = server.ended()

    assert ended.code == 128 + signal.SIGKILL
    assert f"{name} exited by itself" in ended.log


@pytest.mark.parametrize("name", ["gunicorn", "nginx"])
def test_serve_fails_if_a_server_exits_with_0(serve: Serve, trained: OptMl, name: str) -> None:
    """A server that another process stopped is a failure of the container."""
    server = serve(trained)
    server.await_ready()

    os.kill(server.children(name)[0], signal.SIGTERM)

    assert server.ended().code == 1


def test_serve_reports_a_predictor_that_cannot_be_imported(trained: OptMl, tmp_path: Path) -> None:
    """An error in predictor.py ends the container; the log has the reason and the traceback."""
    program = tmp_path / "program"
    shutil.copytree(PROGRAM_DIR, program)
    (program / "predictor.py").write_text("import absent")

    ended = wait_for(start(program / "serve", trained, SAGEMAKER_BIND_TO_PORT=str(free_port())))

    assert ended.code == EXIT_NO_MODEL
    assert "exiting without a model: " in ended.log
    assert "No module named 'absent'" in ended.log


def test_serve_replaces_a_worker_that_is_killed(
    serve: Serve, trained: OptMl, tmp_path: Path
) -> None:
    """The new worker shares the model with the others and reads no file."""
    opt_ml = OptMl(tmp_path / "copy")
    shutil.copytree(trained.model, opt_ml.model)
    server = serve(opt_ml)
    server.await_ready()
    shutil.rmtree(opt_ml.model)
    (master,) = server.children("gunicorn")
    before = set(children_of(master))

    os.kill(min(before), signal.SIGKILL)

    await_condition(lambda: len(set(children_of(master)) - before) == 1, "a new worker")
    server.await_ready()
    assert all(server.invoke("5.1,3.5,1.4,0.2").body == b"setosa\n" for _ in range(20))


def test_serve_says_that_its_port_is_taken(serve: Serve, trained: OptMl) -> None:
    """The second server on a port exits, and nginx logs why."""
    port = str(free_port())
    first = serve(trained, SAGEMAKER_BIND_TO_PORT=port)
    await_condition(lambda: len(children_of(first.process.pid)) == 2, "a first server")
    await_condition(lambda: _listens(int(port)), "a port that is taken")

    ended = wait_for(start("serve", trained, SAGEMAKER_BIND_TO_PORT=port))

    assert ended.code != 0
    assert "Address already in use" in ended.log


def test_serve_leaves_nothing_behind(serve: Serve, trained: OptMl, short_path: Path) -> None:
    """The directory of sockets and buffers is removed at the end."""
    server = serve(trained, TMPDIR=str(short_path))
    server.await_ready()
    assert list(short_path.iterdir())

    server.stop()

    assert not list(short_path.iterdir())


def test_serve_refuses_a_directory_with_a_long_path(trained: OptMl, tmp_path: Path) -> None:
    """A socket's path has at most 107 characters; no directory is left behind."""
    long = tmp_path / ("x" * 80)
    long.mkdir()

    ended = wait_for(start("serve", trained, TMPDIR=str(long)))

    assert ended.code == PlatformError.exit_code
    assert "(AF_UNIX path too long); they need a writable directory" in ended.log
    assert "Traceback" not in ended.log
    assert not list(long.iterdir())


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    try:
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True
