"""Parquet reader: types, roles of columns, missing cells, and files that are refused."""

import io
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from container.data.readers.batches import BATCH_VALUES, Batch, BatchReader
from container.data.readers.detection import PARQUET
from container.data.reading import open_reader
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions

LARGEST = float(np.finfo(np.float32).max)


def written(columns: dict[str, Any] | pa.Table, **how: Any) -> bytes:
    """Return a Parquet file with these columns."""
    file = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **how)
    return file.getvalue()


def opened(content: bytes, **options: object) -> BatchReader:
    """Return a reader of a file."""
    chosen = InputOptions.model_validate(options)
    return open_reader(PARQUET, io.BytesIO(content), chosen)


def batch_of(columns: dict[str, Any], **options: object) -> Batch:
    """Return the only batch of a file."""
    (batch,) = opened(written(columns), **options).batches
    return batch


def dense(batch: Batch) -> NDArray[np.float32]:
    """Return the features of a batch."""
    assert isinstance(batch.features, np.ndarray)
    return batch.features


def refusal_of(content: bytes, **options: object) -> str:
    """Return the error for a file that is refused."""
    with pytest.raises(CellError) as caught:
        list(opened(content, **options).batches)
    return "; ".join(filter(None, [str(caught.value), caught.value.remedy]))


@pytest.mark.parametrize("row_group_size", [7, 40_000, 1_000_000])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_features_are_those_of_the_table(kind: type, row_group_size: int) -> None:
    """Every value is read as float32, whatever the size of the row groups."""
    n_rows = 900 if row_group_size == 7 else 90_000
    random = np.random.default_rng(0)
    values: NDArray[Any] = (random.normal(size=(n_rows, 20)) * 1e6).astype(kind)
    table = {"label": range(n_rows)} | {f"f{i}": values[:, i] for i in range(20)}

    reader = opened(written(table, row_group_size=row_group_size))
    batches = list(reader.batches)
    features = np.concatenate([dense(batch) for batch in batches])

    assert reader.format_name == "Parquet"
    assert reader.columns is not None
    assert reader.columns.feature_names == [f"f{i}" for i in range(20)]
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, values.astype(np.float64).astype(np.float32))
    assert [label for batch in batches for label in batch.labels] == list(map(str, range(n_rows)))
    assert max(len(batch.labels) for batch in batches) <= BATCH_VALUES // 21


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, -3], pa.int8(), [1, np.nan, -3]),
        ([2**63, None, 2**64 - 1], pa.uint64(), [2.0**63, np.nan, 2.0**64]),
        ([0.5, None, np.nan], pa.float64(), [0.5, np.nan, np.nan]),
        ([LARGEST, None, -LARGEST], pa.float64(), [LARGEST, np.nan, -LARGEST]),
        ([np.float16(0.5), None, np.float16(2)], pa.float16(), [0.5, np.nan, 2]),
        ([True, None, False], pa.bool_(), [1, np.nan, 0]),
        ([Decimal("1.10"), None, Decimal(-2)], pa.decimal128(9, 2), [1.1, np.nan, -2]),
        ([7, None, 7], pa.dictionary(pa.int8(), pa.int64()), [7, np.nan, 7]),
        ([None, None, None], pa.null(), [np.nan, np.nan, np.nan]),
    ],
    ids=str,
)
def test_features_may_be_of_any_number_type(
    values: list[Any], kind: pa.DataType, expected: list[float]
) -> None:
    """Numbers and booleans are features; null and NaN are missing."""
    batch = batch_of({"y": ["a", "b", "c"], "x": pa.array(values, kind)})

    np.testing.assert_array_equal(dense(batch), np.array([expected], dtype=np.float32).T)


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        (["b", " a", "b"], pa.string(), ["b", " a", "b"]),
        (["NA", "1", "01"], pa.large_string(), ["NA", "1", "01"]),
        (["b", "a", "b"], pa.dictionary(pa.int8(), pa.string()), ["b", "a", "b"]),
        ([2, -1, 2], pa.int32(), ["2", "-1", "2"]),
        ([1.0, 0.1, 1e16], pa.float64(), ["1.0", "0.1", "1e+16"]),
        ([1.0, 0.1, 0.25], pa.float32(), ["1.0", "0.1", "0.25"]),
        ([np.float16(1), np.float16(0.5), np.float16(1)], pa.float16(), ["1.0", "0.5", "1.0"]),
        ([True, False, True], pa.bool_(), ["True", "False", "True"]),
        ([Decimal("1.50"), Decimal(2), Decimal(0)], pa.decimal32(5, 2), ["1.50", "2.00", "0.00"]),
    ],
    ids=str,
)
def test_class_labels_are_text_as_python_writes_it(
    values: list[Any], kind: pa.DataType, classes: list[str]
) -> None:
    """Each type has its own spelling, and labels of text columns are marked as text."""
    batch = batch_of({"y": pa.array(values, kind), "x": [1, 2, 3]})

    assert batch.labels == classes
    assert batch.labels_are_text == ("string" in str(kind))


def test_numeric_labels_and_weights_are_float64() -> None:
    """Label and weight are found by name or index, and are not features."""
    table = {"a": [1, 2], "w": [0.0, 2.5], "b": [3, 4], "y": [1, 2**40]}
    batch = batch_of(table, label="-1", weight="w", task="regression")

    assert isinstance(batch.labels, np.ndarray)
    assert batch.weights is not None
    assert batch.labels.dtype == batch.weights.dtype == np.float64
    assert batch.labels.tolist() == [1.0, 2.0**40]
    assert batch.weights.tolist() == [0.0, 2.5]
    assert dense(batch).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (pa.array(["a", "b", "c"]), "string values"),
        (pa.array(["a", "b", "c"]).dictionary_encode(), "string values"),
        (pa.array([b"a", b"b", b"c"]), "binary values"),
        (pa.array([1, 2, 3], pa.timestamp("ms")), "timestamp[ms] values"),
        (pa.array([1, 2, 3], pa.date32()), "date32[day] values"),
        (pa.array([[1], [2], [3]]), "list<element: int64> values"),
    ],
    ids=str,
)
def test_features_of_other_types_are_refused(column: pa.Array, problem: str) -> None:
    """The message names column and type, before any row is read."""
    content = written({"y": ["a", None, "c"], "x": column})

    assert refusal_of(content) == (
        f"column 2 ('x') holds {problem}, not numbers; encode it as numbers or remove it"
    )


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"y": [1, np.inf, 2.0]}, {}, "row 2, column 1 ('y') is infinite"),
        ({"y": [1, 2, np.inf]}, {"task": "regression"}, "row 3, column 1 ('y') is infinite"),
        (
            {"y": [1, 1e39, 2]},
            {"task": "regression"},
            "row 2, column 1 ('y') is beyond the range of a 32-bit float",
        ),
        ({"w": [1, 2, np.inf]}, {"weight": "w"}, "row 3, column 3 ('w') is infinite"),
        (
            {"w": ["a", "b", "c"]},
            {"weight": "w"},
            "column 3 ('w') holds string values, not numbers",
        ),
    ],
)
def test_cell_that_cannot_be_used_is_refused(
    table: dict[str, Any], options: dict[str, object], message: str
) -> None:
    """The message names row and column."""
    content = written({"y": [1, 2, 3], "x": [1, 2, 3]} | table)

    assert refusal_of(content, **options) == message


@pytest.mark.parametrize(
    ("labels", "options", "unlabelled"),
    [
        ([1, 2, None], {}, [False, False, True]),
        (["a", "b", ""], {}, [False, False, True]),
        (["a", None, ""], {}, [False, True, True]),
        ([1.0, None, 2], {"task": "regression"}, [False, True, False]),
        (["a", "NA", "b"], {}, [False, True, False]),
        (["a", "?", "b"], {"na_values": "?"}, [False, True, False]),
    ],
)
def test_missing_label_is_marked(
    labels: list[Any], options: dict[str, object], unlabelled: list[bool]
) -> None:
    """A row without a label is marked in its batch, with its place."""
    batch = batch_of({"y": labels, "x": [1, 2, 3]}, **options)

    assert batch.unlabelled is not None
    assert batch.unlabelled.tolist() == unlabelled
    row = unlabelled.index(True) + 1
    assert batch.first_unlabelled.startswith(f"row {row}, column 1 ('y') is ")


def test_rows_are_counted_through_all_row_groups() -> None:
    """Row numbers count from the start of the file, not of the row group or batch."""
    column = np.zeros(100_000)
    column[71_234] = np.inf

    table = {"y": np.zeros(100_000, dtype=int), "x": column}
    table |= {f"z{i}": np.zeros(100_000) for i in range(8)}

    for size in (100, 50_000, 100_000):
        content = written(table, row_group_size=size)
        assert refusal_of(content) == "row 71235, column 2 ('x') is infinite"


def test_file_without_rows_has_columns() -> None:
    """A file without rows has columns, and no batch."""
    reader = opened(written({"y": pa.array([], pa.string()), "x": pa.array([], pa.int8())}))

    assert reader.columns is not None
    assert reader.columns.names == ("y", "x")
    assert list(reader.batches) == []


def test_file_that_is_cut_off_or_not_parquet_is_refused() -> None:
    """The message has the reason that pyarrow gives."""
    content = written({"y": [1, 2, 3], "x": [1, 2, 3]})

    assert refusal_of(b"") == (
        "the file cannot be read as Parquet (Parquet file size is 0 bytes); "
        "write it again: it is damaged or cut off"
    )
    for other in (content[:-1], b"1,2\n3,4\n"):
        assert refusal_of(other).startswith(
            "the file cannot be read as Parquet (Parquet magic bytes"
        )


def test_damage_between_the_rows_is_refused() -> None:
    """Damage that is found while rows are read is reported with column and row."""
    table = {"y": [1] * 2000, "x": np.arange(2000.0)}
    content = bytearray(written(table, write_page_checksum=True, compression="none"))
    at = content.rindex(np.float64(1500).tobytes())
    content[at : at + 8] = bytes(8)

    assert refusal_of(bytes(content)).startswith(
        "column 2 ('x'), from row 1 on, cannot be read as Parquet (could not verify page integrity"
    )
