"""The log: one line an event, on standard output, where the platform collects it.

`train` writes plain text, which the regular expressions of metrics read; `serve` writes JSON.
"""

import json
import logging
import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FIELDS = "fields"
"""The key of `extra` for what a line of JSON tells beside its message: `extra={FIELDS: {...}}`."""

_encode = json.JSONEncoder(check_circular=False).encode  # _plain has no circles
_DEEPEST = 8  # an object that contains itself has no end


def configure(level: int = logging.INFO, *, as_json: bool = False) -> None:
    """Send every record of the process to standard output; only entry points call it.

    As JSON, warnings of Python are records too, since they would be several lines of text.
    """
    handler = logging.StreamHandler(sys.stdout)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if as_json else text)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(as_json)


def gunicorn_logging() -> dict[str, Any]:
    """Return the value of gunicorn's setting `logconfig_dict` that gives its lines this form.

    The level stays that of its setting `loglevel`. In a worker the app calls `configure`, and
    gunicorn's lines go with all others.

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


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON in ASCII, whatever the record holds."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger and message, then the fields, then the traceback."""
        line: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        line = line | _fields(record) | line  # the fields come last, and replace nothing
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)


def _time(seconds: float) -> str:
    time = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{time.isoformat(timespec='milliseconds')}Z"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - what is logged must not end the one who logs
        return f"{_text(record.msg)} {_text(record.args)}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, FIELDS, {})
    plain = _plain(fields, 0)
    return plain if isinstance(plain, dict) else {FIELDS: plain}


def _plain(value: object, depth: int) -> Any:
    """Return what JSON can say of a value; what it cannot say becomes text."""
    match value:
        case None | bool() | str():
            return value
        case int() if abs(value) < 2**63:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case Mapping() if depth < _DEEPEST:
            items = value.items()  # most are text, and a `match` is slow
            return {
                _text(key): item if type(item) is str else _plain(item, depth + 1)
                for key, item in items
            }
        case list() | tuple() if depth < _DEEPEST:
            return [_plain(item, depth + 1) for item in value]
        case _:
            return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - what is logged must not end the one who logs
        return f"<{type(value).__name__}>"
