"""Types of one request: the invocation, the rows in it, the predictions and the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.formats.cells import Notation, stripped

_ROW_BYTES = 512 * 1024
_CELL_BYTES = 32
_NAME_BYTES = 6  # of a character in JSON


class Invocation(NamedTuple):
    """A request to /invocations: its body, and the headers that describe it."""

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    attributes: str | None = None
    """The header X-Amzn-SageMaker-Custom-Attributes."""


class Answer(NamedTuple):
    """A response to an invocation: body, media type and number of rows."""

    body: bytes
    media_type: str
    n_rows: int


@dataclass(frozen=True)
class Expected:
    """The rows that a model accepts."""

    n_features: int
    names: Sequence[str] | None = None
    """Names of the features in the order of training; None if they have none.

    Blanks at their ends are removed, unless two names differ in nothing else.
    """

    libsvm_base: int = 1
    """Index of the first feature in libsvm rows, 0 or 1."""

    accepts_missing: bool = True
    """Whether the model predicts rows with missing cells."""

    na_values: Sequence[str] = ()
    """Texts of missing cells in the training data, in addition to the usual ones."""

    ignored: Sequence[tuple[int, str | None]] = ()
    """Index and name of each column that the model does not use, and that a request may have.

    The index is that in a row that has all of them; the name is None if columns have no names.
    """

    request_bytes: int = 2**31
    """Memory that one request may take; `TabularService` sets it. See container.payloads.limits."""

    def __post_init__(self) -> None:
        names = list(map(stripped, self.names or ()))
        if self.names is not None and len(set(names)) == len(names):
            object.__setattr__(self, "names", names)

    @cached_property
    def notation(self) -> Notation:
        """Notation of the cells of requests."""
        return Notation(frozenset(self.na_values))

    def is_ignored(self, name: str) -> bool:
        """Return whether a name is that of a column that the model does not use."""
        return bool(self.ignored) and stripped(name) in {name for _, name in self.ignored}

    def used_names(self, names: Sequence[str]) -> list[int] | None:
        """Return the indices of names that are not those of ignored columns; None for all."""
        indices = [index for index, name in enumerate(names) if not self.is_ignored(name)]
        return None if len(indices) == len(names) else indices

    def used(self, n_cells: int) -> list[int] | None:
        """Return the indices of the features in a row that has all ignored columns too.

        None for a row of another number of cells.
        """
        if not self.ignored or n_cells != self.n_features + len(self.ignored):
            return None
        ignored = {index for index, _ in self.ignored}
        return [index for index in range(n_cells) if index not in ignored]

    @cached_property
    def max_row_bytes(self) -> int:
        """Maximum size of a row; as Python objects it takes up to 30 times as much."""
        n_cells = self.n_features + len(self.ignored)
        names = [*(self.names or ()), *(name or "" for _, name in self.ignored)]
        return _ROW_BYTES + _CELL_BYTES * n_cells + _NAME_BYTES * sum(map(len, names))


@dataclass(frozen=True)
class Rows:
    """The rows of one request, in its order."""

    features: NDArray[np.float32]
    """Shape (n_rows, n_features); NaN for a missing cell, and in every cell of a bad row."""

    bad: Sequence[int] = ()
    """Index of each bad row, from 0, ascending; empty unless bad rows are marked."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model, in the order of the rows.

    A classifier sets `indices`, and `probabilities` if they are asked for; a regressor `scores`.
    """

    indices: NDArray[np.intp] | None = None
    """Index of each row's label, shape (n_rows,)."""

    probabilities: NDArray[np.float32] | None = None
    """Shape (n_rows, n_labels)."""

    scores: NDArray[np.float32] | None = None
    """Score of each row, finite, shape (n_rows,)."""

    def __len__(self) -> int:
        """Return the number of rows."""
        values = self.scores if self.indices is None else self.indices
        return 0 if values is None else len(values)
