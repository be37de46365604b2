"""Sources: the bytes of one file or pipe of a channel, decompressed, counted, read once."""

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
"""How much of a source is looked at to learn what it is."""

PIPE_SECONDS = 900.0
"""How long a pipe may take to appear."""

_POLL_SECONDS = 0.1
_PATH_SHOWN = 400  # a message has 1024 characters in all
_BUFFER_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A file of a channel, or one epoch of a channel in Pipe mode."""

    path: Path
    is_pipe: bool = False

    def epoch(self, number: int) -> "Source":
        """Return where the same rows come from once more: a pipe gives them once.

        Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
        """
        if not self.is_pipe:
            return self
        name = self.path.name.rpartition("_")[0]
        return replace(self, path=self.path.with_name(f"{name}_{number}"))

    def __str__(self) -> str:
        path = str(self.path)
        if len(path) > _PATH_SHOWN:
            path = f"...{path[-_PATH_SHOWN:]}"
        return f"the pipe {path}" if self.is_pipe else path


@dataclass(frozen=True)
class Content:
    """What a source holds, once it is open."""

    head: bytes
    """Its first bytes, decompressed."""

    stream: BinaryIO
    """All of it from the start, decompressed; it can be sought when it is a file as it is."""

    is_compressed: bool


@contextmanager
def opened(source: Source, counter: Counter) -> Iterator[Content]:
    """Open a source, a pipe when it appears; bytes are added to `counter` as they are read.

    gzip and zstd are recognised by their first bytes, whatever the name.

    Raises:
        CellError: a pipe does not appear, or the compressed data is damaged or cut off.
        OSError: the file cannot be opened or read.
    """
    if source.is_pipe:
        _wait_for(source.path)
    with ExitStack() as stack:
        raw = stack.enter_context(_Input(source.path, counter))
        magic = raw.look(HEAD_BYTES)
        if magic.startswith(_GZIP):
            inner = stack.enter_context(_Damage(gzip.GzipFile(fileobj=raw).read))
        elif magic.startswith(_ZSTD):
            inner = stack.enter_context(_Damage(_zstd(raw).read))
        else:
            yield Content(magic, io.BufferedReader(raw, _BUFFER_BYTES), is_compressed=False)
            return
        yield Content(inner.look(HEAD_BYTES), io.BufferedReader(inner, _BUFFER_BYTES), True)


def _wait_for(pipe: Path) -> None:
    """Wait until a pipe exists: the platform makes it when it has data for it.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    deadline = time.monotonic() + PIPE_SECONDS
    while not pipe.exists():
        if time.monotonic() > deadline:
            raise CellError(f"nothing has come for {PIPE_SECONDS:g} seconds: there is no such pipe")
        time.sleep(_POLL_SECONDS)


def _zstd(raw: io.RawIOBase) -> BinaryIO:
    import pyarrow  # imported here: most jobs do without

    stream: BinaryIO = pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")
    return stream


class _Ahead(io.RawIOBase):
    """Bytes of which the first can be looked at before they are read."""

    def __init__(self) -> None:
        self._ahead = b""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def look(self, size: int) -> bytes:
        """Return the first `size` bytes, fewer at the end; they stay to be read."""
        while len(self._ahead) < size:
            more = self._more(size - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read up to the size of `buffer`, as io.RawIOBase says."""
        found, self._ahead = self._ahead[: len(buffer)], self._ahead[len(buffer) :]
        found = found or self._more(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _more(self, size: int) -> bytes:
        raise NotImplementedError


class _Input(_Ahead):
    """A file or a pipe."""

    def __init__(self, path: Path, counter: Counter) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._counter = counter

    def seekable(self) -> bool:
        """Say whether it is a file."""
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, as io.RawIOBase says."""
        if whence == io.SEEK_CUR:
            offset -= len(self._ahead)
        self._ahead = b""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place, as io.RawIOBase says."""
        return self._file.tell() - len(self._ahead)

    def close(self) -> None:
        """Close the file, so that its writer learns of the end."""
        self._file.close()
        super().close()

    def _more(self, size: int) -> bytes:
        found = self._file.read(size) or b""
        self._counter.bytes += len(found)
        return found


class _Damage(_Ahead):
    """A stream that decompresses, whose errors say that the data is damaged."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read

    def _more(self, size: int) -> bytes:
        try:
            return self._read(size)
        except (EOFError, zlib.error, OSError) as error:
            problem = f"the compressed data is damaged or cut off ({error})"
            raise CellError(problem, "copy or compress it again") from error
