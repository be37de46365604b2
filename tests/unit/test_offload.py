"""Where the work on a body happens."""

import io
import random
import threading
from typing import NoReturn

import gevent
import pytest

from container.errors import MalformedPayload
from container.serving.concurrency import LARGE_BODY_BYTES, call, read

SMALL = bytes(LARGE_BODY_BYTES - 1)
LARGE = bytes(LARGE_BODY_BYTES)


@pytest.mark.parametrize(("body", "here"), [(b"", True), (SMALL, True), (LARGE, False)])
def test_work_on_a_large_body_is_done_in_another_thread(body: bytes, here: bool) -> None:
    """Small bodies are worth no thread; large ones must not keep others waiting."""
    thread = call(threading.get_native_id, body)

    assert (thread == threading.get_native_id()) == here


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("error", [MalformedPayload("Row 1 is blank."), KeyError("absent")])
def test_error_of_the_work_is_raised(body: bytes, error: Exception) -> None:
    """Whoever asked gets the very error, wherever it happened."""

    def work() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        call(work, body)

    assert caught.value is error


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_result_that_is_an_error_object_of_another_kind_is_returned(body: bytes) -> None:
    """Only a mistake of the caller travels as a value, and no result is one."""
    result = ValueError("a value")

    assert call(lambda: result, body) is result


def test_mistake_of_the_caller_prints_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """A body that cannot be read is no fault of ours, large or not."""

    def work() -> NoReturn:
        raise MalformedPayload("Row 1 is blank.")

    with pytest.raises(MalformedPayload):
        call(work, LARGE)

    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


class Pieces(io.BytesIO):
    """A body of which it is noted how it was read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.turns: list[str] = []

    def read(self, size: int | None = -1, /) -> bytes:
        """Note the piece."""
        self.turns.append("read")
        return super().read(size)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("n_bytes", [0, 1, 128 * 1024, 300_000])
def test_body_is_read_whole(n_bytes: int, known: bool) -> None:
    """Pieces are joined as they came, whether or not their number is known before."""
    content = random.Random(0).randbytes(n_bytes)  # noqa: S311 - no secret

    assert read(io.BytesIO(content), n_bytes if known else None) == content


def test_others_have_their_turn_between_the_pieces_of_a_body() -> None:
    """A ping that waits is answered before a large body has been read."""
    body = Pieces(bytes(1_000_000))
    gevent.spawn(body.turns.append, "ping")

    read(body, None)

    assert "ping" in body.turns[:3]
