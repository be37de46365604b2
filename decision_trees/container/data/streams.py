"""Byte streams of training data: open a file or pipe once, decompress it, and count its bytes."""

import gzip
import io
import logging
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from container.formats.cells import CellError
from container.progress import Counter

HEAD_BYTES = 4096
"""Number of first bytes that format detection looks at."""

PIPE_SECONDS = 900.0
"""Maximum time to wait for a pipe to appear, in seconds."""

COMPRESSION_SUFFIXES = frozenset({".gz", ".gzip", ".zst", ".zstd"})
"""Suffixes of compressed files; whether a file is compressed is decided by its first bytes."""

_POLL_SECONDS = 0.1
_MAX_PATH_SHOWN = 400  # of the 1024 characters of a failure reason
_BUFFER_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A file of a channel, or the pipe of one epoch in Pipe mode."""

    path: Path
    is_pipe: bool = False

    def epoch(self, number: int) -> "Source":
        """Return the source for another pass: the same file, or the pipe of that epoch.

        Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
        """
        if not self.is_pipe:
            return self
        name = self.path.name.rpartition("_")[0]
        return replace(self, path=self.path.with_name(f"{name}_{number}"))

    def __str__(self) -> str:
        path = str(self.path)
        if len(path) > _MAX_PATH_SHOWN:
            path = f"...{path[-_MAX_PATH_SHOWN:]}"
        return f"the pipe {path}" if self.is_pipe else path


@dataclass(frozen=True)
class Content:
    """An open source."""

    head: bytes
    """First HEAD_BYTES bytes, decompressed."""

    stream: BinaryIO
    """All bytes from the start, decompressed; seekable if the source is an uncompressed file."""

    is_compressed: bool


@contextmanager
def opened(source: Source, counter: Counter) -> Iterator[Content]:
    """Open a source; wait for a pipe to appear; add the bytes that are read to `counter`.

    gzip and zstd are detected by their first bytes, not by the name.

    Raises:
        CellError: a pipe does not appear, or compressed data is damaged or cut off.
        OSError: the file cannot be opened or read.
    """
    if source.is_pipe:
        _wait_for(source.path)
    with ExitStack() as stack:
        raw = stack.enter_context(_CountedFile(source.path, counter))
        magic = raw.peek(HEAD_BYTES)
        if magic.startswith(_GZIP):
            inner = stack.enter_context(_Decompressed(gzip.GzipFile(fileobj=raw).read))
        elif magic.startswith(_ZSTD):
            inner = stack.enter_context(_Decompressed(_zstd(raw).read))
        else:
            yield Content(magic, io.BufferedReader(raw, _BUFFER_BYTES), is_compressed=False)
            return
        yield Content(inner.peek(HEAD_BYTES), io.BufferedReader(inner, _BUFFER_BYTES), True)


def _wait_for(pipe: Path) -> None:
    """Wait until a pipe exists: the platform creates it when the data is ready.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    deadline = time.monotonic() + PIPE_SECONDS
    while not pipe.exists():
        if time.monotonic() > deadline:
            raise CellError(f"the pipe has not appeared within {PIPE_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)


def _zstd(raw: io.RawIOBase) -> BinaryIO:
    import pyarrow  # imported here because most jobs do not need it

    stream: BinaryIO = pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")
    return stream


class _Peekable(io.RawIOBase):
    """Raw stream whose first bytes can be peeked at before they are read."""

    def __init__(self) -> None:
        self._ahead = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def peek(self, size: int) -> bytes:
        """Return the first `size` bytes, fewer at the end, without consuming them."""
        while len(self._ahead) < size:
            more = self._read_more(size - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read up to the size of `buffer`; see io.RawIOBase."""
        found, self._ahead = self._ahead[: len(buffer)], self._ahead[len(buffer) :]
        found = found or self._read_more(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _read_more(self, size: int) -> bytes:
        raise NotImplementedError


class _CountedFile(_Peekable):
    """A file or pipe whose bytes are counted."""

    def __init__(self, path: Path, counter: Counter) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._counter = counter

    def seekable(self) -> bool:
        """Return whether it is a file, not a pipe."""
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Change the position; see io.RawIOBase."""
        if whence == io.SEEK_CUR:
            offset -= len(self._ahead)
        self._ahead = b""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position; see io.RawIOBase."""
        return self._file.tell() - len(self._ahead)

    def close(self) -> None:
        """Close the file, so that the writer of a pipe is notified."""
        self._file.close()
        super().close()

    def _read_more(self, size: int) -> bytes:
        found = self._file.read(size) or b""
        self._counter.bytes += len(found)
        return found


class _Decompressed(_Peekable):
    """Decompressed bytes; an error of the decompressor is raised as CellError."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read

    def _read_more(self, size: int) -> bytes:
        try:
            return self._read(size)
        except (EOFError, zlib.error, OSError) as error:
            problem = f"the compressed data is damaged or cut off ({error})"
            raise CellError(problem, "copy or compress it again") from error
