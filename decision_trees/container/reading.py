"""Reading: the sources of a channel become one table, file after file, block after block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from container import sources
from container.blocks import Block, Part
from container.cells import CellError
from container.channels import Channel
from container.errors import HyperparameterError, TrainingDataError
from container.formats import choice
from container.layout import Layout
from container.options import InputOptions
from container.progress import Counter
from container.sources import Source
from container.stacks import FeatureStack, Stack
from container.survey import Survey
from container.tables import Table

BATCH_ROWS = 65_536
_BATCH_CELLS = 4_000_000

REMEDY = (
    "correct the data, or the hyperparameters that say how it is read (task, label, weight, "
    "header, delimiter)"
)
_PIPE_HINT = (
    " A pipe joins the objects of a channel as they are, so each must end with a line break."
)


class Collector:
    """Puts the blocks of all sources together, and holds each source against the first."""

    def __init__(self, survey: Survey | None = None) -> None:
        """Take the survey of the rows before, if there were any."""
        self.survey = survey or Survey()
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

    def add(self, block: Block, codes: NDArray[np.int32] | None) -> None:
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

    def table(self, layout: Layout) -> Table:
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
    channel: Channel, options: InputOptions, counter: Counter, drops: Callable[[Survey], bool]
) -> Collector:
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
    collector = Collector()
    for block, codes in blocks(channel, options, counter, collector.survey):
        collector.add(block, codes)
        if not collector.is_dropped and drops(collector.survey):
            collector.drop()
    return collector


def batches(
    channel: Channel, options: InputOptions, counter: Counter, layout: Layout
) -> Iterator[Table]:
    """Yield the rows of all sources, which have been read before, some at a time."""
    collector = Collector()
    n_rows = min(BATCH_ROWS, max(1, _BATCH_CELLS // layout.n_features))
    with refusing(channel):
        for block, codes in blocks(channel, options, counter, collector.survey):
            collector.add(block, codes)
            if collector.n_rows >= n_rows:
                yield collector.table(layout)
                collector = Collector(collector.survey)
        if collector.n_rows:
            yield collector.table(layout)


def blocks(
    channel: Channel, options: InputOptions, counter: Counter, survey: Survey
) -> Iterator[tuple[Block, NDArray[np.int32] | None]]:
    """Yield the rows of all sources, each held against those that `survey` has seen.

    Beside a block are the codes of its labels, see `Survey.add`.
    """
    options = choice.with_parameters(options, channel.content_type)
    for source in channel.sources:
        try:
            with sources.opened(source, counter) as content:
                kind = choice.choose(content, source.path.name, channel.content_type)
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


def _share(found: Iterator[Block], part: tuple[int, int]) -> Iterator[Block]:
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
        return choice.read(kind, stream, options)
    except HyperparameterError as error:
        raise HyperparameterError(f"In {source}: {error}") from error


def _message(where: str, error: CellError) -> str:
    return f"In {where}, {error}; {error.remedy or REMEDY}."
