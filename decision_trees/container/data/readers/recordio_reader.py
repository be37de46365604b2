"""RecordIO-protobuf reader: frames, each with one row as a protobuf message.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

import math
from array import array
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from container.data.readers.batches import BATCH_VALUES, Batch, BatchReader, SparseFeatures
from container.formats.cells import FLOAT32_OVERFLOW, CellError
from container.formats.recordio_frames import records, row_of, tensor_of
from container.hyperparameters.input_options import InputOptions


def read(stream: BinaryIO, options: InputOptions) -> BatchReader:
    """Return a reader of a RecordIO-protobuf file, which is read once, from start to end.

    Batches are sparse if records have keys, otherwise dense; NaN is missing. Class labels are
    float32 by convention, so a whole number is written as an integer.

    Args:
        stream: the file or pipe; a read may return fewer bytes than requested.
        options: whether labels are numbers.

    Raises:
        HyperparameterError: a hyperparameter names the column of the label or the weight.
    """
    options.refuse_columns("RecordIO-protobuf")
    return BatchReader("RecordIO-protobuf", None, _batches(stream, options.labels_are_numbers))


def _batches(stream: BinaryIO, labels_are_numbers: bool) -> Iterator[Batch]:
    builder = _BatchBuilder(labels_are_numbers)
    for number, record in records(stream):
        builder.add(number, record)
        if builder.size >= BATCH_VALUES:
            yield builder.take()
    if builder.size:
        yield builder.take()


class _BatchBuilder:
    """Collects the rows of a file, batch after batch."""

    def __init__(self, labels_are_numbers: bool) -> None:
        self._labels_are_numbers = labels_are_numbers
        self._is_sparse: bool | None = None
        self._width = 0
        self._first = 1
        self._class_labels: dict[tuple[str, float], str] = {}
        self._clear()

    def _clear(self) -> None:
        self._values, self._keys, self._ends = array("d"), array("q"), array("q")
        self._labels: list[str | float] = []

    @property
    def size(self) -> int:
        """Number of values and labels since the last batch."""
        return len(self._values) + len(self._labels)

    def add(self, number: int, record: Any) -> None:
        """Append a record; raises CellError if it does not fit those before."""
        row = row_of(record.features, number)
        if self._is_sparse is None:
            self._is_sparse = row.is_sparse
        if self._is_sparse != row.is_sparse:
            found, before = ("sparse", "dense") if row.is_sparse else ("dense", "sparse")
            raise CellError(f"record {number} is {found}, but the records before are {before}")
        self._check_width(number, row.width)
        self._labels.append(self._label(number, record))
        self._values.extend(row.values)
        self._keys.extend(row.keys)
        self._ends.append(len(self._values))

    def take(self) -> Batch:
        """Return the rows since the last batch."""
        features = self._features()
        labels = self._labels
        self._first += len(labels)
        self._clear()
        if self._labels_are_numbers:
            return Batch(features, np.array(labels, dtype=np.float64))
        return Batch(features, cast("list[str]", labels))

    def _features(self) -> NDArray[np.float32] | SparseFeatures:
        values = np.frombuffer(self._values, dtype=np.float64)
        wrong = np.abs(values) >= FLOAT32_OVERFLOW
        if wrong.any():
            at = int(wrong.argmax())
            raise CellError(f"{self._place(at)} is {_problem(float(values[at]))}")
        numbers = values.astype(np.float32)
        if not self._is_sparse:
            return numbers.reshape(-1, self._width)
        keys = np.frombuffer(self._keys, dtype=np.int64)
        return SparseFeatures(numbers, keys, np.frombuffer(self._ends, dtype=np.int64), self._width)

    def _place(self, at: int) -> str:
        """Return the place of a value, by its index among those since the last batch."""
        row = int(np.searchsorted(np.frombuffer(self._ends, dtype=np.int64), at, side="right"))
        number = self._first + row
        if self._is_sparse:
            return f"record {number}, key {self._keys[at]}"
        return f"record {number}, value {at % self._width + 1}"

    def _check_width(self, number: int, width: int) -> None:
        if self._is_sparse:
            self._width = max(self._width, width)
        elif self._width in (0, width):
            self._width = width
        else:
            raise CellError(
                f"record {number} has {width} values, but the records before have {self._width}"
            )

    def _label(self, number: int, record: Any) -> str | float:
        kind, tensor = tensor_of(record.label, number, "label")
        values = tensor.values[:]
        if len(values) != 1:
            raise CellError(
                f"record {number} has {len(values)} labels", "give each record one label"
            )
        value = float(values[0])
        if math.isnan(value):
            raise CellError(f"record {number} has no label: it is NaN")
        if math.isinf(value) or (self._labels_are_numbers and abs(value) >= FLOAT32_OVERFLOW):
            raise CellError(f"record {number}, the label is {_problem(value)}")
        if self._labels_are_numbers:
            return value
        known = self._class_labels.get((kind, value))
        return known or self._class_labels.setdefault((kind, value), _written(kind, value))


def _problem(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value!r}, beyond the range of a 32-bit float"


def _written(kind: str, value: float) -> str:
    """Return a class label as text: an integer, or the shortest text that its type needs."""
    if value.is_integer():
        return str(int(value))
    return str(np.float32(value)) if kind == "float32_tensor" else repr(value)
