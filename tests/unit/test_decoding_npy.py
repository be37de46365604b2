"""An array of NumPy and rows of libsvm become rows."""

import io
from typing import Any

import numpy as np
import pytest

from container.payloads import decoding
from container.payloads.types import Expected
from support.bodies import TWO, decode, refusal

NPY, LIBSVM = "application/x-npy", "text/libsvm"
NPY_REMEDY = "send what numpy.save writes of numbers of shape (n_rows, 2)."
CONVERT = "convert it to float32, which needs no pickle."
LIBSVM_REMEDY = "send one row a line: index:value for each cell that is not 0, with indices 1 to 2."


def npy(array: Any) -> bytes:
    """Return an array as numpy writes it."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


ZEROS = npy(np.zeros((1, 2)))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">f8", "i1", ">i2", "<i4", "u8", ">u4"])
def test_array_is_read(dtype: str, order: Any, version: tuple[int, int]) -> None:
    """Every type of numbers, byte order, order of the axes, and version of the format is read."""
    content = io.BytesIO()
    array = np.array([[1, 2], [3, 4], [5, 6]], dtype=dtype, order=order)
    np.lib.format.write_array(content, array, version, allow_pickle=False)

    features = decode(content.getvalue(), NPY).features

    assert features.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert features.flags.c_contiguous


def test_array_of_booleans_is_zeros_and_ones() -> None:
    """A byte of a boolean may have any value."""
    body = npy(np.array([[True, False]]))

    assert decode(body, NPY).features.tolist() == [[1, 0]]
    assert decode(body[:-1] + b"\7", NPY).features.tolist() == [[1, 1]]


def test_array_of_one_dimension_is_one_row_or_one_feature() -> None:
    """It is one row, or a row a number where the model has one feature; NaN is missing."""
    body = npy(np.array([1, np.nan]))

    np.testing.assert_array_equal(decode(body, NPY).features, [[1, np.nan]])
    np.testing.assert_array_equal(decode(body, NPY, Expected(1)).features, [[1], [np.nan]])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "there is no array as numpy.save writes it; " + NPY_REMEDY),
        (
            ZEROS[:20],
            "the header of the array is cut off, or too long; " + NPY_REMEDY,
        ),
        (
            ZEROS[:-1],
            "the array has 15 bytes, but its header says 16; " + NPY_REMEDY,
        ),
        (npy(np.zeros((0, 2))), "there is no row; " + NPY_REMEDY),
        (npy(np.zeros((2, 3))), "the array has the shape (2, 3); " + NPY_REMEDY),
        (npy(np.zeros((1, 1, 2))), "the array has the shape (1, 1, 2); " + NPY_REMEDY),
        (npy(np.array(5)), "the array has the shape (); " + NPY_REMEDY),
        (npy(np.array([["a", "b"]])), "the array has the type 'U1'; " + CONVERT),
        (npy(np.array([[None, 1]])), "the array has the type 'O'; " + CONVERT),
        (npy(np.zeros(2, dtype="f4,f4")), "the array has a type of many fields; " + CONVERT),
        (npy(np.array([[1, np.inf]])), "row 1, column 2 is infinite; " + NPY_REMEDY),
        (
            ZEROS.replace(b"(1, 2), }" + b" " * 9, b"(9999999999, 2), }"),
            "the array has 16 bytes, but its header says 159999999984; " + NPY_REMEDY,
        ),
        (
            ZEROS.replace(b"'shape'", b"'slope'"),
            "the header of the array cannot be read; " + NPY_REMEDY,
        ),
    ],
)
def test_array_that_is_no_rows_is_refused(body: bytes, problem: str) -> None:
    """No pickle is ever opened, and no size in a header believed."""
    assert str(refusal(body, NPY)) == f"In the body, {problem}"


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"1:1 2:2\n1:3\n2:4\n", [[1, 2], [3, 0], [0, 4]]),
        (b"0 1:1 2:2\n-1.5 1:3\nx 2:4\n", [[1, 2], [3, 0], [0, 4]]),
        (b"1:1\t2:2 # a\r\n7\r\n", [[1, 2], [0, 0]]),
        (b"\xef\xbb\xbf1:1 2:2e0", [[1, 2]]),
        (b"1:1 2:2\n" * 5000 + b"? 1:3\n", [[1, 2]] * 5000 + [[3, 0]]),
    ],
)
def test_libsvm_is_read_with_labels_and_without(body: bytes, rows: list[list[float]]) -> None:
    """A label is left out, whatever it is; cells that are not written are 0."""
    assert decode(body, LIBSVM).features.tolist() == rows


def test_libsvm_counts_as_the_training_did() -> None:
    """The first feature is index 0 or 1; nan is missing."""
    rows = decode(b"0:nan 1:2\n", LIBSVM, Expected(2, libsvm_base=0))

    np.testing.assert_array_equal(rows.features, [[np.nan, 2]])


@pytest.mark.parametrize(
    ("body", "problem", "row", "column"),
    [
        (b"", "there is no row; " + LIBSVM_REMEDY, None, None),
        (b"1:1\n\n2:1\n", "row 2 is blank; write a row of zeros as a label alone.", 2, None),
        (
            b"1:1\n0:1\n",
            "row 2 has the index 0, but there are indices 1 to 2; " + LIBSVM_REMEDY,
            2,
            0,
        ),
        (b"3:1\n", "row 1 has the index 3, but there are indices 1 to 2; " + LIBSVM_REMEDY, 1, 3),
        (b"2:1 1:1\n", "row 1 has the index 1 after 2; let indices ascend.", 1, 1),
        (b"1:x\n", "row 1, index 1 is 'x', not a number; " + LIBSVM_REMEDY, 1, 1),
        (
            b"1,2\n",
            "row 1 begins with '1,2', which is neither a label nor a cell; " + LIBSVM_REMEDY,
            1,
            None,
        ),
        (b"1:1 2\n", "row 1 has '2', which is not index:value; " + LIBSVM_REMEDY, 1, None),
        (b"1:1\n\xff\n", "row 2 has the byte 0xff, which is not UTF-8; " + LIBSVM_REMEDY, 2, None),
    ],
)
def test_libsvm_is_refused_with_its_place(
    body: bytes, problem: str, row: int | None, column: int | None
) -> None:
    """The message names the row and the index."""
    error = refusal(body, LIBSVM)

    assert str(error) == f"In the body, {problem}"
    assert (error.row, error.column) == (row, column)


def test_bad_rows_of_libsvm_are_marked() -> None:
    """Good rows stay where they are."""
    rows = decoding.decode(b"1:1 2:2\n\n9:1\n2:4\n", LIBSVM, TWO, mark_bad=True)

    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(rows.features, [[1, 2], nan, nan, [0, 4]])
    assert rows.bad == {
        1: "row 2 is blank",
        2: "row 3 has the index 9, but there are indices 1 to 2",
    }
