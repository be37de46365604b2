"""Read the sources of a channel, one after the other, into one table or a stream of tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from container.data import streams
from container.data.channels import Channel
from container.data.dataset import BATCH_ROWS
from container.data.readers import detection
from container.data.readers.batches import Batch, BatchReader, GrowingArray, GrowingMatrix
from container.data.readers.left_out import LeftOut
from container.data.streams import Source
from container.data.summary import Summary
from container.data.table import Schema, Table
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions
from container.progress import Counter

_MAX_TABLE_CELLS = 4_000_000
"""Maximum number of cells in a table of a stream, unless one batch has more."""

REMEDY = "correct the data"
"""Remedy for an error that has none of its own."""

_PIPE_HINT = (
    " A pipe joins the objects of a channel as they are, so each must end with a line break."
)


class TableBuilder:
    """Collects batches, which `summary` has seen, into one table."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.is_dropped = False
        self._clear()

    def _clear(self) -> None:
        self.n_rows = 0
        self._features = GrowingMatrix()
        self._codes = GrowingArray(np.int32)
        self._numbers = GrowingArray(np.float64)
        self._weights = GrowingArray(np.float64)

    def drop(self) -> None:
        """Discard all rows, those before and those to come, because there are too many."""
        self.is_dropped = True
        self._clear()

    def add(self, batch: Batch, codes: NDArray[np.int32] | None) -> None:
        """Append rows; `codes` are those of their class labels in the summary."""
        if self.is_dropped:
            return
        self.n_rows += len(batch.labels)
        self._features.append(batch.features)
        if codes is not None:
            self._codes.append(codes)
        elif isinstance(batch.labels, np.ndarray):
            self._numbers.append(batch.labels)
        if batch.weights is not None:
            self._weights.append(batch.weights)

    def table(self, schema: Schema) -> Table:
        """Return all rows; raises CellError if they do not fit the schema."""
        if not self.n_rows:
            return schema.empty()
        labels: NDArray[Any] = self._numbers.whole()
        if schema.labels is not None:
            labels = schema.labels_of(self.summary.class_labels.names)[self._codes.whole()]
        return schema.table(
            self._features.whole(schema.libsvm_base or 0, schema.n_features, schema.n_empty),
            labels,
            self._weights.whole() if len(self._weights) else None,
        )


def collect(
    channel: Channel, options: InputOptions, counter: Counter, drops: Callable[[Summary], bool]
) -> TableBuilder:
    """Read all sources of a channel, each once and in order, without a check of the whole.

    Args:
        channel: what to read.
        options: how to read it.
        counter: counts files, rows and bytes while they are read.
        drops: returns, for the rows so far, whether to discard them; `tables` reads them again.

    Raises:
        TrainingDataError: naming file, row and column of the first cell that is refused.
        HyperparameterError: the options do not fit the files.
    """
    builder = TableBuilder(Summary())
    for batch, codes in batches(channel, options, counter, builder.summary):
        builder.add(batch, codes)
        if not builder.is_dropped and drops(builder.summary):
            builder.drop()
    return builder


def tables(
    channel: Channel, options: InputOptions, counter: Counter, schema: Schema
) -> Iterator[Table]:
    """Yield the rows of all sources, read before with this schema, in tables of limited size."""
    builder = TableBuilder(Summary())
    n_rows = min(BATCH_ROWS, max(1, _MAX_TABLE_CELLS // schema.n_features))
    with naming_sources(channel):
        for batch, codes in batches(channel, options, counter, builder.summary):
            builder.add(batch, codes)
            if builder.n_rows >= n_rows:
                yield builder.table(schema)
                builder = TableBuilder(builder.summary)
        if builder.n_rows:
            yield builder.table(schema)


def batches(
    channel: Channel, options: InputOptions, counter: Counter, summary: Summary
) -> Iterator[tuple[Batch, NDArray[np.int32] | None]]:
    """Yield this host's rows of all sources after adding them to `summary`.

    Each batch comes with the codes of its class labels; see `Summary.add`.
    """
    options = detection.with_parameters(options, channel.content_type)
    for source in channel.sources:
        with _naming_source(source):
            yield from _batches_of(source, channel, options, counter, summary)
        counter.files += 1


def _batches_of(
    source: Source, channel: Channel, options: InputOptions, counter: Counter, summary: Summary
) -> Iterator[tuple[Batch, NDArray[np.int32] | None]]:
    with streams.opened(source, counter) as raw:
        content = streams.in_utf8(raw, options.encoding)
        format_name = detection.detect(content, source.path.name, channel.content_type)
        reader = open_reader(format_name, content.stream, options)
        if channel.first_row:  # the first row, and the guess about it, are another host's
            reader = replace(reader, header_guess=None)
        summary.begin(source, reader)
        left_out = LeftOut(reader, options)
        for found in _share(reader.batches, channel.first_row, channel.row_step):
            batch = left_out.without(found)
            codes = summary.add(batch)
            yield batch, codes
            counter.rows += len(batch.labels)
        summary.left_out += left_out.counts()


def open_reader(format_name: str, stream: BinaryIO, options: InputOptions) -> BatchReader:
    """Return the reader of a format; only that reader and its libraries are imported."""
    match format_name:
        case detection.PARQUET:
            from container.data.readers import parquet_reader

            return parquet_reader.read(stream, options)
        case detection.RECORDIO:
            from container.data.readers import recordio_reader

            return recordio_reader.read(stream, options)
        case detection.LIBSVM:
            from container.data.readers import libsvm_reader

            return libsvm_reader.read(stream, options)
        case detection.TSV if options.delimiter == "auto":
            options = options.model_copy(update={"delimiter": "tab"})
    from container.data.readers.text import csv_reader

    return csv_reader.read(stream, options)


def _share(rows: Iterator[Batch], first_row: int, row_step: int) -> Iterator[Batch]:
    """Yield every `row_step`-th row from `first_row` on."""
    for batch in rows:
        n_rows = len(batch.labels)
        if row_step == 1:
            yield batch
        elif first_row < n_rows:
            yield batch.take(slice(first_row, None, row_step))
        first_row = (first_row - n_rows) % row_step


@contextmanager
def naming_sources(channel: Channel) -> Iterator[None]:
    """Raise a CellError as TrainingDataError that names the first sources of the channel."""
    try:
        yield
    except CellError as error:
        names = ", ".join(str(source) for source in channel.sources[:5])
        raise TrainingDataError(_message(names, error)) from error


@contextmanager
def _naming_source(source: Source) -> Iterator[None]:
    """Add the source to errors, and raise a CellError as TrainingDataError."""
    try:
        yield
    except CellError as error:
        hint = _PIPE_HINT if source.is_pipe else ""
        raise TrainingDataError(_message(str(source), error) + hint) from error
    except HyperparameterError as error:
        raise HyperparameterError(f"In {source}: {error}") from error


def _message(where: str, error: CellError) -> str:
    remedy = error.remedy or _encoding_remedy(error) or REMEDY
    return f"In {where}, {error}; {remedy}."


def _encoding_remedy(error: CellError) -> str:
    """Return the remedy for bytes that are no UTF-8; empty for another error."""
    cause = error.__cause__
    if not isinstance(cause, UnicodeDecodeError):
        return ""
    in_cp1252 = cause.object.decode("cp1252", "replace")
    encoding = "latin-1" if "\ufffd" in in_cp1252 else "cp1252"
    return f"set the hyperparameter encoding={encoding}"
