"""Every error that the container raises on purpose, and whose fault each one is.

ContainerError               500  a text that may be shown to the caller
├─ UserError                 400  the caller, or the owner of the job, can fix it
│  ├─ MalformedPayload       400
│  ├─ NotAcceptable          406  the answer cannot be given in the form that is wanted
│  ├─ UnsupportedMediaType   415
│  ├─ HyperparameterError         training only
│  ├─ ScriptError                 script mode only
│  └─ TrainingDataError           training only
└─ PlatformError             500  what surrounds the container is not as it must be
   ├─ SettingsError
   ├─ HostError                   training only
   ├─ ModelNotReady          503
   └─ ServerBusy             503  too much at once; come again

Any other exception is our own bug: its traceback goes to the log and nowhere else.
The exit codes are those of sysexits.h; a process that a signal ended counts 128 + signal.
"""

import json
import os

EXIT_INTERNAL = os.EX_SOFTWARE
EXIT_STOPPED = 128 + 15

EXIT_NO_MODEL = os.EX_NOINPUT
"""No worker can use what lies in the model directory, and waiting would not change it."""

MESSAGE_CHARACTERS = 1600
"""So many characters of a message are sent: with the rest, fewer than the 2048 that are shown."""

_NAME_CHARACTERS = 200

UNEXPECTED = "The request could not be answered; the reason is in the log."
"""What a caller is told of our own bug."""


def exit_code(returncode: int) -> int:
    """Return the exit code of a process as a shell gives it: 128 + the signal that ended it.

    `returncode` is what Python has for the process: -N when the signal N ended it.
    """
    return returncode if returncode >= 0 else 128 - returncode


def reply_body(
    error: str,
    message: str,
    row: int | None = None,
    column: int | str | None = None,
    request_id: str | None = None,
) -> bytes:
    """Return the body of a reply that tells of an error: one line of JSON.

    The platform shows the caller MESSAGE_CHARACTERS of it, so a longer message is cut.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """
    fields = {
        "error": error,
        "message": _cut(message, MESSAGE_CHARACTERS),
        "row": row,
        "column": _cut(column, _NAME_CHARACTERS) if isinstance(column, str) else column,
        "request_id": request_id,
    }
    return _json(fields) + b"\n"


def _cut(text: str, n_characters: int) -> str:
    """Return as much of a text as has so many characters in JSON, where some become six."""
    while len(_json(text).decode()) > n_characters:
        text = text[: len(text) * 9 // 10]
    return text


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")


class ContainerError(Exception):
    """An error whose text is written for the person who reads it."""

    status = 500
    exit_code = EXIT_INTERNAL


class UserError(ContainerError):
    """The caller of the endpoint, or the owner of the training job, can fix it."""

    status = 400
    exit_code = os.EX_DATAERR


class MalformedPayload(UserError):
    """The body of a request is not what its media type promises.

    `row` counts from 1; `column` too, or is a name.
    """

    def __init__(
        self, message: str, row: int | None = None, column: int | str | None = None
    ) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class NotAcceptable(UserError):
    """The answer is wanted in a form in which it cannot be given."""

    status = 406


class UnsupportedMediaType(UserError):
    """The body of a request is in a format that the container does not read."""

    status = 415


class HyperparameterError(UserError):
    """hyperparameters.json cannot be used."""


class ScriptError(UserError):
    """A program that somebody brings, its code, or what it needs, cannot be used."""


class TrainingDataError(UserError):
    """The files of a channel cannot be used."""


class PlatformError(ContainerError):
    """What surrounds the container is not as it must be."""


class SettingsError(PlatformError):
    """An environment variable has a value that cannot be used."""

    exit_code = os.EX_CONFIG


class HostError(PlatformError):
    """Another host of the job has failed, has died, or cannot be reached."""

    def __init__(self, message: str, exit_code: int = EXIT_INTERNAL) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ModelNotReady(PlatformError):
    """No model can answer, now or until somebody acts."""

    status = 503


class ServerBusy(PlatformError):
    """More requests have come than can be worked on; the caller may come again."""

    status = 503
