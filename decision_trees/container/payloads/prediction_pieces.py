"""Predictions of some rows of a request, as the outputs of a response need them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.errors import ContainerError
from container.formats.media_types import LABELS, PREDICTED_LABEL, PREDICTED_SCORE, PROBABILITY
from container.payloads.types import Predictions


class Piece(NamedTuple):
    """Predictions of some rows of a request."""

    predictions: Predictions
    first: int
    """Index of the first row in the request."""

    bad: list[int]
    """Indices of bad rows within the piece."""


def located(pieces: Iterable[Predictions], bad: Sequence[int]) -> Iterator[Piece]:
    """Yield pieces with their places; `bad` are the bad rows of the request, ascending."""
    first = 0
    for predictions in pieces:
        stop = first + len(predictions)
        within = bad[bisect_left(bad, first) : bisect_left(bad, stop)]
        yield Piece(predictions, first, [row - first for row in within])
        first = stop


@dataclass(frozen=True)
class PredictionColumns:
    """Predictions as the outputs of a response need them."""

    indices: NDArray[np.intp]
    """Index of each row's label, 0 for regression."""

    numbers: dict[str, NDArray[np.float32]]
    """Numbers of each output that has some, shape (n_rows, n_values), finite."""

    def keys(self) -> list[int] | list[bytes]:
        """Return for each row a key made of its bits, which tell -0.0 from 0.0."""
        bits = [values.view(np.uint32) for values in self.numbers.values()]
        if PREDICTED_SCORE not in self.numbers:
            bits.append(self.indices.astype(np.uint32)[:, np.newaxis])
        rows = np.hstack(bits)
        size = rows.itemsize * rows.shape[1]
        kind = f"u{size}" if size <= 8 else f"V{size}"  # numbers are hashed faster than bytes
        keys: list[int] | list[bytes] = rows.view(kind).ravel().tolist()
        return keys

    def take(self, rows: list[int]) -> "PredictionColumns":
        """Return some of the rows."""
        return PredictionColumns(
            self.indices[rows], {name: values[rows] for name, values in self.numbers.items()}
        )


def columns_of(piece: Piece, outputs: Sequence[str]) -> PredictionColumns:
    """Return the columns that the outputs need; the numbers of bad rows are 0."""
    predictions = piece.predictions
    numbers = {
        name: _finite(_numbers(predictions, name), name, piece)
        for name in outputs
        if name not in (PREDICTED_LABEL, LABELS)
    }
    if predictions.indices is not None:
        return PredictionColumns(predictions.indices, numbers)
    return PredictionColumns(np.zeros(len(predictions), dtype=np.intp), numbers)


def _numbers(predictions: Predictions, name: str) -> NDArray[np.float32]:
    """Return the numbers of an output, shape (n_rows, n_values); raise ContainerError if absent."""
    values = predictions.scores if name == PREDICTED_SCORE else predictions.probabilities
    if values is None:
        raise ContainerError(
            f"The model returned no {_noun(name)} for the output {name}; return it from `predict`."
        )
    if name == PROBABILITY:
        values = values[np.arange(len(values)), predictions.indices]
    if values.dtype != np.float32:
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    return values[:, np.newaxis] if values.ndim == 1 else values


def _finite(values: NDArray[np.float32], name: str, piece: Piece) -> NDArray[np.float32]:
    """Return the numbers, 0 in bad rows; raise ContainerError for a number that is not finite."""
    if piece.bad:
        values = values.copy()
        values[piece.bad] = 0
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = divmod(int(wrong.argmax()), values.shape[1])
        raise ContainerError(
            f"The model returned the {_noun(name)} {values[row, column]} for row "
            f"{piece.first + row + 1}, which is not a finite number; check that row for values far "
            "from the training data."
        )
    return np.ascontiguousarray(values)


def _noun(name: str) -> str:
    return "score" if name == PREDICTED_SCORE else "probability"
