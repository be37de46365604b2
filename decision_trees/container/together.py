"""Jobs of several hosts: they meet, read what is theirs, and agree on what it is."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from container import channels, job, peers, reading
from container.cells import CellError
from container.channels import Channel
from container.dataset import Dataset
from container.errors import HyperparameterError, TrainingDataError
from container.group import Group
from container.hosts import Hosts
from container.layout import Layout
from container.options import InputOptions
from container.progress import Counter, phase
from container.reading import Collector
from container.settings import Paths
from container.survey import Survey
from container.tables import Table

_SPLIT_SEED = 0  # not a job's own seed: jobs that are compared are validated on the same rows

logger = logging.getLogger(__name__)


@contextmanager
def joined(hosts: Hosts, limit_seconds: float, paths: Paths) -> Iterator[Group]:
    """Meet the other hosts, and leave them at the end.

    When another host fails or dies, this process ends with a failure file that says so.

    Raises:
        HostError: not all hosts have come within `limit_seconds`.
    """
    logger.info("hosts: %s; this is %s", ", ".join(hosts.names), hosts.current)
    with phase("waiting for the other hosts"):
        connected = peers.meet(hosts, limit_seconds)
    group = Group(hosts, connected, lambda error: job.end(error, paths))
    with group.ending():
        yield group


def read(paths: Paths, options: InputOptions, group: Group) -> tuple[Dataset, Dataset | None]:
    """Return the rows to learn from, and those to validate on if there are any.

    Raises:
        UserError: the data of a host cannot be used, or the hosts have different data.
    """
    training, validation = channels.find_share(paths, group)
    fraction = options.validation_fraction
    if validation is not None and fraction:
        raise HyperparameterError(
            f"The hyperparameter validation_fraction is {fraction:g}, and the job has a channel "
            f"{validation.name}; use one of them."
        )
    collector = _collect(training, options, group)
    layout = _layout(collector.survey, group, None)
    table = collector.table(layout)
    if validation is not None:
        collector = _collect(validation, options, group)
        other = _layout(collector.survey, group, layout)
        shares = (table, replace(collector.table(other), feature_names=layout.feature_names))
    elif fraction:
        shares = _split(table, fraction)
    else:
        return Dataset.of_share(table, layout, group), None
    learnt, validated = (Dataset.of_share(share, layout, group) for share in shares)
    return learnt, validated


def _collect(channel: Channel, options: InputOptions, group: Group) -> Collector:
    counter = Counter()
    with group.reporting(), phase(f"reading {channel.name}", lambda: counter):
        return reading.collect(channel, options, counter)


def _layout(survey: Survey, group: Group, like: Layout | None) -> Layout:
    """Return the layout of the rows of all hosts; raises TrainingDataError when they have none."""
    merged = Survey()
    for host, found in zip(group.hosts.names, group.gather(survey.to_json()), strict=True):
        try:
            merged.merge(Survey.from_json(found), host)
        except CellError as error:
            raise TrainingDataError(
                f"The hosts have different data: on {host}, {error}; correct the data."
            ) from error
    try:
        return merged.layout(like)
    except CellError as error:
        raise TrainingDataError(
            f"On all hosts together, {error}; {error.remedy or reading.REMEDY}."
        ) from error


def _split(table: Table, fraction: float) -> tuple[Table, Table]:
    """Set part of this host's rows aside, drawn one by one, the same rows each time."""
    aside = np.random.default_rng(_SPLIT_SEED).random(len(table)) < fraction
    return table.take(np.flatnonzero(~aside)), table.take(np.flatnonzero(aside))
