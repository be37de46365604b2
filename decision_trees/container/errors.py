"""Exceptions that the container raises on purpose, by who can fix them.

ContainerError               500  its text may be shown to the caller
├─ UserError                 400  the caller, or the owner of the job, can fix it
│  ├─ AlgorithmError              training only
│  ├─ MalformedPayload       400
│  ├─ PayloadTooLarge        413  the request needs more memory than there is
│  ├─ NotAcceptable          406  no accepted media type can carry the response
│  ├─ UnsupportedMediaType   415
│  ├─ HyperparameterError         training only
│  ├─ ScriptError                 script mode only
│  └─ TrainingDataError           training only
└─ PlatformError             500  the environment of the container is at fault
   ├─ SettingsError
   ├─ HostError                   training only
   ├─ ModelNotReady          503
   └─ ServerBusy             503  the server is overloaded; the caller may retry

Any other exception is a bug of this program; its traceback is written to the log only.
Exit codes follow sysexits.h; a process that a signal ended has 128 + the signal's number.
"""

import json
import os
import types

EXIT_INTERNAL = os.EX_SOFTWARE
EXIT_STOPPED = 128 + 15

EXIT_NO_MODEL = os.EX_NOINPUT
"""No worker can load the model, and a retry would not help."""

FAILURE_CHARACTERS = 1024
"""Maximum length of a failure file; the platform shows no more.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
"""

MESSAGE_CHARACTERS = 1600
"""Maximum length of a message in a response.

With the other fields this is less than the 2048 characters that the platform shows.
Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

_NAME_CHARACTERS = 200

UNEXPECTED = "The request could not be answered; the reason is in the log."
"""Message returned to the caller for an unexpected error."""


def exit_code(returncode: int) -> int:
    """Return the exit code of a process as a shell reports it: 128 + N after the signal N.

    `returncode` is Python's value: -N after the signal N.
    """
    return returncode if returncode >= 0 else 128 - returncode


def traceback_from(file: str, error: BaseException) -> types.TracebackType | None:
    """Return a traceback from the last call in the file of this name on; None if it has none."""
    found, traceback = None, error.__traceback__
    while traceback is not None:
        if os.path.basename(traceback.tb_frame.f_code.co_filename) == file:  # noqa: PTH119 - text
            found = traceback
        traceback = traceback.tb_next
    return found


def fault(file: str, error: BaseException) -> str:
    """Return where and why a user's file failed, without the text of the exception."""
    own = traceback_from(file, error)
    where = f"{file}, line {own.tb_lineno}," if own else file
    match error:
        case SyntaxError():
            name = os.path.basename(error.filename or file)  # noqa: PTH119 - text
            return f"{name}, line {error.lineno}, is not valid Python ({error.msg})"
        case ModuleNotFoundError():
            return f"{where} needs the package {error.name}, which is not installed"
        case SystemExit():
            return f"{where} ends the program"
        case _:
            return f"{where} raised {type(error).__name__}"


def reply_body(
    error: str,
    message: str,
    row: int | None = None,
    column: int | str | None = None,
    request_id: str | None = None,
) -> bytes:
    """Return the body of an error response: one line of JSON, its message cut if it is long."""
    fields = {
        "error": error,
        "message": _truncated(message, MESSAGE_CHARACTERS),
        "row": row,
        "column": _truncated(column, _NAME_CHARACTERS) if isinstance(column, str) else column,
        "request_id": request_id,
    }
    return _json(fields) + b"\n"


def _truncated(text: str, n_characters: int) -> str:
    """Truncate a text to a length in JSON, in which some characters take up six."""
    while len(_json(text).decode()) > n_characters:
        text = text[: len(text) * 9 // 10]
    return text


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")


class ContainerError(Exception):
    """An error whose text is written for users."""

    status = 500
    exit_code = EXIT_INTERNAL

    may_be_logged = True
    """Whether values in the text are in quotes, so that the access log can leave them out."""


class UserError(ContainerError):
    """The caller of the endpoint, or the owner of the training job, can fix it."""

    status = 400
    exit_code = os.EX_DATAERR


class AlgorithmError(UserError):
    """algorithm.py lacks a function, or one of its functions cannot be used."""


class MalformedPayload(UserError):
    """The request body does not match its media type.

    `row` counts from 1; `column` counts from 1 or is a name.
    """

    def __init__(
        self, message: str, row: int | None = None, column: int | str | None = None
    ) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class PayloadTooLarge(UserError):
    """The request needs more memory than a worker has for it."""

    status = 413


class NotAcceptable(UserError):
    """No media type that the caller accepts can carry the response."""

    status = 406


class UnsupportedMediaType(UserError):
    """The media type of the request body is not supported."""

    status = 415


class HyperparameterError(UserError):
    """A hyperparameter, or hyperparameters.json itself, is invalid."""


class ScriptError(UserError):
    """The user's program, its code or its requirements cannot be used.

    `last_lines` are those of the output of a program that failed.
    """

    def __init__(self, message: str, last_lines: list[str] | None = None) -> None:
        super().__init__(message)
        self.last_lines = last_lines or []


class TrainingDataError(UserError):
    """The files of a channel cannot be used."""


class PlatformError(ContainerError):
    """The environment of the container is at fault."""


class SettingsError(PlatformError):
    """An environment variable has an invalid value."""

    exit_code = os.EX_CONFIG


class HostError(PlatformError):
    """Another host of the job has failed, has died or cannot be reached."""

    def __init__(self, message: str, exit_code: int = EXIT_INTERNAL) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ModelNotReady(PlatformError):
    """No model is loaded: it is still being loaded, or it cannot be loaded."""

    status = 503


class ServerBusy(PlatformError):
    """The server is overloaded; the caller may retry later."""

    status = 503
