"""A text for tests of byte streams, and its compression."""

import pyarrow as pa

TEXT = b"".join(b"label-%d,%d,%d\n" % (row % 3, row, row * row) for row in range(20_000))


def zstd(content: bytes) -> bytes:
    """Return one zstd frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())
