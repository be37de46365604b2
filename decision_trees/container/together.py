"""Jobs of several hosts: they meet, and they end together."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from container import job, peers
from container.group import Group
from container.hosts import Hosts
from container.progress import phase
from container.settings import Paths

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
