"""Signal handling without handlers: a main loop waits for signals and acts on them itself."""

import os
import select
import signal
import socket
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Self

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
"""Signals that request a stop: the platform sends SIGTERM, a terminal SIGINT."""

_WATCHED = STOP | {signal.SIGCHLD}


class Inbox(ExitStack):
    """Self-pipe that receives the signals in STOP and SIGCHLD.

    A handler is installed for each of them, because process 1 of a container receives only signals
    that it handles. On exit the previous handlers are restored.
    """

    def __enter__(self) -> Self:
        self._receiver, sender = map(self.enter_context, socket.socketpair())
        self._receiver.setblocking(False)
        sender.setblocking(False)
        previous_fd = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        self.callback(signal.set_wakeup_fd, previous_fd)
        for number in _WATCHED:
            self.callback(signal.signal, number, signal.signal(number, _ignore))
        return self

    def wait(self, seconds: float | None = None) -> bool:
        """Wait up to `seconds` for a signal; return whether a stop was requested."""
        ready, _, _ = select.select([self._receiver], [], [], seconds)
        return bool(ready) and not STOP.isdisjoint(self._receiver.recv(4096))


def reap_orphans(children: Container[int]) -> None:
    """Remove ended processes that process 1 of a container has inherited from their parents.

    The processes in `children` are left to their owner, which needs their exit codes; while one of
    them has ended and nobody has waited for it, the rest may stay for the next call.

    Source: https://man7.org/linux/man-pages/man2/waitid.2.html (WNOWAIT)
    """
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, options)) and ended.si_pid not in children:
            os.waitpid(ended.si_pid, 0)


def restore(numbers: Iterable[int] = _WATCHED) -> None:
    """Restore the default handlers in a forked child whose parent watches these signals."""
    signal.set_wakeup_fd(-1)
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def blocked() -> Iterator[None]:
    """Block the signals in STOP while a child is forked; the child inherits the block.

    Python drops a signal that reaches a child right after the fork, or passes it to the handler of
    the parent. A blocked signal stays pending until the child has set its own handlers and calls
    `unblock`. A forked child has one thread, so this holds for every parent.

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
        unblock()


def unblock() -> None:
    """Unblock the signals that `blocked` blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor has already passed the signal to the inbox."""
