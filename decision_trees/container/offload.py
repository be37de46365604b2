"""Work on a large body happens in a native thread: pings and small requests do not wait for it."""

from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.util import wrap_errors

from container.errors import UserError

LARGE_BODY_BYTES = 32 * 1024
"""A body of this size takes longer than a millisecond or two."""

T = TypeVar("T")


def call(work: Callable[[], T], body: bytes) -> T:
    """Return `work()`, computed here or, for a large body, in a thread.

    Raises:
        UserError: as `work` does, and whatever else it raises.
    """
    if len(body) < LARGE_BODY_BYTES:
        return work()
    pool = gevent.get_hub().threadpool
    # The pool would log the traceback of a caller's mistake, so it gets it as a value.
    result: T | UserError = pool.apply(wrap_errors(UserError, work))
    if isinstance(result, UserError):
        raise result
    return result
