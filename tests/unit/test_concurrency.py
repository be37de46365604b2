"""Limits on large requests, and where they are computed, with the greenlets of a worker."""

import io
import random
import resource
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import gevent
import pytest
from gevent.event import Event

from container.errors import MalformedPayload, ServerBusy
from container.serving.concurrency import LARGE_BODY_BYTES, QUIET_BEATS, Admission, call, read
from support.processes import DEADLINE_SECONDS

N_LARGE = LARGE_BODY_BYTES
SMALL = bytes(LARGE_BODY_BYTES - 1)
LARGE = bytes(LARGE_BODY_BYTES)


class Requests:
    """Requests that stay inside until `release`."""

    def __init__(self, admission: Admission) -> None:
        self.inside: list[str] = []
        self.done: list[str] = []
        self._go = Event()
        self._admission = admission
        self._greenlets: list[gevent.Greenlet] = []

    def send(self, name: str, n_bytes: int | None = N_LARGE) -> None:
        """Start a request, and run it until it waits."""
        self._greenlets.append(gevent.spawn(self._stay, name, n_bytes))
        gevent.idle()

    def release(self) -> None:
        """Let all requests finish."""
        self._go.set()
        gevent.joinall(self._greenlets, timeout=DEADLINE_SECONDS, raise_error=True)

    def _stay(self, name: str, n_bytes: int | None) -> None:
        with self._admission.admitted(n_bytes):
            self.inside.append(name)
            self._go.wait()
        self.done.append(name)


@pytest.mark.parametrize("n_bytes", [N_LARGE, 10 * N_LARGE, None])
def test_large_requests_are_queued(n_bytes: int | None) -> None:
    """Two are inside at once; the others follow one by one, in their order."""
    requests = Requests(Admission(max_concurrent=2, max_queued=64))

    for name in "abcd":
        requests.send(name, n_bytes)
    inside = list(requests.inside)
    requests.release()

    assert inside == ["a", "b"]
    assert requests.inside == ["a", "b", "c", "d"]
    assert sorted(requests.done) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("n_bytes", [0, N_LARGE - 1])
def test_small_requests_are_not_queued(n_bytes: int) -> None:
    """They enter behind any number of large ones, and take no place of a large one."""
    requests = Requests(Admission(max_concurrent=1, max_queued=0))

    requests.send("small", n_bytes)
    requests.send("large")
    requests.send("another", n_bytes)

    assert requests.inside == ["small", "large", "another"]
    requests.release()


@pytest.mark.parametrize("max_queued", [0, 1, 3])
def test_request_beyond_the_queue_is_refused(max_queued: int) -> None:
    """It is refused at once, and takes no place of the queued ones."""
    admission = Admission(max_concurrent=1, max_queued=max_queued)
    requests = Requests(admission)
    for name in range(1 + max_queued):
        requests.send(str(name))

    with pytest.raises(ServerBusy) as caught, admission.admitted(N_LARGE):
        pytest.fail("it was admitted")

    assert caught.value.status == 503
    assert str(caught.value) == (
        f"{max_queued} large requests are already queued; retry later or send fewer at once."
    )
    requests.release()
    assert len(requests.done) == 1 + max_queued


def test_each_request_leaves_its_place() -> None:
    """This holds for answered and for failed requests."""
    admission = Admission(max_concurrent=1, max_queued=0)

    for _ in range(3):
        with admission.admitted(N_LARGE):
            pass
        with pytest.raises(MalformedPayload), admission.admitted(None):
            raise MalformedPayload("Row 1 is blank.")

    with ExitStack() as stack:
        stack.enter_context(admission.admitted(N_LARGE))
        with pytest.raises(ServerBusy):
            stack.enter_context(admission.admitted(N_LARGE))


def test_queued_request_that_is_killed_leaves_the_queue() -> None:
    """Its place in the queue is free for another request."""
    admission = Admission(max_concurrent=1, max_queued=1)
    requests = Requests(admission)
    requests.send("inside")
    requests.send("waits")

    requests._greenlets.pop().kill()
    requests.send("follows")
    requests.release()

    assert requests.done == ["inside", "follows"]


def test_number_of_queued_requests_is_reported() -> None:
    """It rises and falls with the queue, and ends at 0."""
    reported: list[int] = []
    requests = Requests(Admission(1, 64, reported.append))

    for name in "abc":
        requests.send(name)
    so_far = reported[-1]
    requests.release()

    assert (so_far, max(reported), reported[-1]) == (2, 2, 0)


def resident_bytes() -> int:
    """Return the resident set size of this process."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def test_memory_of_large_requests_is_released_after_a_while() -> None:
    """It is kept for requests that follow soon, and then returned to the system."""
    admission = Admission()
    with admission.admitted(N_LARGE):
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


@pytest.mark.parametrize(("body", "here"), [(b"", True), (SMALL, True), (LARGE, False)])
def test_work_on_a_large_body_is_done_in_another_thread(body: bytes, here: bool) -> None:
    """A large body must not block the event loop; a small one takes no thread."""
    thread = call(threading.get_native_id, body)

    assert (thread == threading.get_native_id()) == here


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("error", [MalformedPayload("Row 1 is blank."), KeyError("absent")])
def test_error_of_the_work_is_raised(body: bytes, error: Exception) -> None:
    """The caller receives the same exception object, from any thread."""

    def work() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        call(work, body)

    assert caught.value is error


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_result_that_is_an_error_object_of_another_kind_is_returned(body: bytes) -> None:
    """Only a UserError is passed between threads as a value, and no result is one."""
    result = ValueError("a value")

    assert call(lambda: result, body) is result


def test_mistake_of_the_caller_prints_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """A malformed body is no fault of the server, large or small."""

    def work() -> NoReturn:
        raise MalformedPayload("Row 1 is blank.")

    with pytest.raises(MalformedPayload):
        call(work, LARGE)

    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


class Pieces(io.BytesIO):
    """A body that records how it is read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.events: list[str] = []

    def read(self, size: int | None = -1, /) -> bytes:
        """Record the piece."""
        self.events.append("read")
        return super().read(size)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("n_bytes", [0, 1, 128 * 1024, 300_000])
def test_body_is_read_whole(n_bytes: int, known: bool) -> None:
    """Pieces are joined in their order, whether the size is known or not."""
    content = random.Random(0).randbytes(n_bytes)  # noqa: S311 - no secret

    assert read(io.BytesIO(content), n_bytes if known else None) == content


def test_other_requests_run_between_the_pieces_of_a_body() -> None:
    """A waiting ping is answered before a large body is read to its end."""
    body = Pieces(bytes(1_000_000))
    gevent.spawn(body.events.append, "ping")

    read(body, None)

    assert "ping" in body.events[:3]
