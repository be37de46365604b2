"""Encode predictions as a response body, one prediction for each row."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.errors import ContainerError
from container.formats.media_types import (
    CSV,
    LABELS,
    NPY,
    PREDICTED_LABEL,
    PREDICTED_SCORE,
    PROBABILITY,
)
from container.payloads.negotiation import ResponseFormat
from container.payloads.types import Predictions
from container.payloads.writers import LIST_OUTPUTS, Writer, npy_body, writer_of

_MANY_ROWS = 32
"""Minimum number of rows for which looking for equal rows saves time."""


class Encoder:
    """Encodes predictions of a model with fixed labels, whose bytes it prepares once."""

    def __init__(self, labels: Sequence[Any]) -> None:
        """Take the labels of the model; prepare CSV, the most common format, at once."""
        self._labels = labels
        self._writers: dict[str, Writer] = {}
        self._label_rows: dict[str, NDArray[np.object_]] = {}
        self._label_bodies: dict[tuple[str, int], bytes] = {}
        self._label_rows_of(CSV)

    def encode(
        self, predictions: Predictions, form: ResponseFormat, bad: Collection[int] = ()
    ) -> bytes:
        """Return a response body: the predictions in the order of the rows.

        A number is written as the shortest decimal that parses to the same float32.

        Args:
            predictions: must contain what the outputs of the response format need.
            form: a response format that `negotiation.check` accepts for these labels.
            bad: indices of rows without a prediction. Such a row is an empty line of CSV, null in
                JSON and in JSON Lines, NaN or empty text in npy, an empty record in RecordIO.

        Raises:
            ContainerError: a score or a probability is absent, NaN or infinite.
        """
        if form.media_type == NPY:
            return self._npy(predictions, form.outputs, sorted(bad))
        if form.outputs == (PREDICTED_LABEL,) and predictions.indices is not None:
            return self._labels_only(predictions.indices, form.media_type, bad)
        rows = self._rows(_columns_of(predictions, form.outputs, bad), form)
        writer = self._writer(form.media_type)
        for row in bad:
            rows[row] = writer.bad
        return writer.body(writer.separator.join(rows))

    def encode_label(self, index: int, form: ResponseFormat) -> bytes:
        """Return the response body for one row whose only output is its label; it is cached.

        Args:
            index: index of the label.
            form: a response format whose only output is the label.
        """
        body = self._label_bodies.get((form.media_type, index))
        if body is None:
            body = self.encode(Predictions(np.array([index])), form)
            self._label_bodies[form.media_type, index] = body
        return body

    def _labels_only(
        self, indices: NDArray[np.intp], media_type: str, bad: Collection[int]
    ) -> bytes:
        rows, writer = self._label_rows_of(media_type), self._writer(media_type)
        if bad:
            indices = indices.copy()
            indices[list(bad)] = len(self._labels)
        return writer.body(writer.separator.join(rows.take(indices).tolist()))

    def _label_rows_of(self, media_type: str) -> NDArray[np.object_]:
        """Return the row of each label as the only output, and a bad row as the last; cached."""
        rows = self._label_rows.get(media_type)
        if rows is None:
            writer = self._writer(media_type)
            written = [writer.row([writer.labels(PREDICTED_LABEL, [one])]) for one in self._labels]
            rows = np.array([*written, writer.bad], dtype=np.object_)
            self._label_rows[media_type] = rows
        return rows

    def _writer(self, media_type: str) -> Writer:
        writer = self._writers.get(media_type)
        return writer or self._writers.setdefault(media_type, writer_of(media_type, self._labels))

    def _rows(self, columns: "_Columns", form: ResponseFormat) -> list[bytes]:
        """Return the rows of a response; equal rows, common with a tree, are written once."""
        writer = self._writer(form.media_type)
        if len(columns.indices) < _MANY_ROWS:
            return self._written(writer, columns, form.outputs)
        keys = columns.keys()
        row_of = dict(zip(keys, range(len(keys)), strict=True))
        written = self._written(writer, columns.take(list(row_of.values())), form.outputs)
        row_by_key = dict(zip(row_of, written, strict=True))
        return [row_by_key[key] for key in keys]

    def _written(self, writer: Writer, columns: "_Columns", outputs: Sequence[str]) -> list[bytes]:
        written = [self._output(writer, columns, name) for name in outputs]
        return [writer.row(row) for row in zip(*written, strict=True)]

    def _output(self, writer: Writer, columns: "_Columns", name: str) -> list[bytes]:
        """Return one output of each row."""
        if name in columns.numbers:
            return writer.numbers(name, columns.numbers[name])
        if name == LABELS:
            return [writer.labels(name, self._labels)] * len(columns.indices)
        indices = columns.indices.tolist()
        named = {index: writer.labels(name, [self._labels[index]]) for index in set(indices)}
        return [named[index] for index in indices]

    def _npy(self, predictions: Predictions, outputs: Sequence[str], bad: Sequence[int]) -> bytes:
        """Return the outputs as an npy file, side by side.

        A single output with one value a row has the shape (n_rows,): float32, or for labels int64,
        float64 or text. Anything else has the shape (n_rows, n_values), float64 with labels.
        """
        columns = _columns_of(predictions, outputs, bad)
        labels = np.array(self._labels)
        arrays: dict[str, NDArray[Any]] = dict(columns.numbers)
        if LABELS in outputs:
            arrays[LABELS] = np.tile(labels, (len(columns.indices), 1))
        if PREDICTED_LABEL in outputs:
            arrays[PREDICTED_LABEL] = labels[columns.indices][:, np.newaxis]
        is_flat = len(outputs) == 1 and outputs[0] not in LIST_OUTPUTS
        return npy_body([arrays[name] for name in outputs], bad, is_flat=is_flat)


@dataclass(frozen=True)
class _Columns:
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

    def take(self, rows: list[int]) -> "_Columns":
        """Return some of the rows."""
        return _Columns(
            self.indices[rows], {name: values[rows] for name, values in self.numbers.items()}
        )


def _columns_of(predictions: Predictions, outputs: Sequence[str], bad: Collection[int]) -> _Columns:
    """Return the columns that the outputs need; the numbers of bad rows are 0."""
    numbers = {
        name: _finite(_numbers(predictions, name), name, bad)
        for name in outputs
        if name not in (PREDICTED_LABEL, LABELS)
    }
    if predictions.indices is not None:
        return _Columns(predictions.indices, numbers)
    return _Columns(np.zeros(len(predictions), dtype=np.intp), numbers)


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


def _finite(values: NDArray[np.float32], name: str, bad: Collection[int]) -> NDArray[np.float32]:
    """Return the numbers, 0 in bad rows; raise ContainerError for a number that is not finite."""
    if bad:
        values = values.copy()
        values[list(bad)] = 0
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = divmod(int(wrong.argmax()), values.shape[1])
        raise ContainerError(
            f"The model returned the {_noun(name)} {values[row, column]} for row {row + 1}, which "
            "is not a finite number; check that row for values far from the training data."
        )
    return np.ascontiguousarray(values)


def _noun(name: str) -> str:
    return "score" if name == PREDICTED_SCORE else "probability"
