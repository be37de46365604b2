"""Logging to standard output, one line for each record; the platform collects it there.

`train` writes plain text, because SageMaker finds metrics by regular expressions; `serve` writes
JSON. Text of others, such as the name of a file, can neither start a line nor pass for a metric.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FIELDS = "fields"
"""Key in `extra` for additional fields of a JSON line: `extra={FIELDS: {...}}`."""

LINE_CHARACTERS = 16_000
"""Maximum length of a message; Docker splits lines of 16 KB. The middle of a longer one is cut."""

_METRIC = re.compile(r"[\w.-]+(:[\w.-]+)+=[-+.\w]+;")
_LIKE_METRIC = re.compile(r"(\w:[\w.-]+)=")

_VALUE = re.compile(
    r"""(?<!\w)b?(?:'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z))"""  # as repr writes them
    r"|<.*>|\b0x[0-9a-f]+|(?<![\w.])-?\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)",
    re.DOTALL,
)

_encode = json.JSONEncoder(check_circular=False).encode  # _plain removes circular references
_MAX_DEPTH = 8  # deeper values are converted to text


def configure(level: int = logging.INFO, *, as_json: bool = False) -> None:
    """Send all records of the process to standard output; called by entry points only.

    Python's warnings, and an exception that ends the process, are logged as well; otherwise they
    are several lines of text.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines() if as_json else TextLines())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _log_uncaught(*exc_info: Any) -> None:
    logging.getLogger(__name__).critical("the program failed", exc_info=exc_info)


def gunicorn_logging() -> dict[str, Any]:
    """Return gunicorn's setting `logconfig_dict` for records in JSON.

    The level is that of gunicorn's setting `loglevel`. In a worker the app calls `configure`, which
    then applies to gunicorn's records as well.

    Source: https://docs.gunicorn.org/en/stable/settings.html (logconfig_dict).
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stdout",
            }
        },
        "root": {"handlers": ["stdout"]},
        "loggers": {"gunicorn.error": {"handlers": [], "propagate": True}},
    }


def escaped(text: str) -> str:
    """Return a text as one line, cut if it is long, with escapes for what is not printable.

    Not printable are line breaks, other control characters, those that change the direction of
    text, and unpaired surrogates, as for `repr`.
    """
    text = _cut(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class TextLines(logging.Formatter):
    """Formats any record as one line of text; the lines of a traceback follow, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger and message, then the traceback."""
        message = escaped(_message(record).rstrip())
        if not _METRIC.fullmatch(message):
            message = _without_metrics(message)
        lines = [f"{self.formatTime(record)} {record.levelname} {record.name}: {message}"]
        if record.exc_info and record.exc_info[0] is not None:
            traceback = _cut(self.formatException(record.exc_info)).split("\n")
            lines += [f"    {_without_metrics(escaped(line))}" for line in traceback]
        return "\n".join(lines)


class JsonLines(logging.Formatter):
    """Formats any record as one line of JSON in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger and message, then the additional fields and the traceback."""
        line: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _cut(_message(record)),
        }
        line = line | _fields(record) | line  # fields are last and replace nothing
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = _cut(self.formatException(record.exc_info))
        return _encode(line).replace("\x7f", "\\u007f")  # JSON need not escape it


def _time(seconds: float) -> str:
    time = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{time.isoformat(timespec='milliseconds')}Z"


def without_values(message: str) -> str:
    """Return the message of an error without the values of a request.

    These are quoted, or numbers with a decimal point or an exponent. Other numbers count rows,
    columns and values.
    """
    return _VALUE.sub("...", message)


def _cut(text: str) -> str:
    n_left_out = len(text) - LINE_CHARACTERS
    if n_left_out <= 0:
        return text
    half = LINE_CHARACTERS // 2
    return f"{text[:half]} ... {n_left_out} characters left out ... {text[-half:]}"


def _without_metrics(text: str) -> str:
    """Escape what SageMaker would read as a metric: `validation:accuracy=1;` in a file name."""
    return _LIKE_METRIC.sub(r"\1\\x3d", text)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - logging must not raise
        return f"{_text(record.msg)} {_text(record.args)}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, FIELDS, {})
    plain = _plain(fields, 0)
    return plain if isinstance(plain, dict) else {FIELDS: plain}


def _plain(value: object, depth: int) -> Any:
    """Convert a value to types of JSON; other types become text."""
    match value:
        case None | bool() | str():
            return value
        case int() if abs(value) < 2**63:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case Mapping() if depth < _MAX_DEPTH:
            items = value.items()  # most items are text, and `match` is slow
            return {
                _text(key): item if type(item) is str else _plain(item, depth + 1)
                for key, item in items
            }
        case list() | tuple() if depth < _MAX_DEPTH:
            return [_plain(item, depth + 1) for item in value]
        case _:
            return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - logging must not raise
        return f"<{type(value).__name__}>"
