"""Intake: what a job learns from and validates on, in tables or, where these are no use, datasets.

A dataset is for rows that are spread over several hosts, or are not kept in memory.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from container.data import channels, reading
from container.data.channels import Channel
from container.data.dataset import Dataset, Pass, Spill, in_batches
from container.data.reading import TableBuilder
from container.data.summary import Summary
from container.data.table import Schema, Table, split
from container.distributed.communicator import Communicator
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths
from container.progress import Counter, phase
from container.resources import MEBIBYTE

LIMIT_BYTES = 128 * MEBIBYTE
"""Rows that take more are not kept in memory, where an algorithm can do without."""

_CELL_BYTES = 4

_SPLIT_SEED = 0  # not a job's own seed: jobs that are compared are validated on the same rows

Rows = Table | Dataset

logger = logging.getLogger(__name__)


class Intake:
    """Reads the channels of a job, this host's part of them."""

    def __init__(
        self,
        options: InputOptions,
        group: Communicator,
        may_drop: Callable[[int], bool] = lambda _: False,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        """Take how to read, and with whom.

        `may_drop` says, when there are more than `limit_bytes` of rows, whether so many rows need
        not be kept in memory.
        """
        self._options = options
        self._group = group
        self._may_drop = may_drop
        self._limit_bytes = limit_bytes

    def read(self, paths: Paths) -> tuple[Rows, Rows | None]:
        """Return the rows to learn from, and those to validate on if there are any.

        Raises:
            UserError: the data cannot be used, or the hosts have different data.
        """
        training, validation = self._channels(paths)
        fraction = self._options.validation_fraction
        if validation is not None and fraction:
            raise HyperparameterError(
                f"The hyperparameter validation_fraction is {fraction:g}, and the job has a "
                f"channel {validation.name}; use one of them."
            )
        learnt, layout = self._rows(training)
        if validation is not None:
            return learnt, self._rows(validation, layout)[0]
        if not fraction:
            return learnt, None
        if isinstance(learnt, Table):
            return split(learnt, fraction, by_class=not self._options.labels_are_numbers)
        return _part(learnt, fraction, False), _part(learnt, fraction, True)

    def _channels(self, paths: Paths) -> tuple[Channel, Channel | None]:
        return (
            channels.find(paths)
            if len(self._group) == 1
            else channels.find_share(paths, self._group)
        )

    def _rows(self, channel: Channel, like: Schema | None = None) -> tuple[Rows, Schema]:
        """Return the rows of a channel, and what they have in common."""
        counter = Counter()
        with self._group.reporting(), phase(f"reading {channel.name}", lambda: counter):
            collector = reading.collect(channel, self._options, counter, self._drops)
        survey = self._survey(collector.survey)
        layout = self._layout(channel, survey, like)
        names = ", ".join(layout.feature_names or ["without names"])
        logger.info("%s: %d features: %.500s", channel.name, layout.n_features, names)
        return self._dataset(channel, collector, survey, layout), layout

    def _drops(self, survey: Summary) -> bool:
        n_bytes = survey.n_cells * _CELL_BYTES
        return n_bytes > self._limit_bytes and self._may_drop(survey.n_rows)

    def _survey(self, own: Summary) -> Summary:
        """Return what all hosts have seen; raises TrainingDataError when that does not fit."""
        if len(self._group) == 1:
            return own
        merged = Summary()
        hosts = self._group.hosts.names
        for host, found in zip(hosts, self._group.gather(own.to_json()), strict=True):
            try:
                merged.merge(Summary.from_json(found), host)
            except CellError as error:
                raise TrainingDataError(
                    f"The hosts have different data: on {host}, {error}; correct the data."
                ) from error
        return merged

    def _layout(self, channel: Channel, survey: Summary, like: Schema | None) -> Schema:
        if len(self._group) == 1:
            with reading.refusing(channel):
                return survey.layout(like)
        try:
            return survey.layout(like)
        except CellError as error:
            raise TrainingDataError(
                f"On all hosts together, {error}; {error.remedy or reading.REMEDY}."
            ) from error

    def _dataset(
        self, channel: Channel, collector: TableBuilder, survey: Summary, layout: Schema
    ) -> Rows:
        """Return the rows, as a table where one host has all of them in memory."""
        any_dropped = any(self._group.gather(collector.is_dropped))
        if any_dropped:
            logger.info(
                "%s: more than %.0f MB of values are not kept in memory",
                channel.name,
                self._limit_bytes / 1e6,
            )
        elif len(self._group) == 1:
            return collector.table(layout)
        batches: Pass = Stream(channel, self._options, layout)
        if not collector.is_dropped:
            table = collector.table(layout)
            batches = lambda: in_batches(table)  # noqa: E731 - a pass
        counts = dict(zip(survey.classes.names, survey.classes.counts.tolist(), strict=True))
        return Dataset(
            batches,
            layout,
            self._group,
            survey.n_rows,
            np.array([counts.get(name, 0) for name in layout.names], dtype=np.int64),
            survey.numbers,
            survey.has_weights,
            not any_dropped,
        )


class Stream:
    """Passes over the rows of a channel that are not in memory.

    The first that is complete leaves them on the disk as numbers, if it has room for them, and
    the next ones read these.
    """

    def __init__(self, channel: Channel, options: InputOptions, layout: Schema) -> None:
        self._channel = channel
        self._options = options
        self._layout = layout
        self._n_passes = 1  # the first was that in which there were too many
        self._spill: Spill | None = None

    def __call__(self) -> Iterator[Table]:
        """Yield all rows once more, some at a time."""
        number, counter = self._n_passes, Counter()
        self._n_passes += 1
        with phase(f"pass {number + 1} over {self._channel.name}", lambda: counter):
            if self._spill is not None:
                yield from _counted(self._spill, counter)
                return
            channel, spill = self._channel.epoch(number), Spill(self._layout)
            has_room = True
            for batch in reading.batches(channel, self._options, counter, self._layout):
                has_room = has_room and spill.has_room()
                if has_room:
                    spill.write(batch)
                yield batch
            self._spill = spill if has_room else None


def _counted(batches: Iterable[Table], counter: Counter) -> Iterator[Table]:
    """Count the rows that are read back."""
    for batch in batches:
        counter.rows += len(batch)
        yield batch


def _part(dataset: Dataset, fraction: float, is_aside: bool) -> Dataset:
    """Return what is left when part of the rows is set aside, or that part.

    Rows are drawn one by one, the same rows each time.
    """

    def batches() -> Iterator[Table]:
        for number, batch in enumerate(dataset.batches()):
            drawn = np.random.default_rng([_SPLIT_SEED, number]).random(len(batch)) < fraction
            yield batch.take(np.flatnonzero(drawn == is_aside))

    found = Dataset.counted(batches, dataset.layout, dataset.group)
    return replace(found, is_in_memory=dataset.is_in_memory)
