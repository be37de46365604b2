"""Encode predictions as a response body, one prediction for each row."""

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.formats.media_types import (
    CSV,
    LABELS,
    NPY,
    PREDICTED_LABEL,
    PROBABILITIES,
)
from container.payloads.negotiation import ResponseFormat
from container.payloads.prediction_pieces import Piece, PredictionColumns, columns_of, located
from container.payloads.types import Predictions
from container.payloads.writers import LIST_OUTPUTS, Writer, npy_array, npy_header, writer_of

_MANY_ROWS = 32
"""Minimum number of rows for which looking for equal rows saves time."""

_PIECE_BYTES = 16 * 1024 * 1024
"""Memory that the predictions of some rows may take while they are encoded."""

_COMPUTED_BYTES = 16
"""Memory for a feature, or for a probability even if it is not asked for, in a model."""

_NUMBER_BYTES = 300
"""Memory for a number in a response while it is encoded, most of it Python objects."""

_CHARACTER_BYTES = 16
"""Memory for a character of a label: four copies of four bytes, as in an array of NumPy."""


class Encoder:
    """Encodes predictions of a model with fixed labels, whose bytes it prepares once."""

    def __init__(self, labels: Sequence[Any]) -> None:
        """Take the labels of the model; prepare CSV, the most common format, at once."""
        self._labels = labels
        self._writers: dict[str, Writer] = {}
        self._label_rows: dict[str, NDArray[np.object_]] = {}
        self._label_bodies: dict[tuple[str, int], bytes] = {}
        self._label_rows_of(CSV)
        sizes = [_CHARACTER_BYTES * len(str(label)) for label in labels]
        self._row_bytes = {
            PREDICTED_LABEL: max(sizes, default=0),
            LABELS: max(sizes, default=0) * len(sizes),
            PROBABILITIES: _NUMBER_BYTES * len(sizes),
        }

    def rows_together(self, form: ResponseFormat, n_features: int) -> int:
        """Return how many rows should be predicted and encoded together, to limit the memory."""
        sizes = [self._row_bytes.get(name, _NUMBER_BYTES) for name in form.outputs]
        computed = _COMPUTED_BYTES * (n_features + len(self._labels))
        return max(1, _PIECE_BYTES // (computed + sum(sizes)))

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
        return self.encode_pieces([predictions], len(predictions), form, bad)

    def encode_pieces(
        self,
        pieces: Iterable[Predictions],
        n_rows: int,
        form: ResponseFormat,
        bad: Collection[int] = (),
        check_size: Callable[[int], None] = lambda _: None,
    ) -> bytes:
        """Return the same body as `encode` for predictions that are computed one piece at a time.

        Args:
            pieces: predictions of all `n_rows`, in order.
            n_rows: number of rows.
            form: as for `encode`.
            bad: as for `encode`, ascending.
            check_size: receives the size of the body after each piece, and may raise.
        """
        parts = self._npy if form.media_type == NPY else self._text
        body = io.BytesIO()
        for part in parts(located(pieces, sorted(bad)), n_rows, form, bool(bad)):
            body.write(part)
            check_size(body.tell())
        return body.getvalue()

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

    def _text(
        self, pieces: Iterable[Piece], _n_rows: int, form: ResponseFormat, _marks: bool
    ) -> Iterator[bytes]:
        """Yield the parts of a body in a format of one text or record a row."""
        writer = self._writer(form.media_type)
        before = writer.opening
        for piece in pieces:
            yield before
            yield writer.separator.join(self._piece_rows(writer, piece, form))
            before = writer.separator
        yield writer.closing

    def _piece_rows(self, writer: Writer, piece: Piece, form: ResponseFormat) -> list[bytes]:
        indices = piece.predictions.indices
        if form.outputs == (PREDICTED_LABEL,) and indices is not None:
            if piece.bad:
                indices = indices.copy()
                indices[piece.bad] = len(self._labels)
            labelled: list[bytes] = self._label_rows_of(form.media_type).take(indices).tolist()
            return labelled
        rows = self._rows(columns_of(piece, form.outputs), form)
        for row in piece.bad:
            rows[row] = writer.bad
        return rows

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

    def _rows(self, columns: PredictionColumns, form: ResponseFormat) -> list[bytes]:
        """Return the rows of a response; equal rows, common with a tree, are written once."""
        writer = self._writer(form.media_type)
        if len(columns.indices) < _MANY_ROWS:
            return self._written(writer, columns, form.outputs)
        keys = columns.keys()
        row_of = dict(zip(keys, range(len(keys)), strict=True))
        written = self._written(writer, columns.take(list(row_of.values())), form.outputs)
        row_by_key = dict(zip(row_of, written, strict=True))
        return [row_by_key[key] for key in keys]

    def _written(
        self, writer: Writer, columns: PredictionColumns, outputs: Sequence[str]
    ) -> list[bytes]:
        written = [self._output(writer, columns, name) for name in outputs]
        return [writer.row(row) for row in zip(*written, strict=True)]

    def _output(self, writer: Writer, columns: PredictionColumns, name: str) -> list[bytes]:
        """Return one output of each row."""
        if name in columns.numbers:
            return writer.numbers(name, columns.numbers[name])
        if name == LABELS:
            return [writer.labels(name, self._labels)] * len(columns.indices)
        indices = columns.indices.tolist()
        named = {index: writer.labels(name, [self._labels[index]]) for index in set(indices)}
        return [named[index] for index in indices]

    def _npy(
        self, pieces: Iterable[Piece], n_rows: int, form: ResponseFormat, marks: bool
    ) -> Iterator[bytes]:
        """Yield the parts of an npy file of the outputs, side by side.

        A single output with one value a row has the shape (n_rows,): float32, or for labels int64,
        float64 or text. Anything else has the shape (n_rows, n_values), float64 with labels.
        """
        labels = np.array(self._labels)
        is_flat = len(form.outputs) == 1 and form.outputs[0] not in LIST_OUTPUTS
        for piece in pieces:
            columns = columns_of(piece, form.outputs)
            arrays: dict[str, NDArray[Any]] = dict(columns.numbers)
            if LABELS in form.outputs:
                arrays[LABELS] = np.tile(labels, (len(columns.indices), 1))
            if PREDICTED_LABEL in form.outputs:
                arrays[PREDICTED_LABEL] = labels[columns.indices][:, np.newaxis]
            array = npy_array([arrays[name] for name in form.outputs], piece.bad, marks=marks)
            if not piece.first:
                yield npy_header(array, n_rows, is_flat=is_flat)
            yield array.tobytes()
