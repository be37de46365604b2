"""Writers of response bodies: one class for each text or record format, one function for npy."""

import csv
import io
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from container.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    LABELS,
    PROBABILITIES,
    RECORDIO,
    RECORDIO_MAGIC,
)

LIST_OUTPUTS = frozenset({LABELS, PROBABILITIES})
"""Outputs that have several values a row."""


class Writer(Protocol):
    """Writes one media type: values become outputs, outputs a row, and rows a body."""

    bad: bytes
    """A row without a prediction."""

    separator: bytes
    """Bytes between two rows."""

    opening: bytes
    """Bytes before the first row."""

    closing: bytes
    """Bytes after the last row."""

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        """Return an output of labels."""

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return an output of numbers for each row of shape (n_rows, n_values)."""

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return a row made of its outputs."""


def writer_of(media_type: str, labels: Sequence[Any]) -> Writer:
    """Return the writer of a media type, any of REPLIES except npy, for a model's labels."""
    if media_type == RECORDIO:
        return RecordIOWriter(labels)
    writers: dict[str, type[CsvWriter | JsonWriter]] = {
        CSV: CsvWriter,
        JSON: JsonWriter,
        JSON_LINES: JsonLinesWriter,
    }
    return writers[media_type]()


class CsvWriter:
    """One line a row; a list takes one column for each value."""

    bad = b"\n"
    separator = opening = closing = b""

    def labels(self, _name: str, labels: Sequence[Any]) -> bytes:
        """Return the labels with commas between them."""
        return b",".join(map(_csv_cell, labels))

    def numbers(self, _name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return the numbers of each row with commas between them."""
        return _decimals(numbers)

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one line."""
        return b",".join(outputs) + b"\n"


class JsonWriter:
    """One ASCII object a row, all in one list under `predictions`.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
    """

    bad = b"null"
    separator = b","
    opening = b'{"predictions":['
    closing = b"]}\n"

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        """Return a member whose value is a label, or a list of labels."""
        values = ",".join(json.dumps(label, allow_nan=False) for label in labels)
        return _member(name) % values.encode()

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return for each row a member whose value is a number, or a list of numbers."""
        member = _member(name)
        return [member % values for values in _decimals(numbers)]

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one object."""
        return b"{%s}" % b",".join(outputs)


class JsonLinesWriter(JsonWriter):
    """The same objects as in JSON, one a line."""

    bad = b"null\n"
    separator = opening = closing = b""

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one object and its line feed."""
        return b"{%s}\n" % b",".join(outputs)


class RecordIOWriter:
    """One record a row, whose label maps the name of each output to a tensor.

    A payload that contains the magic number is not split; only readers that seek need that.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html
    """

    bad = RECORDIO_MAGIC + bytes(4)
    separator = opening = closing = b""

    def __init__(self, labels: Sequence[Any]) -> None:
        """Choose the type of tensor for the labels of a model."""
        # Imported on first use: protobuf is slow to load and few requests need it.
        from container.formats.recordio_messages import Record

        self._record = Record
        self._tensor = _tensor_of(labels)

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        """Return a record with a tensor of labels."""
        if self._tensor == "bytes":
            return self._write(name, "bytes", "value", [label.encode() for label in labels])
        return self._write(name, self._tensor, "values", labels)

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return for each row a record with a tensor of numbers."""
        return [self._write(name, "float32_tensor", "values", row) for row in numbers.tolist()]

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one frame; concatenated messages are merged into one when they are parsed."""
        payload = b"".join(outputs)
        return RECORDIO_MAGIC + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)

    def _write(self, name: str, tensor: str, field: str, values: Sequence[Any]) -> bytes:
        record = self._record()
        getattr(getattr(record.label[name], tensor), field).extend(values)
        written: bytes = record.SerializeToString()
        return written


def npy_array(columns: Sequence[NDArray[Any]], bad: Sequence[int], *, marks: bool) -> NDArray[Any]:
    """Return outputs side by side in one array.

    Args:
        columns: each of shape (n_rows, n_values).
        bad: indices of rows without a prediction, which become NaN, or empty text.
        marks: whether any row of the response is bad; integers become float64 then, which has NaN.
    """
    array = np.hstack(columns)
    if marks and array.dtype.kind == "i":
        array = array.astype(np.float64)
    if bad:
        array[bad] = "" if array.dtype.kind == "U" else np.nan
    return array


def npy_header(array: NDArray[Any], n_rows: int, *, is_flat: bool) -> bytes:
    """Return the header of an npy file of `n_rows`, of which `array` has the first.

    `is_flat` is whether the only column has one value a row; the shape is (n_rows,) then.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    header = np.lib.format.header_data_from_array_1_0(array)
    shape = (n_rows,) if is_flat else (n_rows, array.shape[1])
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {**header, "fortran_order": False, "shape": shape})
    return file.getvalue()


def _decimals(numbers: NDArray[np.float32]) -> list[bytes]:
    """Return for each row its numbers with commas between them.

    Each distinct number is formatted once: a tree has few, and formatting a NumPy number is slow.
    """
    bits = numbers.view(np.uint32).ravel().tolist()  # bits tell -0.0 from 0.0
    distinct = dict.fromkeys(bits)
    floats = np.array(list(distinct), dtype=np.uint32).view(np.float32)
    texts = dict(zip(distinct, [str(number).encode() for number in floats], strict=True))
    cells = [texts[number] for number in bits]
    width = numbers.shape[1]
    if width == 1:
        return cells
    return [b",".join(cells[start : start + width]) for start in range(0, len(cells), width)]


def _csv_cell(label: object) -> bytes:
    """Return a label as a cell of CSV, quoted if necessary."""
    line = io.StringIO()
    # With this line terminator both of its characters are quoted inside a cell.
    csv.writer(line, lineterminator="\r\n").writerow([label])
    return line.getvalue().removesuffix("\r\n").encode()


def _member(name: str) -> bytes:
    """Return a template of a member of a JSON object, with a placeholder for its value."""
    return b'"%s":%s' % (name.encode(), b"[%s]" if name in LIST_OUTPUTS else b"%s")


def _tensor_of(labels: Sequence[Any]) -> str:
    """Return the type of tensor that can hold every label, the same in each record."""
    if all(isinstance(label, str) for label in labels):
        return "bytes"
    if all(isinstance(label, int) and -(2**31) <= label < 2**31 for label in labels):
        return "int32_tensor"
    return "float64_tensor"
