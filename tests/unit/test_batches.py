"""Batches collected in arrays that grow in place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from container.data.readers.batches import GrowingArray, GrowingMatrix, SparseFeatures
from container.formats.cells import CellError

VALUES = st.floats(width=32, allow_infinity=False)


@st.composite
def sparse_rows(draw: st.DrawFn) -> tuple[SparseFeatures, NDArray[np.float32]]:
    """Draw up to five sparse rows of up to six features, and the same rows from scipy."""
    rows = draw(st.lists(st.dictionaries(st.integers(0, 5), VALUES), max_size=5))
    values = np.array([row[index] for row in rows for index in sorted(row)], dtype=np.float32)
    columns = np.array([index for row in rows for index in sorted(row)], dtype=np.int64)
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    oracle = csr_array((values, columns, np.concatenate([[0], ends])), shape=(len(rows), 6))
    n_features = int(columns.max(initial=-1)) + 1
    return SparseFeatures(values, columns, ends, n_features), oracle.toarray()


def sparse(*rows: dict[int, float]) -> SparseFeatures:
    """Return sparse rows, each given as its values by index."""
    return SparseFeatures(
        np.array([value for row in rows for value in row.values()], dtype=np.float32),
        np.array([index for row in rows for index in row], dtype=np.int64),
        np.cumsum([len(row) for row in rows], dtype=np.int64),
        max((index + 1 for row in rows for index in row), default=0),
    )


def matrix_of(*parts: NDArray[np.float32] | SparseFeatures) -> GrowingMatrix:
    """Return the features of several batches."""
    matrix = GrowingMatrix()
    for part in parts:
        matrix.append(part)
    return matrix


@given(st.lists(st.lists(st.tuples(VALUES, VALUES), max_size=40), max_size=30))
def test_array_keeps_all_rows_while_it_grows(batches: list[list[tuple[float, float]]]) -> None:
    """The array equals all batches in order, whatever their sizes and however often it is read."""
    array = GrowingArray(np.float32, 2)
    parts = [np.array(batch, dtype=np.float32).reshape(-1, 2) for batch in batches]

    for number, part in enumerate(parts):
        array.append(part)
        if number % 7 == 0:
            array.whole()

    expected = np.concatenate([np.empty((0, 2), dtype=np.float32), *parts])
    assert len(array) == len(expected)
    assert array.whole().dtype == np.float32
    assert array.whole().flags.c_contiguous
    np.testing.assert_array_equal(array.whole(), expected)


def test_array_of_numbers_has_one_dimension() -> None:
    """Without a row shape, each row is a number."""
    array = GrowingArray(np.float64)

    array.append(np.array([1.0, 2.0]))

    assert array.row_shape == ()
    assert array.whole().tolist() == [1.0, 2.0]


def test_dense_batches_are_joined() -> None:
    """Dense rows are appended as they are, including NaN."""
    first = np.array([[1, np.nan]], dtype=np.float32)
    second = np.array([[3, 4], [5, 6]], dtype=np.float32)

    matrix = matrix_of(first, second).whole(0, 2)

    np.testing.assert_array_equal(matrix, np.concatenate([first, second]))


@given(st.lists(sparse_rows(), min_size=1, max_size=4))
def test_sparse_batches_equal_those_of_scipy(
    batches: list[tuple[SparseFeatures, NDArray[np.float32]]],
) -> None:
    """Cells that are not written are 0, also in rows and batches without any."""
    matrix = matrix_of(*(batch for batch, _ in batches)).whole(0, 6)

    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.concatenate([oracle for _, oracle in batches]))


@pytest.mark.parametrize(
    ("first_index", "n_features", "expected"),
    [
        (0, 4, [[0, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]]),
        (1, 3, [[1, 0, 0], [0, 0, 2], [0, 0, 0]]),
        (1, 4, [[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]),
    ],
)
def test_sparse_rows_count_features_from_0_or_1(
    first_index: int, n_features: int, expected: list[list[float]]
) -> None:
    """Index 1 is the second or the first feature; the schema may have more than are written."""
    matrix = matrix_of(sparse({1: 1}), sparse({3: 2}, {})).whole(first_index, n_features)

    assert matrix.tolist() == expected


@pytest.mark.parametrize(
    "batches",
    [
        [sparse({1: 1}), sparse({4: 2})],
        [sparse({1: 1}), sparse({0: 2, 2: 1})],
        [np.zeros((1, 2), dtype=np.float32)],
    ],
)
def test_rows_with_other_features_than_the_schema_are_refused(
    batches: list[NDArray[np.float32] | SparseFeatures],
) -> None:
    """A file that changed between two passes is refused: more features, an index 0, or fewer."""
    with pytest.raises(CellError) as caught:
        matrix_of(*batches).whole(1, 3)

    assert f"{caught.value}; {caught.value.remedy}" == (
        "rows have other features than when they were first read; "
        "do not change the files while a job runs"
    )
