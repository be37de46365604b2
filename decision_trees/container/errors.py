"""Every error that the container raises on purpose, and whose fault each one is.

ContainerError               500  a text that may be shown to the caller
├─ UserError                 400  the caller, or the owner of the job, can fix it
│  ├─ MalformedPayload       400
│  ├─ UnsupportedMediaType   415
│  ├─ HyperparameterError         training only
│  └─ TrainingDataError           training only
└─ PlatformError             500  what surrounds the container is not as it must be
   ├─ SettingsError
   └─ ModelNotReady          503

Any other exception is our own bug: its traceback goes to the log and nowhere else.
The exit codes are those of sysexits.h; a process that a signal ended counts 128 + signal.
"""

import json
import os

EXIT_INTERNAL = os.EX_SOFTWARE
EXIT_STOPPED = 128 + 15

UNEXPECTED = "The request could not be answered; the reason is in the log."
"""What a caller is told of our own bug."""


def reply_body(error: str, message: str) -> bytes:
    """Return the body of a reply that tells of an error: one line of JSON."""
    return json.dumps({"error": error, "message": message}).encode() + b"\n"


class ContainerError(Exception):
    """An error whose text is written for the person who reads it."""

    status = 500
    exit_code = EXIT_INTERNAL


class UserError(ContainerError):
    """The caller of the endpoint, or the owner of the training job, can fix it."""

    status = 400
    exit_code = os.EX_DATAERR


class MalformedPayload(UserError):
    """The body of a request is not what its media type promises."""


class UnsupportedMediaType(UserError):
    """The body of a request is in a format that the container does not read."""

    status = 415


class HyperparameterError(UserError):
    """hyperparameters.json cannot be used."""


class TrainingDataError(UserError):
    """The files of a channel cannot be used."""


class PlatformError(ContainerError):
    """What surrounds the container is not as it must be."""


class SettingsError(PlatformError):
    """An environment variable has a value that cannot be used."""

    exit_code = os.EX_CONFIG


class ModelNotReady(PlatformError):
    """No model can answer, now or until somebody acts."""

    status = 503
