"""Whose fault an error of a user's program is, and what the caller of the endpoint is told."""

from container.errors import ContainerError, NotAcceptable, UnsupportedMediaType

LOG = "the traceback is in the log"

_UNSUPPORTED = "UnsupportedFormatError"


class ProgramError(ContainerError):
    """A function of the program has failed; its traceback goes to the log and nowhere else."""


class CallTimeout(ContainerError):
    """A function of the program has not returned in time."""

    status = 504


class Refused(ContainerError):
    """A function of the program has refused the request on purpose, with a text for the caller."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def blame(function: str, program: str, error: BaseException) -> ContainerError:
    """Return what the caller is told of an error that a function of the program has raised.

    An error with a `status_code` from 400 to 499, as AWS's inference toolkit has them, is meant
    for the caller, text and all. So is the UnsupportedFormatError of AWS's scikit-learn
    container, which is 415 or, from output_fn, 406. Of any other only the name is told, since its
    text may hold what is private.

    Source: https://github.com/aws/sagemaker-containers (_transformer.py) and
    https://github.com/aws/sagemaker-inference-toolkit (transformer.py)
    """
    status = getattr(error, "status_code", None)
    if type(status) is int and 400 <= status < 500:
        return Refused(str(getattr(error, "message", error)), status)
    if type(error).__name__ == _UNSUPPORTED:
        kind = NotAcceptable if function == "output_fn" else UnsupportedMediaType
        return kind(f"{function} of {program} does not support this format; ask for another.")
    return ProgramError(f"{function} of {program} raised {type(error).__name__}; {LOG}.")
