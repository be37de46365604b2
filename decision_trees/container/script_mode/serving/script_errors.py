"""Errors of a user's program: who can fix them, and the message for the caller."""

from container.errors import ContainerError, NotAcceptable, UnsupportedMediaType

SEE_LOG = "the traceback is in the log"

_UNSUPPORTED = "UnsupportedFormatError"


class ProgramError(ContainerError):
    """A function of the program has failed; its traceback is written to the log only."""


class CallTimeout(ContainerError):
    """A function of the program did not return in time."""

    status = 504


class Refused(ContainerError):
    """A function of the program refused the request, with a message for the caller."""

    may_be_logged = False

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def translated(function: str, program: str, error: BaseException) -> ContainerError:
    """Translate an exception that a function of the program raised into an error for the caller.

    An error of AWS's inference toolkit, with a `status_code` from 400 to 499, is meant for the
    caller: its text becomes the message. The UnsupportedFormatError of AWS's scikit-learn
    container becomes 415, or 406 from output_fn. For any other error the message has only its
    class, because its text may be private.

    Source: https://github.com/aws/sagemaker-containers (_transformer.py) and
    https://github.com/aws/sagemaker-inference-toolkit (transformer.py)
    """
    status = getattr(error, "status_code", None)
    if type(status) is int and 400 <= status < 500:
        return Refused(str(getattr(error, "message", error)), status)
    if type(error).__name__ == _UNSUPPORTED:
        kind = NotAcceptable if function == "output_fn" else UnsupportedMediaType
        return kind(f"{function} of {program} does not support this format; ask for another.")
    return ProgramError(f"{function} of {program} raised {type(error).__name__}; {SEE_LOG}.")
