"""The collective: XGBoost's own connections between the hosts of a job, while a tree grows."""

from collections.abc import Iterator
from contextlib import contextmanager

from xgboost.collective import CommunicatorContext
from xgboost.tracker import RabitTracker

from container.group import Group

_FOR_EVER = 1_000_000
"""Seconds for which a host waits for another: `Group` learns at once when that has died."""


@contextmanager
def joined(group: Group) -> Iterator[None]:
    """Let XGBoost work together with that of the other hosts, if there are any.

    Source: https://xgboost.readthedocs.io/en/stable/python/python_api.html#module-xgboost.collective
    """
    if len(group) == 1:
        yield
        return
    tracker = None
    if group.rank == 0:
        tracker = RabitTracker(n_workers=len(group), host_ip=group.address, sortby="task")
        tracker.start()
    arguments = group.gather(tracker and tracker.worker_args())[0]
    name = f"{group.rank:06}"  # sorted as text, so that ranks are those of the group
    with CommunicatorContext(**arguments, dmlc_task_id=name, dmlc_timeout=_FOR_EVER):
        yield
    if tracker is not None:
        tracker.wait_for()
