"""Reading: the sources of a channel become one table, file after file, block after block."""

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from container import cells, sources
from container.blocks import Block, Doubt, Part
from container.cells import CellError
from container.channels import Channel
from container.classes import Classes
from container.columns import Columns
from container.errors import HyperparameterError, TrainingDataError
from container.formats import choice
from container.options import InputOptions
from container.progress import Counter
from container.sources import Source
from container.stacks import FeatureStack, Stack
from container.tables import Table

_REMEDY = (
    "correct the data, or the hyperparameters that say how it is read (task, label, weight, "
    "header, delimiter)"
)
_PIPE_HINT = (
    " A pipe joins the objects of a channel as they are, so each must end with a line break."
)


def read(
    channel: Channel, options: InputOptions, counter: Counter, like: Table | None = None
) -> Table:
    """Read all sources of a channel into one table, each once and in order.

    Args:
        channel: what to read.
        options: how to read it.
        counter: counts files, rows and bytes while they are read.
        like: the table to train on, whose features and classes this one must have.

    Raises:
        TrainingDataError: naming file, row and column of the first thing that cannot be used.
        HyperparameterError: the options do not fit the files.
    """
    options = choice.with_parameters(options, channel.content_type)
    collector = _Collector(like)
    for source in channel.sources:
        try:
            with sources.opened(source, counter) as content:
                kind = choice.choose(content, source.path.name, channel.content_type)
                part = _open(source, kind, content.stream, options)
                collector.begin(source, part)
                for block in part.blocks:
                    collector.add(block)
                    counter.rows += len(block.labels)
        except CellError as error:
            hint = _PIPE_HINT if source.is_pipe else ""
            raise TrainingDataError(_message(str(source), error) + hint) from error
        counter.files += 1
    try:
        return collector.table()
    except CellError as error:
        names = ", ".join(str(source) for source in channel.sources[:5])
        raise TrainingDataError(_message(names, error)) from error


def _open(source: Source, kind: str, stream: BinaryIO, options: InputOptions) -> Part:
    try:
        return choice.read(kind, stream, options)
    except HyperparameterError as error:
        raise HyperparameterError(f"In {source}: {error}") from error


def _message(where: str, error: CellError) -> str:
    return f"In {where}, {error}; {error.remedy or _REMEDY}."


class _Collector:
    """Puts the blocks of all sources together, and holds each source against the first."""

    def __init__(self, like: Table | None) -> None:
        self._like = like
        self._first: tuple[Source, Part] | None = None
        self._first_columns: tuple[object, Columns] | None = None
        self._features = FeatureStack()
        self._classes = Classes()
        self._numbers = Stack(np.float64)
        self._weights = Stack(np.float64)
        self._doubts: list[Doubt] = []

    def begin(self, source: Source, part: Part) -> None:
        """Take the next source.

        Raises:
            TrainingDataError: it is in another format than the first.
            CellError: it has other columns than the first, or than the training data.
        """
        if not part.kind:
            return
        self._first = self._first or (source, part)
        first, kind = self._first[0], self._first[1].kind
        if part.kind != kind:
            raise TrainingDataError(
                f"The files of a channel must be in one format, but {first} is {kind} and "
                f"{source} is {part.kind}; leave one of them out, or convert it."
            )
        if part.columns is not None:
            self._first_columns = self._first_columns or (source, part.columns)
            _check_columns(part.columns, self._first_columns[1], str(self._first_columns[0]))
        if part.doubt is not None:
            self._doubts.append(part.doubt)

    def add(self, block: Block) -> None:
        """Append the rows of a block; raises CellError when they do not fit those before."""
        self._features.append(block.features)
        if isinstance(block.labels, np.ndarray):
            self._numbers.append(block.labels)
        else:
            self._classes.add(block.labels, block.labels_are_text)
        if block.weights is not None:
            self._weights.append(block.weights)

    def table(self) -> Table:
        """Return everything that was added; raises CellError when the whole is no good."""
        if not len(self._classes) and not len(self._numbers):
            raise CellError("there are no rows")
        columns = self._first_columns[1] if self._first_columns else None
        base = self._libsvm_base()
        expected = None if self._like is None else self._like.features.shape[1]
        features = self._features.matrix(base or 0, expected)
        if self._like is not None:
            _check_features(features, columns, self._like)
        if columns is not None:
            _check_last_column(features, columns)
        if len(self._classes):
            self._check_empty_rows(features)
        if len(self._weights) and not self._weights.whole().any():
            raise CellError("every row has the weight 0", "give a weight to the rows that count")
        return Table(
            features,
            labels=self._typed_labels(),
            weights=self._weights.whole() if len(self._weights) else None,
            feature_names=columns.feature_names if columns else None,
            libsvm_base=base,
        )

    def _check_empty_rows(self, features: NDArray[np.float32]) -> None:
        label = self._classes.without_values(np.asarray(np.isnan(features).all(axis=1)))
        if label is not None:
            raise CellError(
                f"there is no value in any row with the label {cells.shown(label)}, as in a title "
                "or a footer",
                "leave such rows out",
            )

    def _libsvm_base(self) -> int | None:
        """Return the index of the first feature in libsvm files; None for other formats."""
        if self._first is None or self._first[1].kind != choice.LIBSVM:
            return None
        if self._like is not None and self._like.libsvm_base is not None:
            return self._like.libsvm_base
        return 0 if self._features.writes_index_0 else 1

    def _typed_labels(self) -> NDArray[Any]:
        if len(self._numbers):
            return self._numbers.whole()
        if self._like is not None:  # its labels tell a header from data
            self._classes.settle([doubt for doubt in self._doubts if doubt.was_header])
            return self._classes.labels_like(self._like.labels)
        self._classes.settle(self._doubts)
        return self._classes.labels()


def _check_columns(found: Columns, expected: Columns, where: str) -> None:
    """Hold the columns of a file against those of the first; raises CellError naming both."""
    if found.width != expected.width:
        raise CellError(f"rows have {found.width} columns, those of {where} {expected.width}")
    if (found.names is None) != (expected.names is None):
        has = ("no header", "a header")
        raise CellError(
            f"there is {has[bool(found.names)]}, in {where} {has[bool(expected.names)]}"
        )
    _check_names(found.names, expected.names, where)


def _check_names(found: Sequence[str] | None, expected: Sequence[str] | None, where: str) -> None:
    for number, (name, other) in enumerate(zip(found or (), expected or (), strict=False), start=1):
        if name != other:
            raise CellError(f"column {number} is called {name!r}, in {where} {other!r}")


def _check_features(features: NDArray[np.float32], columns: Columns | None, like: Table) -> None:
    """Hold the features of a table against those of the training data; raises CellError."""
    expected = like.features.shape[1]
    if features.shape[1] != expected:
        raise CellError(
            f"rows have {features.shape[1]} features, those of the training data {expected}"
        )
    if columns is not None and like.feature_names is not None:
        _check_names(columns.feature_names, like.feature_names, "the training data")


def _check_last_column(features: NDArray[np.float32], columns: Columns) -> None:
    """Refuse a last column without name and values: what a delimiter at the end of rows makes."""
    last = columns.width - 1
    if columns.names is None and last in columns.features and np.isnan(features[:, -1]).all():
        raise CellError(
            f"{columns.name(last)} is empty in every row, as where rows end with a delimiter",
            "remove that delimiter, or name the column in a header",
        )
