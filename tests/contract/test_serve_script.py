"""`serve` with a user's program: its functions answer, and its errors are reported."""

import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from container.errors import EXIT_NO_MODEL
from support.material import PROGRAM_DIR, LabelledRows, OptMl
from support.processes import DEADLINE_SECONDS, await_condition, children_of, environment
from support.servers import LoggedServer, serving

SLOW = """
import os, time

def model_fn(model_dir):
    while not open(model_dir + "/go").read():
        time.sleep(0.02)
    return "loaded"

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    if data == "hang":
        time.sleep(3600)
    if data == "compute":
        open(os.environ["STARTED"], "w").close()
        while os.path.exists(os.environ["STARTED"]):
            sum(range(100_000))
    return [data, model]
"""


@contextmanager
def script(
    opt_ml: OptMl, tmp_path: Path, files: Mapping[str, str], **variables: str
) -> Iterator[LoggedServer]:
    """Serve files of /opt/ml/model/code with one worker."""
    for name, text in files.items():
        file = opt_ml.model / "code" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    with serving(opt_ml, tmp_path / "log", **{"MODEL_SERVER_WORKERS": "1"} | variables) as server:
        yield server


def reason(server: LoggedServer) -> str:
    """Return the message of /ping once a worker has reported a reason."""
    await_condition(server.answers, "an answer")
    found: list[str] = []

    def is_reported() -> bool:
        found[:] = [server.request("/ping").json()["message"]]
        return not any(words in found[0] for words in ("is loaded in", "starting", "not ready"))

    await_condition(is_reported, "a reason")
    return found[0]


def test_ping_succeeds_after_model_fn_has_returned(opt_ml: OptMl, tmp_path: Path) -> None:
    """Until then /ping and /invocations return 503; gunicorn's time-out does not apply."""
    (opt_ml.model / "code").mkdir(parents=True)
    go = opt_ml.model / "go"
    go.write_text("")
    with script(
        opt_ml, tmp_path, {"inference.py": SLOW}, SAGEMAKER_MODEL_SERVER_TIMEOUT="1"
    ) as server:
        await_condition(lambda: server.answers() and b"loaded in 0" in ping(server), "a ping")
        worker = children_of(server.children("gunicorn")[0])
        invoked = server.invoke("x")
        since = time.monotonic()
        await_condition(lambda: time.monotonic() - since > 3, "three times the time-out")
        same_worker = children_of(server.children("gunicorn")[0])
        before = server.request("/ping").status
        go.write_text("go")
        server.await_ready()
        reply = server.invoke("x")

    assert (before, invoked.status) == (503, 503)
    assert invoked.json()["message"] == "The model is being loaded."
    assert same_worker == worker
    assert reply.json() == ["x", "loaded"]


def ping(server: LoggedServer) -> bytes:
    """Return the body of /ping."""
    return server.request("/ping").body


def test_ping_is_answered_while_the_program_computes(opt_ml: OptMl, tmp_path: Path) -> None:
    """A long call delays neither pings nor the heartbeat."""
    opt_ml.model.mkdir(parents=True)
    (opt_ml.model / "go").write_text("go")
    started = tmp_path / "started"
    with script(opt_ml, tmp_path, {"inference.py": SLOW}, STARTED=str(started)) as server:
        server.await_ready()
        thread, replies = computing(server, started)
        statuses = [server.request("/ping").status for _ in range(10)]
        is_computing = not replies
        started.unlink()
        thread.join(DEADLINE_SECONDS)

    assert is_computing
    assert replies == [200]
    assert statuses == [200] * 10


def test_worker_whose_program_hangs_is_replaced(opt_ml: OptMl, tmp_path: Path) -> None:
    """The caller receives 504, and a new worker answers the next request."""
    opt_ml.model.mkdir(parents=True)
    (opt_ml.model / "go").write_text("go")
    with script(opt_ml, tmp_path, {"inference.py": SLOW}, MODEL_SERVER_TIMEOUT="2") as server:
        server.await_ready()
        (before,) = children_of(server.children("gunicorn")[0])
        reply = server.invoke("hang")
        await_condition(
            lambda: before not in children_of(server.children("gunicorn")[0]), "another worker"
        )
        server.await_ready()
        after = server.invoke("x")

    assert reply.status == 504
    assert reply.json()["message"] == (
        "The program did not answer within 2 s; send fewer rows at once, or raise "
        "MODEL_SERVER_TIMEOUT."
    )
    assert after.status == 200


def test_stop_waits_for_the_program(opt_ml: OptMl, tmp_path: Path) -> None:
    """Accepted requests are answered, and the exit code is 0."""
    opt_ml.model.mkdir(parents=True)
    (opt_ml.model / "go").write_text("go")
    started = tmp_path / "started"
    with script(opt_ml, tmp_path, {"inference.py": SLOW}, STARTED=str(started)) as server:
        server.await_ready()
        thread, replies = computing(server, started)
        server.process.send_signal(signal.SIGTERM)
        await_condition(
            lambda: any(text.startswith("stop signal") for text in server.messages()), "a stop"
        )
        started.unlink()
        ended = server.ended()
        thread.join(DEADLINE_SECONDS)

    assert (ended.code, replies) == (0, [200])


def computing(server: LoggedServer, started: Path) -> tuple[threading.Thread, list[int]]:
    """Send a request in a thread and wait until its computation has started.

    It ends when the file `started` is removed. Return the thread and the list for its status.
    """
    replies: list[int] = []

    def invoke() -> None:
        with suppress(OSError, HTTPException):  # the test then finds no status
            replies.append(server.invoke("compute").status)

    thread = threading.Thread(target=invoke, daemon=True)
    thread.start()
    await_condition(started.exists, "a computation")
    return thread, replies


def test_error_of_the_program_names_the_function(opt_ml: OptMl, tmp_path: Path) -> None:
    """The message has the function and the class of the error; the log has the traceback."""
    text = "def model_fn(d): return 1\ndef input_fn(b, c): raise KeyError('private ' + b)\n"
    with script(opt_ml, tmp_path, {"inference.py": text}) as server:
        server.await_ready()
        reply = server.ask("/invocations", b"words", {"X-Amzn-SageMaker-Inference-Id": "i-7"})
        await_condition(lambda: "a request failed" in server.messages(), "a line of the failure")
        (line,) = (line for line in server.lines() if line.get("message") == "a request failed")

    assert reply.status == 500
    assert reply.json()["message"] == (
        "input_fn of inference.py raised KeyError; the traceback is in the log."
    )
    assert "line 2, in input_fn" in line["exception"]
    assert "KeyError: 'private words'" in line["exception"]
    assert line["inference_id"] == "i-7"


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        (
            "def model_fn(d):\n    raise OSError('private')\n",
            {},
            "model_fn of inference.py raised OSError; the traceback is in the log.",
        ),
        (
            "import sys\ndef model_fn(d):\n    sys.exit()\n",
            {},
            "model_fn of inference.py raised SystemExit; the traceback is in the log.",
        ),
        (
            "def model_fn(d:\n    pass\n",
            {},
            "inference.py, line 1, is not valid Python ('(' was never closed); correct it.",
        ),
        (
            "import os\nimport no_such_package\n",
            {},
            (
                "inference.py, line 2, needs the package no_such_package, which is not installed; "
                "add it to requirements.txt next to the program, or to the image."
            ),
        ),
        (
            "import argparse\nargparse.ArgumentParser().parse_args(['--no'])\n",
            {},
            (
                "inference.py, line 2, ends the program during its import; put the code for "
                'training below `if __name__ == "__main__":`.'
            ),
        ),
        (
            "",
            {"SAGEMAKER_PROGRAM": "train.sh"},
            (
                "SAGEMAKER_PROGRAM is 'train.sh', which can train but not serve; name a Python "
                "script that defines model_fn."
            ),
        ),
    ],
)
def test_program_that_cannot_be_loaded_is_reported(
    opt_ml: OptMl, tmp_path: Path, text: str, variables: Mapping[str, str], message: str
) -> None:
    """/ping returns the reason, and then the container exits as it does without a model."""
    with script(opt_ml, tmp_path, {"inference.py": text}, **variables) as server:
        found = reason(server)
        ended = server.ended()

    assert found == message
    assert ended.code == EXIT_NO_MODEL


def test_requirements_are_installed_once(opt_ml: OptMl, tmp_path: Path) -> None:
    """All workers can import the packages; nothing is written to the model directory."""
    wheel = opt_ml.model / "code/tiny_words-1.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    info = "tiny_words-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_words.py", "WORD = 'here'\n")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-words\nVersion: 1.0"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        archive.writestr(f"{info}/RECORD", "")
    files = {
        "inference.py": "from tiny_words import WORD\ndef model_fn(d): return WORD\n"
        "def input_fn(b, c): return b\ndef predict_fn(d, m): return [m]\n",
        "requirements.txt": "./tiny_words-1.0-py3-none-any.whl\nnumpy\n",
    }
    with script(opt_ml, tmp_path, files, MODEL_SERVER_WORKERS="2") as server:
        server.await_ready()
        replies = [server.invoke("x").json() for _ in range(8)]
        installed = [text for text in server.messages() if text.startswith("installing the")]

    assert replies == [["here"]] * 8
    assert len(installed) == 1
    assert sorted(path.name for path in wheel.parent.iterdir()) == sorted([*files, wheel.name])


def test_requirements_that_cannot_be_installed_are_reported(opt_ml: OptMl, tmp_path: Path) -> None:
    """The reason has the file and a remedy without network access; the log has pip's output."""
    files = {"inference.py": "", "requirements.txt": "./no-such.whl\n"}
    with script(opt_ml, tmp_path, files) as server:
        found = reason(server)

    assert found == (
        f"{opt_ml.model}/code/requirements.txt cannot be installed, and pip's output is in the "
        "log; correct the file, or, without network access, add the packages to the image and "
        "remove the file."
    )


def test_program_without_functions_serves_the_artifact(
    trained: OptMl, iris: LabelledRows, tmp_path: Path
) -> None:
    """The defaults load the model that `train` wrote and predict its labels."""
    opt_ml = OptMl(tmp_path / "ml")
    (opt_ml.base).mkdir()
    opt_ml.model.mkdir()
    for file in trained.model.iterdir():
        (opt_ml.model / file.name).write_bytes(file.read_bytes())
    text = "def output_fn(prediction, accept):\r\n    return ';'.join(prediction), 'text/plain'\r\n"
    with script(opt_ml, tmp_path, {"only.py": text}) as server:
        server.await_ready()
        reply = server.invoke("5.1,3.5,1.4,0.2\n6.7,3.1,5.6,2.4\n")

    assert (reply.status, reply.content_type) == (200, "text/plain")
    assert reply.body == b"setosa;virginica"


@pytest.mark.parametrize(("named", "loaded"), [(False, False), (True, True)])
def test_script_mode_is_imported_only_for_a_program(
    opt_ml: OptMl, named: bool, loaded: bool
) -> None:
    """Either script mode is imported or predictor.py, never both."""
    variables = {"SAGEMAKER_PROGRAM": "inference.py"} if named else {}
    ended = subprocess.run(
        [sys.executable, "-c", "import wsgi, sys; print(*sys.modules, sep='\\n')"],
        cwd=PROGRAM_DIR,
        env=environment(opt_ml, **variables),
        check=True,
        capture_output=True,
        text=True,
    )
    modules = set(ended.stdout.splitlines())

    assert any(name.startswith("container.script_mode") for name in modules) == loaded
    assert ("predictor" in modules) == (not loaded)
    assert not (loaded and "onnxruntime" in modules)


def test_serve_without_a_program_does_not_import_script_mode(
    trained: OptMl, tmp_path: Path
) -> None:
    """No process of a server without a program imports container.script_mode."""
    with serving(trained, tmp_path, PYTHONPROFILEIMPORTTIME="1") as server:
        server.await_ready()
        status = server.invoke("5.1,3.5,1.4,0.2").status
        imported = server.errors()

    assert status == 200
    assert "container.serving.app" in imported
    assert "container.script_mode" not in imported
