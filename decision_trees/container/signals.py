"""Signals as messages: a program waits for them in its main loop, nothing runs in a handler."""

import select
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
"""What asks a program to end: the platform sends SIGTERM, a terminal SIGINT."""

_WATCHED = STOP | {signal.SIGCHLD}


class Inbox:
    """Collects the signals that ask to stop, and those that say that a child has ended.

    A handler is installed for each, since the kernel gives process 1 of a container no signal
    that it does not handle. Leaving the context restores what was there before.
    """

    def __enter__(self) -> Self:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self._previous_fd = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _note) for number in _WATCHED}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        self._receiver.close()
        self._sender.close()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the next signal, `seconds` at most; return whether one asked to stop."""
        ready, _, _ = select.select([self._receiver], [], [], seconds)
        return bool(ready) and not STOP.isdisjoint(self._receiver.recv(4096))


def restore(numbers: Iterable[int] = _WATCHED) -> None:
    """Give a forked child the default handling of the signals that its parent watches."""
    signal.set_wakeup_fd(-1)
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def held_back() -> Iterator[None]:
    """Block the signals that ask to stop while a child is forked; the child inherits the block.

    Python drops a signal that reaches a child right after the fork, or passes it to the handler of
    the parent. A blocked signal stays pending until the child has set its own handlers and calls
    `let_through`. A forked child has one thread, so this holds for every parent.

    In the parent, only the calling thread is blocked. If the parent has other threads, the kernel
    may deliver the signal to one of them, and Python then runs the handler in the main thread at
    once. Handlers that only record the signal allow that: those of `Inbox` and of gunicorn's
    master. A parent whose handler raises an exception must have one thread, as `selftest` has.

    Sources: https://github.com/python/cpython/blob/3.13/Modules/signalmodule.c
    (_PySignal_AfterFork), https://man7.org/linux/man-pages/man7/signal.7.html
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        yield
    finally:
        let_through()


def let_through() -> None:
    """Unblock the signals that `held_back` blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor has carried the signal to the inbox already."""
