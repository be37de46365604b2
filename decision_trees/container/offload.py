"""A large body is read and worked on so that others do not wait for it: the work has a thread."""

from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from typing import IO, TypeVar

import gevent
from gevent.util import wrap_errors

from container.errors import UserError
from container.turns import Turns

LARGE_BODY_BYTES = 32 * 1024
"""A body of this size takes longer than a millisecond or two."""

_PIECE_BYTES = 128 * 1024

T = TypeVar("T")


def read(stream: IO[bytes], n_bytes: int | None) -> bytes:
    """Return all of a body of `n_bytes`, None where that is not known.

    Between the pieces of a large one other requests have their turn; workers.py sees to that where
    it is known how large it is.
    """
    if n_bytes is not None:
        return stream.read(n_bytes)
    body = BytesIO()
    while piece := stream.read(_PIECE_BYTES):
        body.write(piece)
        if len(piece) == _PIECE_BYTES:
            gevent.sleep(0)
    return body.getvalue()  # without a copy, unlike a join of pieces


def call(work: Callable[[], T], body: bytes, turns: Turns | None = None) -> T:
    """Return `work()`, computed here or, for a large body, in a thread that waits for its turn.

    Raises:
        UserError: as `work` does, and whatever else it raises.
    """
    if len(body) < LARGE_BODY_BYTES:
        return work()
    turn = nullcontext() if turns is None else turns.taken()

    def in_turn() -> T:
        with turn:
            return work()

    pool = gevent.get_hub().threadpool
    # The pool would log the traceback of a caller's mistake, so it gets it as a value.
    result: T | UserError = pool.apply(wrap_errors(UserError, in_turn))
    if isinstance(result, UserError):
        raise result
    return result
