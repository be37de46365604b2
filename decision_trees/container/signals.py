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
    """Hold back what asks to stop while a child is forked, which inherits that.

    What comes to a child in its first moments Python would drop, or give to the handler of its
    parent; so it waits until the child has set its own and calls `let_through`.

    Source: https://github.com/python/cpython/blob/3.13/Modules/signalmodule.c (_PySignal_AfterFork)
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        yield
    finally:
        let_through()


def let_through() -> None:
    """Let come what `held_back` has held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor has carried the signal to the inbox already."""
