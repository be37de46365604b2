"""Byte streams: files, plain and compressed, opened and read once."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from container.data.streams import HEAD_BYTES, Source, opened
from container.formats.cells import CellError
from container.progress import Counter
from support.compressed import TEXT, zstd
from support.processes import python

NOISE = np.random.default_rng(0).bytes(400_000)


def parquet() -> bytes:
    """Return a Parquet file with as many rows as TEXT."""
    sink = pa.BufferOutputStream()
    rows = list(range(20_000))
    pq.write_table(pa.table({"y": [row % 2 for row in rows], "x": rows}), sink)
    return bytes(sink.getvalue())


def open_files() -> int:
    """Return the number of open files of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], tuple[bytes, bytes, Counter]]:
    """Return a function that writes a file, and returns its head, its content and the counter."""

    def read_file(content: bytes) -> tuple[bytes, bytes, Counter]:
        file, counter = tmp_path / "file", Counter()
        file.write_bytes(content)
        with opened(Source(file), counter) as found:
            return found.head, found.stream.read(), counter

    return read_file


@pytest.mark.parametrize(
    "content", [b"", b"a", b"a,1\n", TEXT[:HEAD_BYTES], TEXT, b"\x1f", b"\x28\xb5\x2f"]
)
def test_file_has_a_head_and_is_read_once(
    read: Callable[[bytes], tuple[bytes, bytes, Counter]], content: bytes
) -> None:
    """The head is available before reading, and all bytes are read and counted once."""
    head, whole, counter = read(content)

    assert head == content[:HEAD_BYTES]
    assert whole == content
    assert counter == Counter(bytes=len(content))


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@pytest.mark.parametrize(
    "parts",
    [[b""], [b"a,1\n"], [TEXT], [NOISE], [b"a,1\n", TEXT], [TEXT[:5000], TEXT[5000:], b"\n"]],
)
def test_compressed_file_is_decompressed(
    read: Callable[[bytes], tuple[bytes, bytes, Counter]],
    compress: Callable[[bytes], bytes],
    parts: list[bytes],
) -> None:
    """Concatenated compressed files are one text; the counted bytes are those of the file."""
    content, expected = b"".join(map(compress, parts)), b"".join(parts)

    head, whole, counter = read(content)

    assert whole == expected
    assert head == expected[:HEAD_BYTES]
    assert counter == Counter(bytes=len(content))


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@pytest.mark.parametrize("content", [b"a,1\n" * 5, NOISE])
def test_truncated_compressed_file_is_refused(
    read: Callable[[bytes], tuple[bytes, bytes, Counter]],
    compress: Callable[[bytes], bytes],
    content: bytes,
) -> None:
    """Missing rows at the end are an error."""
    whole = compress(content)

    for n_bytes in (len(whole) - 1, len(whole) - 9, len(whole) // 2, 5):
        with pytest.raises(
            CellError, match=r"^the compressed data is damaged or cut off \(.+\)$"
        ) as caught:
            read(whole[:n_bytes])

        assert caught.value.remedy == "copy or compress it again"


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_damaged_compressed_file_is_refused(
    read: Callable[[bytes], tuple[bytes, bytes, Counter]],
    compress: Callable[[bytes], bytes],
    byte: bytes,
) -> None:
    """Damaged data is an error of the data, not of the program."""
    whole = compress(TEXT)

    for n_bytes in (10, len(whole) // 2):
        with pytest.raises(CellError, match=r"^the compressed data is damaged or cut off \(.+\)$"):
            read(whole[:n_bytes] + byte * (len(whole) - n_bytes))


def test_gzip_file_with_a_wrong_checksum_is_refused(
    read: Callable[[bytes], tuple[bytes, bytes, Counter]],
) -> None:
    """Data that decompresses to something else than was compressed is refused."""
    whole = bytearray(gzip.compress(TEXT))
    whole[-8] ^= 1

    with pytest.raises(CellError, match="CRC check failed"):
        read(bytes(whole))


def test_only_a_plain_file_is_seekable(tmp_path: Path) -> None:
    """A plain file can be sought, a compressed one cannot."""
    (tmp_path / "plain").write_bytes(TEXT)
    (tmp_path / "gz").write_bytes(gzip.compress(TEXT))

    with opened(Source(tmp_path / "plain"), Counter()) as content:
        assert not content.is_compressed
        assert content.stream.seekable()
    with opened(Source(tmp_path / "gz"), Counter()) as content:
        assert content.is_compressed
        assert not content.stream.seekable()


def test_file_is_seekable_after_peeking(tmp_path: Path) -> None:
    """Positions are those of the file, although its head was read before."""
    (tmp_path / "file").write_bytes(TEXT)

    with opened(Source(tmp_path / "file"), Counter()) as content:
        stream = content.stream
        assert stream.tell() == 0
        assert stream.read(10) == TEXT[:10]
        assert stream.tell() == 10
        assert stream.seek(5, io.SEEK_CUR) == 15
        assert stream.read(3) == TEXT[15:18]
        assert stream.seek(-4, io.SEEK_END) == len(TEXT) - 4
        assert stream.read() == TEXT[-4:]
        assert stream.seek(0) == 0
        assert stream.read() == TEXT


def test_file_is_closed_after_use(tmp_path: Path) -> None:
    """The file is closed even if its reader fails."""
    (tmp_path / "file").write_bytes(TEXT)

    def fail() -> None:
        with opened(Source(tmp_path / "file"), Counter()):
            raise KeyError

    before = open_files()
    with pytest.raises(KeyError):
        fail()

    assert open_files() == before


def test_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    """The FileNotFoundError names the file."""
    with (
        pytest.raises(FileNotFoundError, match="absent"),
        opened(Source(tmp_path / "absent"), Counter()),
    ):
        pass


def test_source_is_shown_by_its_path(tmp_path: Path) -> None:
    """A pipe is shown as a pipe."""
    assert str(Source(Path("/a/b.csv"))) == "/a/b.csv"
    assert str(Source(Path("/a/train_0"), is_pipe=True)) == "the pipe /a/train_0"


def test_long_path_is_shown_by_its_end() -> None:
    """A failure reason has 1024 characters, and the file name is at the end of a path."""
    assert str(Source(Path("/a" + "b" * 398))) == "/a" + "b" * 398
    assert str(Source(Path("/a" + "b" * 399))) == "...a" + "b" * 399


@pytest.mark.parametrize(
    "content",
    [TEXT, gzip.compress(TEXT), zstd(TEXT), parquet(), b"1 1:1\n2 2:2\n" * 10_000],
    ids=["plain", "gzip", "zstd", "Parquet", "libsvm"],
)
def test_file_is_opened_once(tmp_path: Path, content: bytes) -> None:
    """The input mode FastFile fetches a file each time it is opened."""
    file = tmp_path / "file"
    file.write_bytes(content)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from container.data import reading, streams\n"
        "from container.data.channels import Channel\n"
        "from container.hyperparameters.input_options import InputOptions\n"
        "from container.progress import Counter\n"
        f"file, times = {str(file)!r}, []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and str(args[0]) == file "
        "and times.append(args))\n"
        "channel = Channel('train', (streams.Source(Path(file)),), None)\n"
        "found = reading.collect(channel, InputOptions(), Counter(), lambda _: False)\n"
        "assert found.n_rows == 20_000\n"
        "assert len(times) == 1, times\n"
    )

    ended = python(code)

    assert ended.returncode == 0, ended.stderr
