"""Collect the rows of a request: parts shared by all decoders."""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from container.formats.cells import CellError, shown
from container.payloads.types import Expected, Rows

MAX_VALUES = 2**27
"""Maximum number of cells in a request, 512 MiB; a few bytes can represent many cells."""


class RowError(CellError):
    """A row that cannot be used, while others may be."""

    def __init__(
        self, problem: str, row: int, column: int | str | None = None, remedy: str = ""
    ) -> None:
        super().__init__(problem, remedy, row, column)


class RowCollector:
    """Collects the rows of a request; a bad row is marked, or ends the request."""

    def __init__(self, expected: Expected, mark_bad: bool) -> None:
        self.n_rows = 0
        self._numbers = array("d")
        self._n_features = expected.n_features
        self._mark_bad = mark_bad
        self._pieces: list[NDArray[np.float32]] = []
        self._bad: dict[int, str] = {}

    def extend(self, features: NDArray[np.float32]) -> None:
        """Add good rows of shape (n_rows, n_features); only before any is added by `append`."""
        self._pieces.append(features)
        self.n_rows += len(features)

    def append(self, values: Iterable[float]) -> None:
        """Add one good row of n_features numbers in range, NaN where one is missing."""
        refuse_size(self.n_rows + 1, self._n_features)
        self._numbers.extend(values)
        self.n_rows += 1

    def refuse(self, error: RowError) -> None:
        """Mark a row as bad; raise the error if bad rows are not marked."""
        if not self._mark_bad:
            raise error
        refuse_size(self.n_rows + 1, self._n_features)
        self._bad[self.n_rows] = str(error)
        self.n_rows += 1

    def rows(self, order: Sequence[int] | None = None) -> Rows:
        """Return all rows; `order` is the column of each feature in the request.

        Raises:
            CellError: there is no row.
        """
        if not self.n_rows:
            raise CellError("there is no row")
        features = self._good()
        if order is not None:
            features = features[:, order]
        if not self._bad:
            return Rows(features)
        good = np.ones(self.n_rows, dtype=np.bool_)
        good[list(self._bad)] = False
        filled = np.full((self.n_rows, self._n_features), np.nan, dtype=np.float32)
        filled[good] = features
        return Rows(filled, self._bad)

    def _good(self) -> NDArray[np.float32]:
        if self._pieces and not self._numbers:
            return self._pieces[0] if len(self._pieces) == 1 else np.concatenate(self._pieces)
        single = np.frombuffer(self._numbers, dtype=np.float64).astype(np.float32)
        return np.concatenate([*self._pieces, single.reshape(-1, self._n_features)])


def text_of(body: bytes) -> str:
    """Return a body as text without a byte-order mark; raise RowError if it is not UTF-8."""
    try:
        return body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        row = len((body[: error.start] + b".").splitlines())
        byte = body[error.start]
        raise RowError(f"row {row} has the byte 0x{byte:02x}, which is not UTF-8", row) from error


def refuse_size(n_rows: int, n_features: int) -> None:
    """Raise CellError if the rows have more than MAX_VALUES cells."""
    if n_rows * n_features > MAX_VALUES:
        raise CellError(f"there are more than {MAX_VALUES} cells", "send fewer rows at once")


def column(index: int, names: Sequence[str] | None) -> tuple[str, int | str]:
    """Return the name of a column in a message, and in `RowError.column`."""
    if names is None:
        return f"column {index + 1}", index + 1
    return f"column {index + 1} ({shown(names[index])})", names[index]


def out_of_range(value: float) -> str:
    """Return the problem of a value outside the range of a 32-bit float."""
    infinite = value in (float("inf"), float("-inf"))
    return "infinite" if infinite else f"{value!r}, beyond the range of a 32-bit float"
