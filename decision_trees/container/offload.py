"""Work on a large body happens in a native thread: pings and small requests do not wait for it."""

from collections.abc import Callable

import gevent
from gevent.util import wrap_errors

from container.errors import UserError

LARGE_BODY_BYTES = 32 * 1024
"""A body of this size takes longer than a millisecond or two."""

Answer = Callable[[bytes, str | None], bytes]


def answer(work: Answer, body: bytes, content_type: str | None) -> bytes:
    """Return `work(body, content_type)`, computed here or, for a large body, in a thread.

    Raises:
        UserError: as `work` does, and whatever else it raises.
    """
    if len(body) < LARGE_BODY_BYTES:
        return work(body, content_type)
    pool = gevent.get_hub().threadpool
    # The pool would log the traceback of a caller's mistake, so it gets it as a value.
    result: bytes | UserError = pool.apply(wrap_errors(UserError, work), (body, content_type))
    if isinstance(result, UserError):
        raise result
    return result
