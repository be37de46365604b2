"""Encode RecordIO-protobuf files."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from container.formats.recordio_messages import Record

MAGIC = struct.pack("<I", 0xCED7230A)


def encode(
    features: Iterable[Sequence[float]],
    labels: Iterable[float],
    tensor: str = "float32_tensor",
    label_tensor: str = "float32_tensor",
) -> bytes:
    """Return a file of dense records, as the SageMaker SDK writes them."""
    rows = zip(features, labels, strict=True)
    return b"".join(
        frame(record(row, [label], tensor=tensor, label_tensor=label_tensor)) for row, label in rows
    )


def encode_sparse(
    rows: Iterable[dict[int, float]], labels: Iterable[float], n_features: int | None = None
) -> bytes:
    """Return a file of sparse records; each row maps keys to values."""
    shape = [] if n_features is None else [n_features]
    return b"".join(
        frame(record(list(row.values()), [label], keys=list(row), shape=shape))
        for row, label in zip(rows, labels, strict=True)
    )


def record(
    values: Sequence[float],
    labels: Sequence[float],
    *,
    keys: Sequence[int] = (),
    shape: Sequence[int] = (),
    tensor: str = "float32_tensor",
    label_tensor: str = "float32_tensor",
) -> bytes:
    """Return a record without its frame."""
    message: Any = Record()
    found = getattr(message.features["values"], tensor)
    found.values.extend(values)
    found.keys.extend(keys)
    found.shape.extend(shape)
    if labels:
        getattr(message.label["values"], label_tensor).values.extend(labels)
    written: bytes = message.SerializeToString(deterministic=True)
    return written


def frame(payload: bytes, flag: int = 0) -> bytes:
    """Return a frame; `flag` marks parts of a record: 1 first, 2 middle, 3 last."""
    header = MAGIC + struct.pack("<I", flag << 29 | len(payload))
    return header + payload + bytes(-len(payload) % 4)
