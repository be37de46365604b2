"""Byte streams of training data: open a file or pipe once, decompress it, and count its bytes."""

import codecs
import gzip
import io
import logging
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from container.formats.cells import CellError
from container.formats.media_types import RECORDIO_MAGIC
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
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins as that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
"""Byte-order marks and the encodings that they begin."""

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
    with _CountedFile(source.path, counter) as file:
        stream: io.BufferedReader[Any] = io.BufferedReader(file, _BUFFER_BYTES)
        magic = stream.peek(HEAD_BYTES)
        is_compressed = magic.startswith((_GZIP, _ZSTD))
        if is_compressed:
            inner = gzip.GzipFile(fileobj=stream) if magic.startswith(_GZIP) else _zstd(stream)
            stream = io.BufferedReader(_Decompressed(inner.read), _BUFFER_BYTES)
        yield Content(stream.peek(HEAD_BYTES)[:HEAD_BYTES], stream, is_compressed)


def in_utf8(content: Content, encoding: str) -> Content:
    """Return text in UTF-8, and other data as it is.

    Args:
        content: an open source.
        encoding: the encoding of text; `auto` for that of its byte-order mark, or UTF-8.

    Raises:
        CellError: the mark is that of another encoding, or the text is in UTF-16 without a mark.
    """
    head = content.head
    if head.startswith((b"PAR1", RECORDIO_MAGIC)):
        return content
    mark = next((name for magic, name in _MARKS.items() if head.startswith(magic)), None)
    if encoding == "auto":
        encoding = mark or _unmarked(head)
    found = codecs.lookup(encoding).name
    if mark is not None and not found.startswith(mark):
        problem = f"the data begins with the byte-order mark of {mark}, and is not {encoding}"
        raise CellError(problem, "leave the hyperparameter encoding unset")
    if found == "utf-8":
        return content
    stream = io.BufferedReader(_Transcoded(content.stream, encoding), _BUFFER_BYTES)
    return Content(stream.peek(HEAD_BYTES)[:HEAD_BYTES], stream, content.is_compressed)


def _unmarked(head: bytes) -> str:
    """Return UTF-8; refuse UTF-16 without a mark: every other byte of plain text is a NUL."""
    for name, nulls, others in (("le", head[1::2], head[::2]), ("be", head[::2], head[1::2])):
        if nulls and nulls.count(0) > 0.9 * len(nulls) and 0 not in others:
            problem = "every other byte is a NUL, as in UTF-16"
            raise CellError(problem, f"set the hyperparameter encoding=utf-16-{name}")
    return "utf-8"


def _wait_for(pipe: Path) -> None:
    """Wait until a pipe exists: the platform creates it when the data is ready.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    deadline = time.monotonic() + PIPE_SECONDS
    while not pipe.exists():
        if time.monotonic() > deadline:
            raise CellError(f"the pipe has not appeared within {PIPE_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)


def _zstd(raw: BinaryIO) -> BinaryIO:
    import pyarrow  # imported here because most jobs do not need it

    stream: BinaryIO = pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")
    return stream


class _CountedFile(io.FileIO):
    """A file or pipe whose bytes are counted; a pipe is read until the buffer is full."""

    def __init__(self, path: Path, counter: Counter) -> None:
        super().__init__(path)
        self._counter = counter

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Read until `buffer` is full or the end is reached."""
        rest = buffer
        while rest and (n_bytes := super().readinto(rest)):
            self._counter.bytes += n_bytes
            rest = rest[n_bytes:]
        return len(buffer) - len(rest)

    def readall(self) -> bytes:
        """Read to the end."""
        found = super().readall() or b""
        self._counter.bytes += len(found)
        return found


class _Transcoded(io.RawIOBase):
    """Text of another encoding in UTF-8; what cannot be decoded is raised as CellError."""

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._text = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read up to the size of `buffer`; see io.RawIOBase."""
        raw = b" "
        while raw and not self._text:
            raw = self._source.read(_BUFFER_BYTES)
            try:
                self._text = self._decoder.decode(raw, final=not raw).encode()
            except UnicodeError as error:
                problem = f"the data is not {self._encoding} ({error})"
                remedy = "set the hyperparameter encoding to another one"
                raise CellError(problem, remedy) from error
        n_bytes = min(len(buffer), len(self._text))
        buffer[:n_bytes], self._text = self._text[:n_bytes], self._text[n_bytes:]
        return n_bytes


class _Decompressed(io.RawIOBase):
    """Decompressed bytes; an error of the decompressor is raised as CellError."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read up to the size of `buffer`; see io.RawIOBase."""
        try:
            found = self._read(len(buffer))
        except (EOFError, zlib.error, OSError) as error:
            problem = f"the compressed data is damaged or cut off ({error})"
            raise CellError(problem, "copy or compress it again") from error
        buffer[: len(found)] = found
        return len(found)
