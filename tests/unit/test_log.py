"""Log lines: JSON for serving, whatever is logged, and plain text for training."""

import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.log import FIELDS, LINE_CHARACTERS, JsonLines, TextLines, escaped, without_values
from support.material import PROGRAM_DIR
from support.processes import DEADLINE_SECONDS


class Odd:
    """Object that cannot be converted to text."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError

    __repr__ = __str__


def line(message: object = "words", *args: object, **attributes: object) -> Any:
    """Format a record, check that it is one line of JSON in ASCII, and return its content."""
    record = logging.makeLogRecord(
        {"name": "container.x", "levelname": "INFO", "created": 1.0625, "msg": message}
        | {"args": args}
        | attributes
    )
    text = JsonLines().format(record)
    assert len(text.splitlines()) == 1
    assert text.isascii()
    assert text.isprintable()
    return json.loads(text, parse_constant=pytest.fail)


def text_of(message: str, *args: object, **attributes: object) -> str:
    """Format a record of the logger `container.x` as text, without its time."""
    record = logging.makeLogRecord(
        {"name": "container.x", "levelname": "INFO", "msg": message, "args": args} | attributes
    )
    return TextLines().format(record).split(" ", 2)[2]


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
    """It has these four fields and no others."""
    assert line("%d rows", 7) == {
        "time": "1970-01-01T00:00:01.062Z",
        "level": "INFO",
        "logger": "container.x",
        "message": "7 rows",
    }


def test_line_has_additional_fields() -> None:
    """Additional fields follow the message, keep their types and replace nothing."""
    fields = {"status": 200, "milliseconds": 1.5, "ok": True, "none": None, "message": "other"}

    logged = line("words", **{FIELDS: fields})

    assert list(logged) == ["time", "level", "logger", "message", *list(fields)[:4]]
    assert logged | fields == logged | {"message": "other"}
    assert logged["message"] == "words"


@pytest.mark.parametrize(
    ("value", "expected"),
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
def test_line_converts_any_object(value: object, expected: object) -> None:
    """Values that JSON does not have become text."""
    assert line(**{FIELDS: {"value": value}})["value"] == expected


def test_line_cuts_circular_references() -> None:
    """An object that contains itself is cut at a certain depth."""
    endless: list[object] = []
    endless.append(endless)

    assert "[[...]]" in str(line(**{FIELDS: {"value": endless}}))


@pytest.mark.parametrize("fields", [None, "text", [1], Odd()])
def test_line_accepts_fields_that_are_no_mapping(fields: object) -> None:
    """The record is logged with fields of any type."""
    assert line(**{FIELDS: fields})["message"] == "words"


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("%d rows", ("x",), "%d rows ('x',)"),
        ("%s %s", (1,), "%s %s (1,)"),
        ("%s", (Odd(),), "%s <tuple>"),
        (Odd(), (), "<Odd> ()"),
    ],
)
def test_line_accepts_a_message_that_cannot_be_formatted(
    message: object, args: tuple[object, ...], expected: str
) -> None:
    """A wrong call of the logger is still logged."""
    assert line(message, *args)["message"] == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    ),
    st.text(),
)
def test_line_is_json_whatever_is_logged(value: object, message: str) -> None:
    """Any message and fields are one line, and the message can be read back."""
    assert line("%s", message, **{FIELDS: {"value": value}})["message"] == message


@pytest.mark.parametrize("error", [ValueError("a\nb"), Odd])
def test_line_has_the_traceback(error: Any) -> None:
    """The traceback of an exception is in the same line."""
    try:
        raise error if isinstance(error, Exception) else ValueError(error())
    except ValueError:
        logged = line(exc_info=sys.exc_info())

    assert logged["exception"].startswith("Traceback (most recent call last):\n")
    assert logged["exception"].splitlines()[-1] in ("b", "ValueError: <exception str() failed>")


def test_log_of_serving_is_json_on_standard_output() -> None:
    """Records from the level upwards, and Python's warnings, are logged once, as JSON."""
    ended = run(
        "import warnings\n"
        "log.configure()\n"
        "log.configure(logging.WARNING, as_json=True)\n"
        "logging.getLogger('a').info('left out')\n"
        "logging.getLogger('a').warning('two\\nlines', extra={log.FIELDS: {'status': 503}})\n"
        "warnings.warn('old', UserWarning)\n"
    )

    logged = [json.loads(text) for text in ended.stdout.splitlines()]
    assert [(one["logger"], one["level"]) for one in logged] == [
        ("a", "WARNING"),
        ("py.warnings", "WARNING"),
    ]
    assert (logged[0]["message"], logged[0]["status"]) == ("two\nlines", 503)
    assert "UserWarning: old" in logged[1]["message"]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_log_of_training_is_plain_text_on_standard_output() -> None:
    """Regular expressions for metrics depend on this format."""
    ended = run("log.configure()\nlogging.getLogger('a').info('train:rows=%d;', 7)\n")

    assert re.fullmatch(r"[-0-9]{10} [:0-9]{8},\d{3} INFO a: train:rows=7;\n", ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("app", ["", "log.configure(as_json=True)\n"])
def test_log_of_gunicorn_has_the_same_format(app: str) -> None:
    """Gunicorn's records are logged once, as JSON, before and after the app configures its log."""
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
    logged = json.loads(text)
    assert (logged["logger"], logged["message"]) == ("gunicorn.error", "worker 7")
    assert (ended.returncode, ended.stderr) == (0, "")


HOSTILE = "2026-01-01 00:00:00,000 INFO container.training.job: validation:accuracy=9.9;"
CONTROLS = [
    *map(chr, range(32)),
    *map(chr, range(127, 160)),
    *"\u2028\u2029\u202e\u2066\u200f\ud800",
]


@pytest.mark.parametrize("char", CONTROLS)
def test_text_of_others_cannot_start_a_line(char: str) -> None:
    """Control characters, changes of direction and surrogates are written as escapes."""
    logged = text_of("skipping %s", f"a{char}{HOSTILE}")

    assert logged.isprintable()
    assert logged.startswith(f"INFO container.x: skipping a{repr(char)[1:-1]}2026")


@given(st.text())
def test_text_line_is_printable_whatever_is_logged(text: str) -> None:
    """Any text is one line, and printable text other than a metric's is unchanged."""
    assert escaped(text).isprintable()
    assert not text.isprintable() or escaped(text) == text


def test_metric_keeps_its_form() -> None:
    """SageMaker's regular expressions find it."""
    logged = text_of("%s:%s=%.6g;", "validation", "f1_macro", 0.25)

    assert logged == "INFO container.x: validation:f1_macro=0.25;"


@pytest.mark.parametrize(
    "text", ["validation:accuracy=9.9;", "x/validation:accuracy=9.9;.csv", "train:a:b=1;"]
)
def test_text_of_others_does_not_pass_for_a_metric(text: str) -> None:
    """A regular expression for a metric finds none in a file name."""
    assert not re.search(r"(train|validation):[\w:]+=(.*?);", text_of("skipping %s", text))


def test_lines_of_a_traceback_are_indented() -> None:
    """Neither a line of a message in a traceback nor a metric in it can pass for one of ours."""
    error = ValueError(f"a\n{HOSTILE}\r\x1b[31m")
    try:
        raise error
    except ValueError:
        first, *lines = text_of("failed", exc_info=sys.exc_info()).split("\n")

    assert first == "INFO container.x: failed"
    assert lines[0] == "    Traceback (most recent call last):"
    assert lines[-1] == f"    {HOSTILE}\\r\\x1b[31m".replace("=", "\\x3d")
    assert all(line.startswith("    ") and line.isprintable() for line in lines)


def test_middle_of_a_long_message_is_cut() -> None:
    """The beginning and the end are kept, in both formats."""
    message = "a" * 20_000 + "middle" + "z" * 20_000

    for logged in (line(message)["message"], text_of(message)):
        assert len(logged) < LINE_CHARACTERS + 100
        assert "middle" not in logged
        assert "aaa ... 24006 characters left out ... zzz" in logged


def test_warnings_of_training_are_logged_as_one_line() -> None:
    """Python would write several lines to standard error."""
    ended = run("import warnings\nlog.configure()\nwarnings.warn('a\\nb')\n")

    assert re.search(r" WARNING py.warnings: \S+: UserWarning: a\\nb", ended.stdout)
    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")


@pytest.mark.parametrize(
    "value", ["quagga", "it's", 'it\'s "x"', "a' b", "\\", "x" * 39 + "'", "'", '"']
)
def test_reason_has_no_quoted_value(value: str) -> None:
    """Whatever quotes the value contains, it is left out, and the rest is kept."""
    message = f"The model's column 3 is {value!r}, not {value.encode()!r}; send 4 numbers."

    assert without_values(message) == "The model's column 3 is ..., not ...; send 4 numbers."


def test_reason_has_no_number_of_a_cell() -> None:
    """Counts and places are kept."""
    message = "row 3, column 12 is 1e+39, -2.5 or 4.5e-07 or 0xff; send list<item: x>"

    assert without_values(message) == "row 3, column 12 is ..., ... or ... or ...; send list..."


@pytest.mark.parametrize("as_json", [True, False])
def test_exception_that_ends_a_program_is_logged(as_json: bool) -> None:
    """It has the form of all lines, and the exit code is Python's."""
    ended = run(f"log.configure(as_json={as_json})\nraise KeyError('a\\x1b[31m\\nb')\n")

    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "the program failed" in lines[0]
    assert as_json == (len(lines) == 1)
    assert all(line.isprintable() for line in lines)
