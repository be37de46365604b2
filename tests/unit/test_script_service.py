"""Service of a user's program: how it is found, checked, called and executed."""

import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import gevent
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from container.errors import ContainerError, ModelNotReady, ServerBusy
from container.paths import Paths
from container.payloads.types import Invocation
from container.script_mode.serving import handlers
from container.script_mode.serving.executor import SingleThreadExecutor
from container.script_mode.serving.handlers import Handlers
from container.script_mode.serving.script_errors import CallTimeout, ProgramError, translated
from container.script_mode.serving.service import ScriptService
from container.settings import Settings
from support.processes import DEADLINE_SECONDS


@pytest.fixture(autouse=True)
def _restored_python() -> Iterator[None]:
    """Restore the path and the modules, which programs change."""
    path, modules, flag = list(sys.path), set(sys.modules), sys.dont_write_bytecode
    yield
    sys.path[:], sys.dont_write_bytecode = path, flag
    for name in set(sys.modules) - modules:
        if not name.startswith(("numpy", "gevent", "container")):
            del sys.modules[name]


def settings_of(base: Path, files: Mapping[str, str], **given: Any) -> Settings:
    """Write files below a directory that replaces /opt/ml; return settings for it."""
    for name, text in files.items():
        file = base / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Settings(paths=Paths(base), cores=1, workers=1, **given)


def no_model(_directory: Path, _threads: int) -> NoReturn:
    """Raise the error of a missing artifact."""
    raise FileNotFoundError("model.json")


def refusal(settings: Settings) -> str:
    """Return the reason why a program is not loaded."""
    with pytest.raises(ModelNotReady) as caught:
        ScriptService.load(settings, no_model)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "program", "found"),
    [
        (["inference.py", "other.py"], None, "model/code/inference.py"),
        (["other.py"], None, "model/code/other.py"),
        (["inference.py", "train.py"], "train.py", "model/code/train.py"),
        (["train.py"], "train", "model/code/train.py"),
        (["src/train.py"], "src/train.py", "model/code/src/train.py"),
    ],
)
def test_program_is_found(
    tmp_path: Path, names: list[str], program: str | None, found: str
) -> None:
    """It is the named one, inference.py, or the only one."""
    files = {f"model/code/{name}": "" for name in names}
    settings = settings_of(tmp_path, files, program=program)

    assert handlers.find(settings, tmp_path) == tmp_path / found


def test_program_of_training_is_found_in_the_image(tmp_path: Path) -> None:
    """A program that trained from /opt/ml/code is found there."""
    settings = settings_of(tmp_path, {"code/train.py": ""}, program="train.py")

    assert handlers.find(settings, tmp_path) == tmp_path / "code/train.py"


def test_submit_directory_takes_precedence(tmp_path: Path) -> None:
    """A directory in SAGEMAKER_SUBMIT_DIRECTORY, with or without file://, is searched alone."""
    files = {"model/code/inference.py": "", "mine/inference.py": ""}
    settings = settings_of(tmp_path, files, submit_directory=f"file://{tmp_path}/mine")

    assert handlers.find(settings, tmp_path) == tmp_path / "mine/inference.py"


@pytest.mark.parametrize(
    ("files", "given", "message"),
    [
        (
            ["model/code/a.py", "model/code/b.py"],
            {},
            (
                "{base}/model/code has a.py, b.py and no inference.py; name the program with "
                "SAGEMAKER_PROGRAM."
            ),
        ),
        (
            ["model/code/a.py"],
            {"program": "c.py"},
            (
                "SAGEMAKER_PROGRAM is 'c.py', and there is no c.py in {base}/model/code nor in "
                "{base}/code; put it there, or set SAGEMAKER_SUBMIT_DIRECTORY to its directory."
            ),
        ),
        (
            [],
            {"submit_directory": "/nowhere"},
            (
                "SAGEMAKER_SUBMIT_DIRECTORY cannot be used. There is no code at '/nowhere'; name "
                "a directory, a tar.gz archive, or s3://BUCKET/KEY."
            ),
        ),
    ],
)
def test_missing_program_is_reported(
    tmp_path: Path, files: list[str], given: Mapping[str, str], message: str
) -> None:
    """The message has the searched directories and a remedy."""
    settings = settings_of(tmp_path, dict.fromkeys(files, ""), **given)

    assert refusal(settings) == message.format(base=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def transform_fn(m, b, c, a): pass\ndef predict_fn(d, m): pass\n",
            (
                "inference.py defines both transform_fn and predict_fn, which transform_fn "
                "replaces; keep one or the other."
            ),
        ),
        (
            "def input_fn(body): pass\n",
            (
                "input_fn of inference.py cannot be called with (body, content_type); define it "
                "with these arguments."
            ),
        ),
        (
            "model_fn = 'model'\n",
            (
                "model_fn of inference.py cannot be called with (model_dir); define it with this "
                "argument."
            ),
        ),
        (
            "x = 1\nx['private']\n",
            (
                "inference.py, line 2, raised TypeError during the import; the traceback is in the "
                "log."
            ),
        ),
    ],
)
def test_invalid_functions_are_reported_at_start_up(
    tmp_path: Path, text: str, message: str
) -> None:
    """They are found before the first request; the message has no text of an exception."""
    assert refusal(settings_of(tmp_path, {"model/code/inference.py": text})) == message


def test_program_without_model_fn_needs_the_artifact(tmp_path: Path) -> None:
    """The message asks for model_fn and has the reason why there is no artifact."""
    settings = settings_of(tmp_path, {"model/code/inference.py": ""})

    assert refusal(settings).endswith(
        "/model has no model that `train` wrote: model.json; define model_fn(model_dir)."
    )


def test_program_may_prepare_and_warm_up(tmp_path: Path) -> None:
    """pre_model_fn, model_fn and model_warmup_fn are called in this order; lib/ is on the path."""
    text = (
        "import extra\ncalls = []\n"
        "def pre_model_fn(d): calls.append('pre')\n"
        "def model_fn(d): calls.append('model'); return calls\n"
        "def model_warmup_fn(d, model): model.append('warm')\n"
        "def transform_fn(m, body, content_type, accept):\n"
        "    return repr((m, body, content_type, accept, extra.X))\n"
    )
    files = {"model/code/inference.py": text, "model/code/lib/extra.py": "X = 1"}
    settings = settings_of(tmp_path, files, default_accept="application/json")
    service = ScriptService.load(settings, no_model)

    answer = service.answer(Invocation(b"x", "text/csv", "*/*"))

    assert answer.media_type == "application/json"
    assert answer.body == b"(['pre', 'model', 'warm'], 'x', 'text/csv', 'application/json', 1)"
    assert not list(tmp_path.rglob("__pycache__"))


class Toolkit(Exception):
    """An error with the attributes of AWS's inference toolkit."""

    def __init__(self, status_code: Any, message: str) -> None:
        super().__init__(status_code, message)
        self.status_code = status_code
        self.message = message


class UnsupportedFormatError(Exception):
    """The error of AWS's scikit-learn container."""


@pytest.mark.parametrize(
    ("function", "error", "status", "message"),
    [
        ("input_fn", Toolkit(422, "Too few rows."), 422, "Too few rows."),
        (
            "input_fn",
            Toolkit(503, "private"),
            500,
            "input_fn of a.py raised Toolkit; the traceback is in the log.",
        ),
        (
            "input_fn",
            UnsupportedFormatError("private"),
            415,
            "input_fn of a.py does not support this format; ask for another.",
        ),
        (
            "output_fn",
            UnsupportedFormatError("private"),
            406,
            "output_fn of a.py does not support this format; ask for another.",
        ),
        (
            "predict_fn",
            SystemExit(1),
            500,
            "predict_fn of a.py raised SystemExit; the traceback is in the log.",
        ),
    ],
)
def test_error_of_a_program_is_translated(
    function: str, error: BaseException, status: int, message: str
) -> None:
    """Only errors that are meant for the caller keep their text; of others it has the class."""
    error_for_caller = translated(function, "a.py", error)

    assert (error_for_caller.status, str(error_for_caller)) == (status, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise KeyError('private')", "raised KeyError; the traceback is in the log."),
        ("raise SystemExit", "raised SystemExit; the traceback is in the log."),
        (
            "return {}",
            "returned dict; return bytes or text, or one of them with its media type.",
        ),
    ],
)
def test_error_of_transform_fn_names_the_function(tmp_path: Path, text: str, message: str) -> None:
    """Its exceptions and results are checked like those of the other functions."""
    code = f"def model_fn(d): pass\ndef transform_fn(m, b, c, a): {text}\n"
    service = ScriptService.load(settings_of(tmp_path, {"model/code/a.py": code}), no_model)

    with pytest.raises(ProgramError) as caught:
        service.answer(Invocation(b"x", "text/csv", None))

    assert str(caught.value) == f"transform_fn of a.py {message}"


def test_executor_runs_one_call_at_a_time_in_one_thread() -> None:
    """A program need not be thread-safe."""
    thread, inside, most, idents = SingleThreadExecutor(), [0], [0], set()

    def work() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        idents.add(threading.get_native_id())
        threading.Event().wait(0.002)
        inside[0] -= 1

    gevent.joinall([gevent.spawn(thread.call, work, 60) for _ in range(20)], raise_error=True)

    assert most == [1]
    assert len(idents) == 1
    assert threading.get_native_id() not in idents


@pytest.mark.parametrize("error", [ContainerError("known"), KeyError("other"), KeyboardInterrupt()])
def test_executor_raises_the_error_of_a_call_and_continues(error: BaseException) -> None:
    """The next call runs after an error."""
    thread = SingleThreadExecutor()

    def work() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        thread.call(work, 60)

    assert caught.value is error
    assert thread.call(lambda: 1, 60) == 1


def test_call_that_times_out_ends_the_process() -> None:
    """Its caller receives a time-out and waiting callers a retry; then the process ends."""
    ends, let_go = gevent.event.Event(), threading.Event()
    thread = SingleThreadExecutor(ends.set)
    hanging = gevent.spawn(thread.call, let_go.wait, 0.2)
    gevent.sleep(0)

    with pytest.raises(ServerBusy):
        thread.call(lambda: 1, 0.1)
    with pytest.raises(CallTimeout):
        hanging.get()

    assert ends.wait(DEADLINE_SECONDS)
    let_go.set()


def test_model_that_chooses_columns_by_name_is_served_without_a_warning() -> None:
    """Rows with and without names get scikit-learn's predictions for the named columns."""
    frame = pd.DataFrame({"b": [0.0, 1, 0, 1], "a": [0.0, 0, 1, 1]})
    chosen = ColumnTransformer([("one", "passthrough", ["a"])])
    model = make_pipeline(chosen, DecisionTreeClassifier()).fit(frame, ["x", "x", "y", "y"])
    service = ScriptService(Handlers("inference.py", {}), model, "application/json")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = service.answer(Invocation(b"a,b\n1,0\n0,1\n", "text/csv"))
        unnamed = service.answer(Invocation(b"[[0, 1], [1, 0]]", "application/json"))

    assert (named.body, unnamed.body) == (b'["y", "x"]\n', b'["y", "x"]\n')
