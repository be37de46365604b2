"""Reading: the sources of a channel become one table, file after file, block after block.

Stacks: arrays that grow in place as blocks of rows come in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.data import streams
from container.data.channels import Channel
from container.data.readers import detection
from container.data.readers.batches import Batch, Part, Sparse
from container.data.streams import Source
from container.data.summary import Summary
from container.data.table import Schema, Table
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions
from container.progress import Counter

BATCH_ROWS = 65_536
_BATCH_CELLS = 4_000_000

REMEDY = (
    "correct the data, or the hyperparameters that say how it is read (task, label, weight, "
    "header, delimiter)"
)
_PIPE_HINT = (
    " A pipe joins the objects of a channel as they are, so each must end with a line break."
)


class TableBuilder:
    """Puts the blocks of all sources together, and holds each source against the first."""

    def __init__(self, survey: Summary | None = None) -> None:
        """Take the survey of the rows before, if there were any."""
        self.survey = survey or Summary()
        self.is_dropped = False
        self._clear()

    def _clear(self) -> None:
        self.n_rows = 0
        self._features = FeatureStack()
        self._codes = Stack(np.int32)
        self._numbers = Stack(np.float64)
        self._weights = Stack(np.float64)

    def drop(self) -> None:
        """Keep no rows, neither those before nor those to come: there are too many."""
        self.is_dropped = True
        self._clear()

    def add(self, block: Batch, codes: NDArray[np.int32] | None) -> None:
        """Append the rows of a block, whose labels have these codes in the survey."""
        if self.is_dropped:
            return
        self.n_rows += len(block.labels)
        self._features.append(block.features)
        if codes is not None:
            self._codes.append(codes)
        elif isinstance(block.labels, np.ndarray):
            self._numbers.append(block.labels)
        if block.weights is not None:
            self._weights.append(block.weights)

    def table(self, layout: Schema) -> Table:
        """Return everything that was added; raises CellError when it does not fit the layout."""
        if not self.n_rows:
            return layout.empty()
        labels: NDArray[Any] = self._numbers.whole()
        if layout.labels is not None:
            labels = layout.labels_of(self.survey.classes.names)[self._codes.whole()]
        return layout.table(
            self._features.matrix(layout.libsvm_base or 0, layout.n_features),
            labels,
            self._weights.whole() if len(self._weights) else None,
        )


def collect(
    channel: Channel, options: InputOptions, counter: Counter, drops: Callable[[Summary], bool]
) -> TableBuilder:
    """Read all sources of a channel, each once and in order; the whole is not looked at yet.

    Args:
        channel: what to read.
        options: how to read it.
        counter: counts files, rows and bytes while they are read.
        drops: says of the rows so far whether none need be kept: `batches` reads them again.

    Raises:
        TrainingDataError: naming file, row and column of the first thing that cannot be used.
        HyperparameterError: the options do not fit the files.
    """
    collector = TableBuilder()
    for block, codes in blocks(channel, options, counter, collector.survey):
        collector.add(block, codes)
        if not collector.is_dropped and drops(collector.survey):
            collector.drop()
    return collector


def batches(
    channel: Channel, options: InputOptions, counter: Counter, layout: Schema
) -> Iterator[Table]:
    """Yield the rows of all sources, which have been read before, some at a time."""
    collector = TableBuilder()
    n_rows = min(BATCH_ROWS, max(1, _BATCH_CELLS // layout.n_features))
    with refusing(channel):
        for block, codes in blocks(channel, options, counter, collector.survey):
            collector.add(block, codes)
            if collector.n_rows >= n_rows:
                yield collector.table(layout)
                collector = TableBuilder(collector.survey)
        if collector.n_rows:
            yield collector.table(layout)


def blocks(
    channel: Channel, options: InputOptions, counter: Counter, survey: Summary
) -> Iterator[tuple[Batch, NDArray[np.int32] | None]]:
    """Yield the rows of all sources, each held against those that `survey` has seen.

    Beside a block are the codes of its labels, see `Survey.add`.
    """
    options = detection.with_parameters(options, channel.content_type)
    for source in channel.sources:
        try:
            with streams.opened(source, counter) as content:
                kind = detection.choose(content, source.path.name, channel.content_type)
                part = _open(source, kind, content.stream, options)
                # A first row in doubt is that of one host alone.
                survey.begin(source, replace(part, doubt=None) if channel.part[0] else part)
                for block in _share(part.blocks, channel.part):
                    codes = survey.add(block)
                    yield block, codes
                    counter.rows += len(block.labels)
        except CellError as error:
            hint = _PIPE_HINT if source.is_pipe else ""
            raise TrainingDataError(_message(str(source), error) + hint) from error
        counter.files += 1


def _share(found: Iterator[Batch], part: tuple[int, int]) -> Iterator[Batch]:
    """Yield those rows of a source that are this host's."""
    skipped, step = part
    for block in found:
        n_rows = len(block.labels)
        if step == 1:
            yield block
        elif skipped < n_rows:
            yield block.take(slice(skipped, None, step))
        skipped = (skipped - n_rows) % step


@contextmanager
def refusing(channel: Channel) -> Iterator[None]:
    """Make an error of the whole one that names the first sources; raises TrainingDataError."""
    try:
        yield
    except CellError as error:
        names = ", ".join(str(source) for source in channel.sources[:5])
        raise TrainingDataError(_message(names, error)) from error


def _open(source: Source, kind: str, stream: BinaryIO, options: InputOptions) -> Part:
    try:
        return detection.read(kind, stream, options)
    except HyperparameterError as error:
        raise HyperparameterError(f"In {source}: {error}") from error


def _message(where: str, error: CellError) -> str:
    return f"In {where}, {error}; {error.remedy or REMEDY}."


_GROWTH = 1.25


class Stack:
    """Rows under rows in one array that grows in place, so that no row is in memory twice."""

    def __init__(self, dtype: DTypeLike, *row_shape: int) -> None:
        self._rows: NDArray[Any] = np.empty((0, *row_shape), dtype=dtype)
        self._n_rows = 0

    def __len__(self) -> int:
        return self._n_rows

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self._rows.shape[1:]

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows of shape (n, *row_shape)."""
        end = self._n_rows + len(rows)
        if end > len(self._rows):
            self._resize(max(end, int(len(self._rows) * _GROWTH)))
        self._rows[self._n_rows : end] = rows
        self._n_rows = end

    def whole(self) -> NDArray[Any]:
        """Return all rows, shape (n_rows, *row_shape), without a copy."""
        self._resize(self._n_rows)
        return self._rows

    def _resize(self, n_rows: int) -> None:
        # Nobody else has the array yet, so it may move: large ones are remapped, not copied.
        self._rows.resize((n_rows, *self.row_shape), refcheck=False)


class FeatureStack:
    """The features of all rows, from dense or from sparse blocks."""

    def __init__(self) -> None:
        self._dense: Stack | None = None
        self._sparse: list[Sparse] = []

    def append(self, features: NDArray[np.float32] | Sparse) -> None:
        """Add the features of some rows; raises CellError when others were added before."""
        if isinstance(features, Sparse):
            self._sparse.append(features)
        else:
            if self._dense is None:
                self._dense = Stack(np.float32, features.shape[1])
            if self._dense.row_shape != features.shape[1:]:
                before = self._dense.row_shape[0]
                raise CellError(f"rows have {features.shape[1]} features, those before {before}")
            self._dense.append(features)
        if self._sparse and self._dense is not None:
            raise CellError("rows are sparse, those before dense, or the other way round")

    @property
    def writes_index_0(self) -> bool:
        """Whether a sparse row has a feature with the index 0."""
        return any(bool((block.columns == 0).any()) for block in self._sparse)

    def matrix(self, first_index: int, n_features: int | None) -> NDArray[np.float32]:
        """Return all rows, shape (n_rows, n_features).

        Args:
            first_index: what sparse rows call the first feature, 0 or 1.
            n_features: how many features sparse rows have; None for those that are written.

        Raises:
            CellError: sparse rows have more features than `n_features`.
        """
        if self._dense is not None:
            return self._dense.whole()
        written = max(block.n_features for block in self._sparse) - first_index
        if first_index and self.writes_index_0:
            raise CellError("there is the index 0, but the training data count features from 1")
        if written < 1:
            raise CellError("rows have a label and nothing else")
        if n_features is not None and written > n_features:
            raise CellError(f"there are {written} features, in the training data {n_features}")
        return _dense(self._sparse, first_index, n_features or written)


def _dense(blocks: list[Sparse], first_index: int, n_features: int) -> NDArray[np.float32]:
    """Return sparse rows as a matrix, 0 where nothing is written."""
    matrix = np.zeros((sum(len(block.ends) for block in blocks), n_features), dtype=np.float32)
    start = 0
    for block in blocks:
        n_rows = len(block.ends)
        rows = np.repeat(np.arange(n_rows), np.diff(block.ends, prepend=0))
        matrix[start : start + n_rows][rows, block.columns - first_index] = block.values
        start += n_rows
    return matrix
