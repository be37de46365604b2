"""Byte streams: pipes, which the platform creates and fills."""

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from container.data.streams import HEAD_BYTES, Source, opened
from container.progress import Counter
from support.compressed import TEXT, zstd
from support.processes import DEADLINE_SECONDS


def fill_late(pipe: Path, content: bytes, step: int, waiting: threading.Event) -> None:
    """Create the pipe after `waiting` is set, and write it in pieces, as the platform does."""
    assert waiting.wait(DEADLINE_SECONDS)
    os.mkfifo(pipe)
    with pipe.open("wb", buffering=0) as writer:
        for start in range(0, len(content), step):
            writer.write(content[start : start + step])


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd])
def test_pipe_is_awaited_and_read_to_its_end(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """A pipe may appear late, and its bytes may arrive one by one."""
    content, waiting, counter = compress(TEXT[:20_000]), threading.Event(), Counter()
    pipe = tmp_path / "train_0"
    writer = threading.Thread(target=fill_late, args=(pipe, content, 1, waiting), daemon=True)
    writer.start()
    timer = threading.Timer(0.05, waiting.set)
    timer.start()

    with opened(Source(pipe, is_pipe=True), counter) as found:
        head, whole, seekable = found.head, found.stream.read(), found.stream.seekable()
    writer.join(DEADLINE_SECONDS)

    assert not writer.is_alive()
    assert head == TEXT[:HEAD_BYTES]
    assert whole == TEXT[:20_000]
    assert counter.bytes == len(content)
    assert not seekable


def test_pipe_is_closed_when_its_reader_stops(tmp_path: Path) -> None:
    """The platform's writer receives an error, and does not wait forever."""
    pipe, broken = tmp_path / "train_0", threading.Event()
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as writer:
            try:
                while True:
                    writer.write(TEXT)
            except BrokenPipeError:
                broken.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with opened(Source(pipe, is_pipe=True), Counter()) as content:
        content.stream.readline()

    assert broken.wait(DEADLINE_SECONDS)
