"""RecordIO-protobuf reader: dense and sparse records, and records that are refused."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container.data.readers.batches import BATCH_VALUES, Batch, SparseFeatures
from container.data.readers.detection import RECORDIO
from container.data.reading import open_reader
from container.errors import HyperparameterError
from container.formats.cells import CellError
from container.formats.recordio_messages import Record
from container.hyperparameters.input_options import InputOptions
from support.recordio import encode, encode_sparse, frame, record

ONE = frame(record([1, 2], [0]))
"""A record of two values, 44 bytes with its frame."""


def batches_of(content: bytes, **options: object) -> list[Batch]:
    """Return the batches of a file."""
    chosen = InputOptions.model_validate(options)
    reader = open_reader(RECORDIO, io.BytesIO(content), chosen)
    assert (reader.format_name, reader.columns) == ("RecordIO-protobuf", None)
    return list(reader.batches)


def dense(batch: Batch) -> NDArray[np.float32]:
    """Return the features of a batch of dense records."""
    assert isinstance(batch.features, np.ndarray)
    return batch.features


def sparse(batch: Batch) -> SparseFeatures:
    """Return the features of a batch of sparse records."""
    assert isinstance(batch.features, SparseFeatures)
    return batch.features


def refusal_of(content: bytes, **options: object) -> str:
    """Return the error for a file that is refused."""
    with pytest.raises(CellError) as caught:
        batches_of(content, **options)
    return "; ".join(filter(None, [str(caught.value), caught.value.remedy]))


def message(**maps: dict[str, dict[str, list[Any]]]) -> bytes:
    """Return a record in a frame: `features` and `label`, by key, as (tensor, values)."""
    built: Any = Record()
    for name, tensors in maps.items():
        for key, tensor in tensors.items():
            for kind, values in tensor.items():
                found = getattr(getattr(built, name)[key], kind)
                (found.value if kind == "bytes" else found.values).extend(values)
    return frame(built.SerializeToString(deterministic=True))


def test_record_is_read_from_its_bytes() -> None:
    """The wire format is that of the SageMaker SDK, byte by byte."""
    tensor = b"\x0a\x08" + struct.pack("<2f", 1.5, -2)
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
    label = b"\x0a\x06values\x12\x08\x12\x06\x0a\x04" + struct.pack("<f", 3)
    payload = b"\x0a" + bytes([len(entry)]) + entry + b"\x12" + bytes([len(label)]) + label
    content = b"\x0a\x23\xd7\xce" + struct.pack("<I", len(payload)) + payload
    (batch,) = batches_of(content + bytes(-len(payload) % 4))

    assert payload == record([1.5, -2], [3])
    assert (dense(batch).tolist(), batch.labels) == ([[1.5, -2]], ["3"])


@pytest.mark.parametrize("tensor", ["float32_tensor", "float64_tensor", "int32_tensor"])
def test_dense_records_are_read_back(tensor: str) -> None:
    """All values are read as float32, batch after batch."""
    random = np.random.default_rng(0)
    table = random.integers(-(2**24), 2**24, size=(45_000, 28))
    labels = random.integers(-3, 3, size=45_000)
    batches = batches_of(encode(table.tolist(), labels.tolist(), tensor, tensor))

    assert len(batches) > 1
    assert max(dense(batch).size for batch in batches) < 1.1 * BATCH_VALUES
    assert dense(batches[0]).dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(list(map(dense, batches))), table)
    assert [label for batch in batches for label in batch.labels] == list(map(str, labels))


def test_nan_is_missing() -> None:
    """NaN is a missing cell, in dense and in sparse records."""
    (rows,) = batches_of(encode([[np.nan, 1]], [0]))
    (cells,) = batches_of(encode_sparse([{3: np.nan}], [0]))

    np.testing.assert_array_equal(dense(rows), [[np.nan, 1]])
    np.testing.assert_array_equal(sparse(cells).values, [np.nan])


def test_sparse_records_are_read_back() -> None:
    """Keys may be in any order; the shape or the largest key gives the number of features."""
    rows = [{5: 1.5, 2: -1.0}, {}, {0: 2.0}]
    (batch,) = batches_of(encode_sparse(rows, [1, 2, 3], n_features=9))
    (shapeless,) = batches_of(encode_sparse(rows[:1], [1]))
    features = sparse(batch)

    assert features.values.tolist() == [1.5, -1, 2]
    assert features.columns.tolist() == [5, 2, 0]
    assert features.ends.tolist() == [2, 2, 3]
    assert (features.n_features, sparse(shapeless).n_features) == (9, 6)


@pytest.mark.parametrize(
    ("kind", "value", "label"),
    [
        ("float32_tensor", 1.0, "1"),
        ("float32_tensor", -0.0, "0"),
        ("float32_tensor", 0.1, "0.1"),
        ("float32_tensor", 2.0**30, "1073741824"),
        ("float64_tensor", 0.1, "0.1"),
        ("float64_tensor", 1 / 3, "0.3333333333333333"),
        ("int32_tensor", -7, "-7"),
    ],
)
def test_class_label_is_a_whole_number_or_the_shortest_text(
    kind: str, value: float, label: str
) -> None:
    """Labels are floats by convention, so `1.0` is the class 1."""
    (batch,) = batches_of(encode([[1], [1]], [value, value], label_tensor=kind))

    assert (batch.labels, batch.labels_are_text) == ([label, label], False)


def test_label_of_a_regression_is_float64() -> None:
    """A numeric label keeps the precision of its type."""
    (batch,) = batches_of(encode([[1]], [1 / 3], label_tensor="float64_tensor"), task="regression")

    assert isinstance(batch.labels, np.ndarray)
    assert batch.labels.dtype == np.float64
    assert batch.labels.tolist() == [1 / 3]


def test_empty_file_has_no_batches() -> None:
    """A file without records has no batch."""
    assert batches_of(b"") == []


F32 = "float32_tensor"
GOOD = {"values": {F32: [1.0, 2.0]}}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (frame(b""), "record 2 has no values"),
        (frame(record([], [1])), "record 2 has no values"),
        (frame(record([1, 2], [np.nan])), "record 2 has no label: it is NaN"),
        (frame(record([1, 2], [np.inf])), "record 2, the label is infinite"),
        (
            frame(record([1, 2], [1], shape=[2, 2])),
            "record 2 has 2 values, but its shape holds 4",
        ),
        (
            frame(record([-1e39, 1], [1], tensor="float64_tensor")),
            "record 2, value 1 is -1e+39, beyond the range of a 32-bit float",
        ),
        (
            message(features=GOOD | {"b": {F32: [1.0]}}, label=GOOD),
            "record 2 has values under the keys 'b', 'values'; use one key",
        ),
        (
            frame(record([1, 2], [1]).replace(b"values", b"value\xff", 1)),
            "record 2 has values under a key that is not UTF-8",
        ),
        (
            message(features={"values": {"bytes": [b"a"]}}, label=GOOD),
            "record 2 has bytes as values; write numbers",
        ),
    ],
)
def test_malformed_record_is_refused(content: bytes, problem: str) -> None:
    """The message names the record and the problem."""
    assert refusal_of(ONE + content) == problem


@pytest.mark.parametrize(
    ("values", "keys", "shape", "problem"),
    [
        ([1.0], [0, 1], [], "has 1 values and 2 keys"),
        ([1.0], [9], [9], "has the key 9, but its shape holds 9"),
        ([1.0], [2**31], [], "has keys or a shape beyond 2147483648 values"),
        ([1.0], [0], [2**40, 2**40], "has keys or a shape beyond 2147483648 values"),
        ([], [], [2**32], "has a shape of more than 2147483648 values"),
        ([1.0], [], [], "is dense, but the records before are sparse"),
    ],
)
def test_malformed_sparse_record_is_refused(
    values: list[float], keys: list[int], shape: list[int], problem: str
) -> None:
    """Keys must be as many as the values, distinct, and within the shape."""
    content = encode_sparse([{1: 1.0}], [0], 9) + frame(record(values, [1], keys=keys, shape=shape))

    assert refusal_of(content) == f"record 2 {problem}"


def test_value_out_of_range_is_named_by_its_key() -> None:
    """In a sparse record a value is named by its key."""
    content = encode_sparse([{1: 1.0}, {}, {4: 1.0, 2: np.inf}], [0, 0, 0], 9)

    assert refusal_of(content) == "record 3, key 2 is infinite"


def test_label_of_a_regression_fits_a_float32() -> None:
    """Served scores are float32, so labels must have that range."""
    content = encode([[1]], [1e39], label_tensor="float64_tensor")

    assert refusal_of(content, task="regression") == (
        "record 1, the label is 1e+39, beyond the range of a 32-bit float"
    )


def test_key_may_have_any_name() -> None:
    """The name of a single key of features or labels does not matter."""
    (batch,) = batches_of(message(features={"x": {F32: [1.0]}}, label={"y": {F32: [2.0]}}))

    assert (dense(batch).tolist(), batch.labels) == ([[1.0]], ["2"])


def test_column_of_labels_is_refused() -> None:
    """Records have no columns that a hyperparameter could name."""
    with pytest.raises(HyperparameterError) as caught:
        batches_of(b"", label="0")

    assert str(caught.value) == (
        "The hyperparameter 'label' is '0', but in RecordIO-protobuf each row holds its "
        "label and columns have no names; leave 'label' unset."
    )
