"""RecordIO frames: payloads from any stream, and frames that are refused."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.formats import recordio_frames
from container.formats.cells import CellError
from support.recordio import MAGIC, frame

ONE = frame(b"one payload")


class Pipe(io.RawIOBase):
    """Returns a few bytes per read, as a pipe may, and cannot be sought."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content, self._most = io.BytesIO(content), most

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `most` bytes."""
        return self._content.read(min(size, self._most))


@pytest.mark.parametrize("most", [1, 3, 8, 1000])
@given(payloads=st.lists(st.binary(max_size=40)))
def test_frames_are_read_from_a_pipe(payloads: list[bytes], most: int) -> None:
    """Payloads are complete, however few bytes a read returns."""
    stream: Any = Pipe(b"".join(map(frame, payloads)), most)

    assert list(recordio_frames.frames(stream)) == payloads


def test_parts_of_a_record_are_joined() -> None:
    """A payload that contains the magic number is joined from its parts."""
    parts = frame(b"abcd", 1) + frame(b"", 2) + frame(b"efgh", 3) + frame(b"next")

    assert list(recordio_frames.frames(io.BytesIO(parts))) == [
        b"abcd" + MAGIC + MAGIC + b"efgh",
        b"next",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (ONE + MAGIC + b"\x08\0", "is cut off"),
        (ONE + frame(b"abcd", 2), "is a part of a record whose other parts are not there"),
        (ONE + frame(b"abcd", 5), "is a part of a record whose other parts are not there"),
    ],
    ids=repr,
)
def test_damaged_frame_is_refused(content: bytes, problem: str) -> None:
    """The message names the record, and the byte where it begins."""
    with pytest.raises(CellError) as caught:
        list(recordio_frames.frames(io.BytesIO(content)))

    assert f"{caught.value}; {caught.value.remedy}" == (
        f"record 2, at byte {len(ONE)}, {problem}; write it again, as RecordIO-protobuf"
    )
