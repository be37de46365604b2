"""Load the training and validation rows of a job: as tables, or as datasets.

A dataset is for rows that are spread over several hosts or do not fit in memory.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from container.data import channels, reading
from container.data.channels import Channel
from container.data.dataset import Dataset, Pass, SpillFile, in_batches
from container.data.reading import TableBuilder
from container.data.summary import Summary
from container.data.table import SPLIT_SEED, Description, Schema, Table, split
from container.distributed.communicator import Communicator, invalid
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths
from container.progress import Counter, phase
from container.resources import MEBIBYTE

MAX_TABLE_BYTES = 128 * MEBIBYTE
"""Maximum size of a table of an algorithm that can use a dataset instead."""

_CELL_BYTES = 4

Rows = Table | Dataset

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loader:
    """Reads the channels of a job; on one of several hosts, its share of them."""

    options: InputOptions
    communicator: Communicator
    can_stream: Callable[[int], bool] = lambda _: False
    """Returns whether the algorithm can use a dataset of that many rows."""

    max_table_bytes: int = MAX_TABLE_BYTES
    """Larger tables are read as datasets if `can_stream`."""

    def read(self, paths: Paths) -> tuple[Rows, Rows | None, Description]:
        """Return the training rows, the validation rows if there are any, and a description.

        The description is that of the channel training, before any row is set aside.

        Raises:
            UserError: the data cannot be used, or the hosts have different data.
        """
        training, validation = channels.find(paths, self.communicator)
        fraction = self.options.validation_fraction
        if validation is not None and fraction:
            raise HyperparameterError(
                f"The hyperparameter validation_fraction is {fraction:g}, and the job has a "
                f"channel {validation.name}; use one of them."
            )
        rows, found = self.load(training)
        if validation is not None:
            return rows, self.load(validation, found.schema)[0], found
        if not fraction:
            return rows, None, found
        if isinstance(rows, Table):
            by_class = not self.options.labels_are_numbers
            return *split(rows, fraction, by_class), found
        return _part(rows, fraction, False), _part(rows, fraction, True), found

    def load(self, channel: Channel, like: Schema | None = None) -> tuple[Rows, Description]:
        """Return the rows of a channel and their description."""
        counter = Counter()
        with self.communicator.naming_host(), phase(f"reading {channel.name}", lambda: counter):
            builder = reading.collect(channel, self.options, counter, self._drops)
        summary = self._merged(builder.summary)
        schema = self._schema(channel, summary, like)
        found = summary.description(schema, self.options)
        logger.info("%s: %s", channel.name, found)
        if not_used := found.not_used():
            logger.info("%s: left out %s", channel.name, not_used)
        return self._table_or_dataset(channel, builder, summary, schema), found

    def _drops(self, summary: Summary) -> bool:
        n_bytes = summary.n_cells * _CELL_BYTES
        return n_bytes > self.max_table_bytes and self.can_stream(summary.n_rows)

    def _merged(self, own: Summary) -> Summary:
        """Return the summary of all hosts; raises TrainingDataError if they have different data."""
        if len(self.communicator) == 1:
            return own
        merged = Summary()
        hosts = self.communicator.hosts.names
        for host, found in zip(hosts, self.communicator.gather(own.to_json(), dict), strict=True):
            try:
                other = Summary.from_json(found)
            except (KeyError, TypeError, ValueError) as error:
                raise invalid(host, f"a bad summary ({error!r})") from error
            try:
                merged.merge(other, host)
            except CellError as error:
                raise TrainingDataError(
                    f"The hosts have different data: on {host}, {error}; correct the data."
                ) from error
        return merged

    def _schema(self, channel: Channel, summary: Summary, like: Schema | None) -> Schema:
        if len(self.communicator) == 1:
            with reading.naming_sources(channel):
                return summary.schema(like)
        try:
            return summary.schema(like)
        except CellError as error:
            raise TrainingDataError(
                f"On all hosts together, {error}; {error.remedy or reading.REMEDY}."
            ) from error

    def _table_or_dataset(
        self, channel: Channel, builder: TableBuilder, summary: Summary, schema: Schema
    ) -> Rows:
        """Return a table if one host has all rows in memory, otherwise a dataset."""
        any_dropped = any(self.communicator.gather(builder.is_dropped, bool))
        if any_dropped:
            logger.info(
                "%s: more than %.0f MB of values are not kept in memory",
                channel.name,
                self.max_table_bytes / 1e6,
            )
        elif len(self.communicator) == 1:
            with reading.naming_sources(channel):
                return builder.table(schema)
        batches: Pass = CachedPasses(channel, self.options, schema)
        if not builder.is_dropped:
            with reading.naming_sources(channel):
                table = builder.table(schema)
            batches = lambda: in_batches(table)  # noqa: E731 - a pass
        counts = summary.class_labels.counts.tolist()
        n_rows_of = dict(zip(summary.class_labels.names, counts, strict=True))
        return Dataset(
            batches,
            schema,
            self.communicator,
            summary.n_rows,
            np.array([n_rows_of.get(name, 0) for name in schema.names], dtype=np.int64),
            summary.label_moments,
            summary.has_weights,
            not any_dropped,
        )


class CachedPasses:
    """Passes over the rows of a channel that are not in memory.

    The first complete pass writes them to a spill file, if the disk has room; later ones read it.
    """

    def __init__(self, channel: Channel, options: InputOptions, schema: Schema) -> None:
        self._channel = channel
        self._options = options
        self._schema = schema
        self._n_passes = 1  # the first pass discarded the rows
        self._spill: SpillFile | None = None

    def __call__(self) -> Iterator[Table]:
        """Yield all rows once more, in batches."""
        number, counter = self._n_passes, Counter()
        self._n_passes += 1
        with phase(f"pass {number + 1} over {self._channel.name}", lambda: counter):
            if self._spill is not None:
                yield from _counted(self._spill, counter)
                return
            channel, spill = self._channel.epoch(number), SpillFile(self._schema)
            has_room = True
            for batch in reading.tables(channel, self._options, counter, self._schema):
                has_room = has_room and spill.has_room()
                if has_room:
                    spill.write(batch)
                yield batch
            self._spill = spill if has_room else None


def _counted(batches: Iterable[Table], counter: Counter) -> Iterator[Table]:
    for batch in batches:
        counter.rows += len(batch)
        yield batch


def _part(dataset: Dataset, fraction: float, is_aside: bool) -> Dataset:
    """Return the part of the rows that is set aside, or the rest; the same rows each time."""

    def batches() -> Iterator[Table]:
        for number, batch in enumerate(dataset.batches()):
            drawn = np.random.default_rng([SPLIT_SEED, number]).random(len(batch)) < fraction
            yield batch.take(np.flatnonzero(drawn == is_aside))

    found = Dataset.counted(batches, dataset.schema, dataset.communicator)
    return replace(found, is_in_memory=dataset.is_in_memory)
