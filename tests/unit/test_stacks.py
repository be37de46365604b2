"""Stacks: blocks of rows become one matrix."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from container.data.readers.batches import Sparse
from container.data.reading import FeatureStack, Stack
from container.formats.cells import CellError

VALUES = st.floats(width=32, allow_infinity=False)


@st.composite
def sparse_rows(draw: st.DrawFn) -> tuple[Sparse, NDArray[np.float32]]:
    """Draw up to five sparse rows of up to six features, and the same rows from scipy."""
    rows = draw(st.lists(st.dictionaries(st.integers(0, 5), VALUES), max_size=5))
    values = np.array([row[index] for row in rows for index in sorted(row)], dtype=np.float32)
    columns = np.array([index for row in rows for index in sorted(row)], dtype=np.int64)
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    oracle = csr_array((values, columns, np.concatenate([[0], ends])), shape=(len(rows), 6))
    return Sparse(values, columns, ends, int(columns.max(initial=-1)) + 1), oracle.toarray()


def sparse(*rows: dict[int, float]) -> Sparse:
    """Return rows of which each is a value for each index."""
    return Sparse(
        np.array([value for row in rows for value in row.values()], dtype=np.float32),
        np.array([index for row in rows for index in row], dtype=np.int64),
        np.cumsum([len(row) for row in rows], dtype=np.int64),
        max((index + 1 for row in rows for index in row), default=0),
    )


def stacked(*blocks: NDArray[np.float32] | Sparse) -> FeatureStack:
    """Return the features of some blocks."""
    stack = FeatureStack()
    for block in blocks:
        stack.append(block)
    return stack


@given(st.lists(st.lists(st.tuples(VALUES, VALUES), max_size=40), max_size=30))
def test_stack_keeps_all_rows_while_it_grows(blocks: list[list[tuple[float, float]]]) -> None:
    """The whole is all blocks in order, whatever their sizes; so it is after a look in between."""
    stack = Stack(np.float32, 2)
    parts = [np.array(block, dtype=np.float32).reshape(-1, 2) for block in blocks]

    for number, part in enumerate(parts):
        stack.append(part)
        if number % 7 == 0:
            stack.whole()

    expected = np.concatenate([np.empty((0, 2), dtype=np.float32), *parts])
    assert len(stack) == len(expected)
    assert stack.whole().dtype == np.float32
    assert stack.whole().flags.c_contiguous
    np.testing.assert_array_equal(stack.whole(), expected)


def test_stack_of_scalars_has_one_dimension() -> None:
    """Without a shape of rows, rows are numbers."""
    stack = Stack(np.float64)

    stack.append(np.array([1.0, 2.0]))

    assert stack.row_shape == ()
    assert stack.whole().tolist() == [1.0, 2.0]


def test_dense_blocks_are_joined() -> None:
    """Rows come under rows, NaN included."""
    first = np.array([[1, np.nan]], dtype=np.float32)
    second = np.array([[3, 4], [5, 6]], dtype=np.float32)

    matrix = stacked(first, second).matrix(0, None)

    np.testing.assert_array_equal(matrix, np.concatenate([first, second]))


@given(st.lists(sparse_rows(), min_size=1, max_size=4))
def test_sparse_blocks_become_what_scipy_makes_of_them(
    blocks: list[tuple[Sparse, NDArray[np.float32]]],
) -> None:
    """What is not written is 0, in every block, with the features that are asked for."""
    assume(any(len(block.columns) for block, _ in blocks))

    matrix = stacked(*(block for block, _ in blocks)).matrix(0, 6)

    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.concatenate([oracle for _, oracle in blocks]))


@pytest.mark.parametrize(
    ("first_index", "n_features", "expected"),
    [
        (0, None, [[0, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]]),
        (1, None, [[1, 0, 0], [0, 0, 2], [0, 0, 0]]),
        (1, 3, [[1, 0, 0], [0, 0, 2], [0, 0, 0]]),
        (1, 4, [[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]),
    ],
)
def test_sparse_rows_count_features_from_0_or_1(
    first_index: int, n_features: int | None, expected: list[list[float]]
) -> None:
    """A later block may have more features; without a width the largest index of all counts."""
    matrix = stacked(sparse({1: 1}), sparse({3: 2}, {})).matrix(first_index, n_features)

    assert matrix.tolist() == expected


def test_sparse_rows_with_too_many_features_are_refused() -> None:
    """A feature that was not learnt cannot be left out silently."""
    with pytest.raises(CellError) as caught:
        stacked(sparse({1: 1}), sparse({4: 2})).matrix(1, 3)

    assert str(caught.value) == "there are 4 features, in the training data 3"


@pytest.mark.parametrize("n_features", [None, 3])
@pytest.mark.parametrize("first_index", [0, 1])
def test_sparse_rows_without_a_cell_are_refused(first_index: int, n_features: int | None) -> None:
    """Labels alone have no feature, neither to learn from nor to validate on."""
    with pytest.raises(CellError) as caught:
        stacked(sparse({}), sparse({}, {})).matrix(first_index, n_features)

    assert str(caught.value) == "rows have a label and nothing else"


def test_index_0_in_rows_that_count_from_1_is_refused() -> None:
    """It would be the last feature otherwise."""
    with pytest.raises(CellError) as caught:
        stacked(sparse({1: 1}), sparse({0: 2, 2: 1})).matrix(1, 3)

    assert str(caught.value) == (
        "there is the index 0, but the training data count features from 1"
    )


def test_index_0_is_noticed() -> None:
    """One index 0 in any block says that indices count from 0."""
    assert stacked(sparse({1: 1}), sparse({2: 1}, {0: 1})).writes_index_0
    assert not stacked(sparse({1: 1}), sparse({2: 1}, {})).writes_index_0


def test_dense_blocks_of_two_widths_are_refused() -> None:
    """The message has both widths."""
    stack = stacked(np.zeros((1, 3), dtype=np.float32))

    with pytest.raises(CellError) as caught:
        stack.append(np.zeros((1, 2), dtype=np.float32))

    assert str(caught.value) == "rows have 2 features, those before 3"


@pytest.mark.parametrize("is_sparse_first", [False, True])
def test_dense_and_sparse_blocks_are_not_mixed(is_sparse_first: bool) -> None:
    """In neither order."""
    dense = np.zeros((1, 2), dtype=np.float32)
    first, second = (sparse({1: 1}), dense) if is_sparse_first else (dense, sparse({1: 1}))
    stack = stacked(first)

    with pytest.raises(CellError) as caught:
        stack.append(second)

    assert str(caught.value) == "rows are sparse, those before dense, or the other way round"
