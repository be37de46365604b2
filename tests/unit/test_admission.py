"""How many large bodies are worked on at once, with the greenlets of a worker."""

import resource
from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from container.errors import MalformedPayload, ServerBusy
from container.serving.concurrency import LARGE_BODY_BYTES, QUIET_BEATS, Admission
from support.processes import DEADLINE_SECONDS

LARGE = LARGE_BODY_BYTES


class Requests:
    """Requests that stay inside until they are let go."""

    def __init__(self, admission: Admission) -> None:
        self.inside: list[str] = []
        self.done: list[str] = []
        self._go = Event()
        self._admission = admission
        self._greenlets: list[gevent.Greenlet] = []

    def come(self, name: str, n_bytes: int | None = LARGE) -> None:
        """Let a request come, as far as it gets by itself."""
        self._greenlets.append(gevent.spawn(self._stay, name, n_bytes))
        gevent.idle()

    def go(self) -> None:
        """Let all requests go."""
        self._go.set()
        gevent.joinall(self._greenlets, timeout=DEADLINE_SECONDS, raise_error=True)

    def _stay(self, name: str, n_bytes: int | None) -> None:
        with self._admission.admitted(n_bytes):
            self.inside.append(name)
            self._go.wait()
        self.done.append(name)


@pytest.mark.parametrize("n_bytes", [LARGE, 10 * LARGE, None])
def test_large_bodies_wait_for_room(n_bytes: int | None) -> None:
    """So many are inside at once; the others come in one by one, in their order."""
    requests = Requests(Admission(at_once=2, waiting=64))

    for name in "abcd":
        requests.come(name, n_bytes)
    inside = list(requests.inside)
    requests.go()

    assert inside == ["a", "b"]
    assert requests.inside == ["a", "b", "c", "d"]
    assert sorted(requests.done) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("n_bytes", [0, LARGE - 1])
def test_small_bodies_do_not_wait(n_bytes: int) -> None:
    """Behind any number of large ones there is room for small ones, and they take none."""
    requests = Requests(Admission(at_once=1, waiting=0))

    requests.come("small", n_bytes)
    requests.come("large")
    requests.come("another", n_bytes)

    assert requests.inside == ["small", "large", "another"]
    requests.go()


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_one_too_many_is_told_to_come_again(waiting: int) -> None:
    """It is refused at once, and neither waits nor takes the room of those who do."""
    admission = Admission(at_once=1, waiting=waiting)
    requests = Requests(admission)
    for name in range(1 + waiting):
        requests.come(str(name))

    with pytest.raises(ServerBusy) as caught, admission.admitted(LARGE):
        pytest.fail("it came in")

    assert caught.value.status == 503
    assert str(caught.value) == (
        f"{waiting} large requests wait already; come again, or send fewer at once."
    )
    requests.go()
    assert len(requests.done) == 1 + waiting


def test_room_is_free_again_after_each_request() -> None:
    """Whether it was answered or failed, a request leaves its room."""
    admission = Admission(at_once=1, waiting=0)

    for _ in range(3):
        with admission.admitted(LARGE):
            pass
        with pytest.raises(MalformedPayload), admission.admitted(None):
            raise MalformedPayload("Row 1 is blank.")

    with ExitStack() as stack:
        stack.enter_context(admission.admitted(LARGE))
        with pytest.raises(ServerBusy):
            stack.enter_context(admission.admitted(LARGE))


def test_request_that_is_given_up_waits_no_longer() -> None:
    """When the worker ends a request that waits, its place is free for another."""
    admission = Admission(at_once=1, waiting=1)
    requests = Requests(admission)
    requests.come("inside")
    requests.come("waits")

    requests._greenlets.pop().kill()
    requests.come("waits too")
    requests.go()

    assert requests.done == ["inside", "waits too"]


def resident_bytes() -> int:
    """Return how much memory this process has."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def test_memory_of_large_bodies_is_given_back() -> None:
    """What the largest body took is not kept for ever, but for others that follow soon."""
    admission = Admission()
    with admission.admitted(LARGE):
        pieces = [bytes(100_000) for _ in range(1000)]
        last = bytes(100_000)  # so that the end of the heap stays in use
        del pieces
    before = resident_bytes()

    for _ in range(QUIET_BEATS - 1):
        admission.give_back()
    kept = resident_bytes()
    admission.give_back()

    assert last
    assert kept > before - 50_000_000
    assert resident_bytes() < before - 50_000_000
