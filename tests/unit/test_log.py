"""Lines of the log: JSON whatever is logged, plain text for training."""

import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.log import FIELDS, JsonLines
from support.material import PROGRAM_DIR
from support.processes import DEADLINE_SECONDS


class Odd:
    """Cannot be told of."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError

    __repr__ = __str__


def line(message: object = "words", *args: object, **attributes: object) -> Any:
    """Return what the line of a record says, and check that it is one line of JSON in ASCII."""
    record = logging.makeLogRecord(
        {"name": "container.x", "levelname": "INFO", "created": 1.0625, "msg": message}
        | {"args": args}
        | attributes
    )
    text = JsonLines().format(record)
    assert len(text.splitlines()) == 1
    assert text.isascii()
    return json.loads(text, parse_constant=pytest.fail)


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program that logs."""
    return subprocess.run(
        [sys.executable, "-c", f"import logging, sys\nfrom container import log\n{code}"],
        cwd=PROGRAM_DIR,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def test_line_has_time_level_logger_and_message() -> None:
    """The four are there, and nothing else."""
    assert line("%d rows", 7) == {
        "time": "1970-01-01T00:00:01.062Z",
        "level": "INFO",
        "logger": "container.x",
        "message": "7 rows",
    }


def test_line_has_the_fields() -> None:
    """Fields stand beside the message, keep their types, and replace nothing."""
    fields = {"status": 200, "milliseconds": 1.5, "ok": True, "none": None, "message": "other"}

    told = line("words", **{FIELDS: fields})

    assert list(told) == ["time", "level", "logger", "message", *list(fields)[:4]]
    assert told | fields == told | {"message": "other"}
    assert told["message"] == "words"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({1}, "{1}"),
        ((1, [2.5]), [1, [2.5]]),
        ({1: Odd(), Odd(): 2}, {"1": "<Odd>", "<Odd>": 2}),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**64, "18446744073709551616"),
        ([10**5000], ["<int>"]),
        (b"\xff", "b'\\xff'"),
        ("\ud800\u2028\n", "\ud800\u2028\n"),
    ],
)
def test_line_tells_of_any_object(value: object, told: object) -> None:
    """What JSON cannot say becomes text."""
    assert line(**{FIELDS: {"value": value}})["value"] == told


def test_line_ends_where_an_object_contains_itself() -> None:
    """Fields that have no end are cut."""
    endless: list[object] = []
    endless.append(endless)

    assert "[[...]]" in str(line(**{FIELDS: {"value": endless}}))


@pytest.mark.parametrize("fields", [None, "text", [1], Odd()])
def test_line_bears_fields_that_are_none(fields: object) -> None:
    """Fields that are no mapping are told of all the same."""
    assert line(**{FIELDS: fields})["message"] == "words"


@pytest.mark.parametrize(
    ("message", "args", "told"),
    [
        ("%d rows", ("x",), "%d rows ('x',)"),
        ("%s %s", (1,), "%s %s (1,)"),
        ("%s", (Odd(),), "%s <tuple>"),
        (Odd(), (), "<Odd> ()"),
    ],
)
def test_line_bears_a_message_that_cannot_be_made(
    message: object, args: tuple[object, ...], told: str
) -> None:
    """A mistake in a call of the logger loses no line."""
    assert line(message, *args)["message"] == told


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    ),
    st.text(),
)
def test_line_is_json_whatever_is_logged(value: object, message: str) -> None:
    """Any text and any fields make one line, and the text comes back."""
    assert line("%s", message, **{FIELDS: {"value": value}})["message"] == message


@pytest.mark.parametrize("error", [ValueError("a\nb"), Odd])
def test_line_has_the_traceback(error: Any) -> None:
    """An exception is told with its traceback, in the same line."""
    try:
        raise error if isinstance(error, Exception) else ValueError(error())
    except ValueError:
        told = line(exc_info=sys.exc_info())

    assert told["exception"].startswith("Traceback (most recent call last):\n")
    assert told["exception"].splitlines()[-1] in ("b", "ValueError: <exception str() failed>")


def test_log_of_serving_is_json_on_standard_output() -> None:
    """Records of the level and above, and warnings of Python, are lines of JSON; once each."""
    ended = run(
        "import warnings\n"
        "log.configure()\n"
        "log.configure(logging.WARNING, as_json=True)\n"
        "logging.getLogger('a').info('left out')\n"
        "logging.getLogger('a').warning('two\\nlines', extra={log.FIELDS: {'status': 503}})\n"
        "warnings.warn('old', UserWarning)\n"
    )

    told = [json.loads(text) for text in ended.stdout.splitlines()]
    assert [(one["logger"], one["level"]) for one in told] == [
        ("a", "WARNING"),
        ("py.warnings", "WARNING"),
    ]
    assert (told[0]["message"], told[0]["status"]) == ("two\nlines", 503)
    assert "UserWarning: old" in told[1]["message"]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_log_of_training_is_plain_text_on_standard_output() -> None:
    """People and the expressions of metrics read it, so it stays as it is."""
    ended = run("log.configure()\nlogging.getLogger('a').info('train:rows=%d;', 7)\n")

    assert re.fullmatch(r"[-0-9]{10} [:0-9]{8},\d{3} INFO a: train:rows=7;\n", ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("app", ["", "log.configure(as_json=True)\n"])
def test_log_of_gunicorn_has_the_same_form(app: str) -> None:
    """Gunicorn's own lines are JSON, once each, in its master and after the app has set up its."""
    ended = run(
        "from gunicorn.config import Config\n"
        "from gunicorn.glogging import Logger\n"
        "config = Config()\n"
        "config.set('loglevel', 'warning')\n"
        "config.set('logconfig_dict', log.gunicorn_logging())\n"
        f"logger = Logger(config)\nlogger.setup(config)\n{app}"
        "logger.info('left out')\n"
        "logger.warning('worker %d', 7)\n"
    )

    (text,) = ended.stdout.splitlines()
    told = json.loads(text)
    assert (told["logger"], told["message"]) == ("gunicorn.error", "worker 7")
    assert (ended.returncode, ended.stderr) == (0, "")
