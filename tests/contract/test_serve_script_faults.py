"""`serve` with a faulty program: errors are reported, and other requests are answered."""

import signal
from pathlib import Path

import pytest

from container.errors import EXIT_NO_MODEL
from support.material import OptMl
from support.processes import await_condition, command_line
from support.script_mode.sources import ENDLESS_REQUIREMENTS, write_files
from support.servers import LoggedServer, serving

FAULTY = """
import multiprocessing, os, subprocess, sys, time

fork = multiprocessing.get_context("fork")

def wait(begun):
    begun.set()
    time.sleep(1000)

def model_fn(model_dir):
    return subprocess.Popen(["sleep", "1000"]).pid

def input_fn(body, content_type):
    if body == "read":
        raise ValueError("private")
    return body

def predict_fn(data, model):
    match data:
        case "raise": raise ValueError("private")
        case "exit": sys.exit(3)
        case "interrupt": raise KeyboardInterrupt
        case "close": raise GeneratorExit
        case "deep": return predict_fn(data, model)
        case "die": os.kill(os.getpid(), int(os.environ["BY"]))
        case "say":
            for number in range(50_000): print("line", number)
        case "pool":
            with fork.Pool(2) as pool:
                return str(pool.map(abs, [-1, -2]))
        case "terminate":
            begun = fork.Event()
            process = fork.Process(target=wait, args=(begun,))
            process.start()
            begun.wait()
            process.terminate()
            process.join()
            return str(process.exitcode)
        case "fork":
            child = os.fork()
            if child == 0: sys.exit(7)
            return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        case "copy":
            child = os.fork()
            return child and str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return str(model)

def output_fn(prediction, accept):
    match prediction:
        case "write": raise ValueError("private")
    return prediction, "text/plain"
"""
TRACEBACK = "; the traceback is in the log."
FAULTS = {
    "read": f"input_fn of inference.py raised ValueError{TRACEBACK}",
    "raise": f"predict_fn of inference.py raised ValueError{TRACEBACK}",
    "exit": f"predict_fn of inference.py raised SystemExit{TRACEBACK}",
    "interrupt": f"predict_fn of inference.py raised KeyboardInterrupt{TRACEBACK}",
    "close": f"predict_fn of inference.py raised GeneratorExit{TRACEBACK}",
    "deep": f"predict_fn of inference.py raised RecursionError{TRACEBACK}",
}


def faulty(opt_ml: OptMl) -> OptMl:
    """Write the program next to the model."""
    write_files(opt_ml.model / "code", {"inference.py": FAULTY})
    return opt_ml


def test_error_of_a_function_is_reported_and_the_next_request_answered(
    opt_ml: OptMl, tmp_path: Path
) -> None:
    """Any exception, even SystemExit, becomes a 500 with the name of the function."""
    with serving(faulty(opt_ml), tmp_path / "log", MODEL_SERVER_WORKERS="1") as server:
        server.await_ready()
        replies = {fault: server.invoke(fault) for fault in FAULTS}
        after = server.invoke("say")

    assert {fault: reply.json()["message"] for fault, reply in replies.items()} == FAULTS
    assert {reply.status for reply in replies.values()} == {500}
    assert after.status == 200


def test_program_may_start_processes(opt_ml: OptMl, tmp_path: Path) -> None:
    """Forked processes end on SIGTERM, never answer a request, and end with the server."""
    with serving(faulty(opt_ml), tmp_path / "log", MODEL_SERVER_WORKERS="1") as server:
        server.await_ready()
        bodies = [server.invoke(body).body for body in ("pool", "terminate", "fork", "copy")]
        child = int(server.invoke("x").body)
        running = command_line(child)
        ended = server.stop()

    assert bodies == [b"[1, 2]", b"-15", b"7", b"0"]
    assert running == "sleep 1000 "
    assert ended.code == 0
    assert "sleep" not in command_line(child)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_worker_that_a_function_crashes_is_replaced(
    opt_ml: OptMl, tmp_path: Path, number: signal.Signals
) -> None:
    """The caller receives 503 and can retry; the log has the signal."""
    variables = {"MODEL_SERVER_WORKERS": "1", "BY": str(int(number))}
    with serving(faulty(opt_ml), tmp_path / "log", **variables) as server:
        server.await_ready()
        reply = server.invoke("die")
        await_condition(lambda: server.invoke("x").status == 200, "an answer of another worker")
        logged = " ".join(server.messages())

    assert reply.status == 503
    assert reply.json()["message"] == (
        "No worker answers: the model server is starting, or a worker has exited; retry later."
    )
    assert f"was sent {number.name}!" in logged


@pytest.mark.parametrize("how", ["os._exit(9)", "ctypes.string_at(0)"])
def test_program_that_crashes_workers_at_start_up_is_given_up(
    opt_ml: OptMl, tmp_path: Path, how: str
) -> None:
    """After three crashes /ping returns the reason, and then the container exits."""
    text = f"import ctypes, os\ndef model_fn(model_dir): {how}\n"
    write_files(opt_ml.model / "code", {"inference.py": text})
    with serving(opt_ml, tmp_path / "log", MODEL_SERVER_WORKERS="1") as server:
        await_condition(lambda: "died" in _reason(server), "a reason")
        found = _reason(server)
        ended = server.ended()

    assert found.startswith(
        "3 workers died while they loaded the model; the signal or exit code is in the log. "
        "SIGKILL most likely means that a worker ran out of memory: use an instance type with more "
        "memory, or fewer workers (MODEL_SERVER_WORKERS). Now there is 1 worker as set: "
    )
    assert ended.code == EXIT_NO_MODEL


HANGS = """
import os, time
def model_fn(model_dir):
    open(os.environ["STARTED"], "w").write(str(os.getpid()))
    time.sleep(1000)
"""


@pytest.mark.parametrize(
    "files", [{"inference.py": HANGS}, {"inference.py": ""} | ENDLESS_REQUIREMENTS]
)
def test_stop_while_a_program_is_loaded_is_clean(
    opt_ml: OptMl, tmp_path: Path, files: dict[str, str]
) -> None:
    """Neither model_fn nor pip delays a stop, and no process remains."""
    write_files(opt_ml.model / "code", files)
    started = tmp_path / "started"
    variables = {"MODEL_SERVER_WORKERS": "1", "STARTED": str(started)}
    with serving(opt_ml, tmp_path / "log", **variables) as server:
        await_condition(lambda: started.exists() and bool(started.read_text()), "the start of it")
        process = int(started.read_text())
        before = command_line(process)
        ended = server.stop()

    assert before
    assert ended.code == 0
    assert command_line(process) != before


def _reason(server: LoggedServer) -> str:
    return str(server.request("/ping").json()["message"]) if server.answers() else ""
