"""Contract of algorithm.py: the functions that the training job calls."""

import errno
import inspect
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from container.data.dataset import Dataset
from container.data.table import Table
from container.errors import AlgorithmError, fault, traceback_from
from container.hyperparameters.input_options import InputOptions

FILE = "algorithm.py"

_ENVIRONMENT = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}

logger = logging.getLogger(__name__)


class Algorithm(Protocol):
    """Functions of algorithm.py; mypy reports those that are missing."""

    @property
    def Hyperparameters(self) -> type[InputOptions]:  # noqa: N802 - a class, so named like one
        """Class of the hyperparameters."""

    def fit(self, table: Table, chosen: Any, /) -> Any:
        """Return a model fitted to `table` with the hyperparameters `chosen`."""

    def evaluate(self, model: Any, table: Table, /) -> Mapping[str, float]:
        """Return the metrics of `model` on `table` by name."""

    def describe(self, model: Any, /) -> Mapping[str, float]:
        """Return numbers that describe `model`, such as its size, by name."""

    def save(
        self,
        model: Any,
        directory: Path,
        table: Table,
        record: Mapping[str, Any],
        /,
    ) -> None:
        """Write all files that serving needs into the empty `directory`."""


@runtime_checkable
class Distributed(Algorithm, Protocol):
    """Additional functions for rows on several hosts, or more rows than fit in memory."""

    def takes_dataset(self, chosen: Any, n_rows: int, /) -> bool:
        """Return whether `fit_dataset` may replace `fit` for this number of rows or more."""

    def fit_dataset(self, dataset: Dataset, chosen: Any, /) -> Any:
        """Return a model fitted to `dataset`, the same on all hosts."""

    def evaluate_dataset(self, model: Any, dataset: Dataset, /) -> Mapping[str, float]:
        """Return the metrics of `model` on `dataset` by name, the same on all hosts."""


def check(algorithm: Any) -> None:
    """Raise AlgorithmError for a function that is missing or takes other arguments."""
    declared = getattr(algorithm, "Hyperparameters", None)
    if not (isinstance(declared, type) and issubclass(declared, InputOptions)):
        raise AlgorithmError(
            "algorithm.py has no class Hyperparameters(InputOptions); define it, if only to hold "
            "a docstring."
        )
    for name in ("fit", "evaluate", "describe", "save"):
        _, *arguments = inspect.signature(getattr(Algorithm, name)).parameters
        _check_function(name, getattr(algorithm, name, None), arguments)


def _check_function(name: str, function: Any, arguments: list[str]) -> None:
    call = f"{name}({', '.join(arguments)})"
    if not callable(function):
        raise AlgorithmError(f"algorithm.py has no function {call}; define it.")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise AlgorithmError(
            f"{name} of algorithm.py cannot be called as {call}; define it with these arguments."
        ) from error
    except ValueError:  # a compiled function may have no signature
        return


@contextmanager
def faults_named() -> Iterator[None]:
    """Turn an exception of algorithm.py into an AlgorithmError that names the line.

    The log has the traceback from that line on.
    """
    try:
        yield
    except SyntaxError as error:
        raise AlgorithmError(f"{fault(FILE, error)}; correct it.") from error
    except Exception as error:
        own = traceback_from(FILE, error)
        if own is None or hasattr(error, "exit_code") or _is_of_environment(error):
            raise
        logger.error("%s failed", FILE, exc_info=(type(error), error, own))
        raise AlgorithmError(f"{fault(FILE, error)}{_details(error)}") from error


@contextmanager
def faults_shown() -> Iterator[None]:
    """Exit with the text of an AlgorithmError on standard error, without a job."""
    try:
        with faults_named():
            yield
    except AlgorithmError as error:
        sys.stderr.write(f"train: {error}\n")
        sys.exit(error.exit_code)


def _is_of_environment(error: Exception) -> bool:
    """Return whether memory, the disk or a permission is missing."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _ENVIRONMENT


def _details(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return "; add it to requirements/train.in and build the image again."
    return f": {error}; correct it, its traceback is in the log."
