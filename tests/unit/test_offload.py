"""Where the work on a body happens."""

import threading

import pytest

from container.errors import MalformedPayload
from container.offload import LARGE_BODY_BYTES, answer

SMALL = bytes(LARGE_BODY_BYTES - 1)
LARGE = bytes(LARGE_BODY_BYTES)


@pytest.mark.parametrize(("body", "here"), [(b"", True), (SMALL, True), (LARGE, False)])
def test_work_on_a_large_body_is_done_in_another_thread(body: bytes, here: bool) -> None:
    """Small bodies are worth no thread; large ones must not keep others waiting."""
    threads = []

    def work(_body: bytes, _content_type: str | None) -> bytes:
        threads.append(threading.get_native_id())
        return b"done"

    assert answer(work, body, None) == b"done"
    assert (threads == [threading.get_native_id()]) == here


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_work_is_given_body_and_content_type(body: bytes) -> None:
    """Both arrive as they are."""
    given = []

    def work(body: bytes, content_type: str | None) -> bytes:
        given.append((body, content_type))
        return b""

    answer(work, body, "text/csv")

    assert given == [(body, "text/csv")]


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("error", [MalformedPayload("Row 1 is blank."), KeyError("absent")])
def test_error_of_the_work_is_raised(body: bytes, error: Exception) -> None:
    """Whoever asked gets the very error, wherever it happened."""

    def work(_body: bytes, _content_type: str | None) -> bytes:
        raise error

    with pytest.raises(type(error)) as caught:
        answer(work, body, None)

    assert caught.value is error


def test_mistake_of_the_caller_prints_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """A body that cannot be read is no fault of ours, large or not."""

    def work(_body: bytes, _content_type: str | None) -> bytes:
        raise MalformedPayload("Row 1 is blank.")

    with pytest.raises(MalformedPayload):
        answer(work, LARGE, None)

    printed = capfd.readouterr()
    assert printed.out + printed.err == ""
