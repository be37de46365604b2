"""Decoding npy and libsvm."""

import io
from typing import Any

import numpy as np
import pytest

from container.errors import MalformedPayload
from container.payloads import decoding
from support.bodies import TWO, decode

NPY, LIBSVM = "application/x-npy", "text/libsvm"


def npy(array: Any) -> bytes:
    """Return an array as numpy writes it."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


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


def test_label_after_many_rows_without_one_is_left_out() -> None:
    """Each row may have a label or not."""
    rows = decode(b"1:1 2:2\n" * 5000 + b"? 1:3\n", LIBSVM).features.tolist()

    assert rows == [[1, 2]] * 5000 + [[3, 0]]


def test_bad_rows_of_libsvm_are_marked() -> None:
    """Good rows stay where they are."""
    rows = decoding.decode(b"1:1 2:2\n\n9:1\n2:4\n", LIBSVM, TWO, mark_bad=True)

    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(rows.features, [[1, 2], nan, nan, [0, 4]])
    assert list(rows.bad) == [1, 2]
    for body, problem in (
        (b"1:1\n\n", "row 2 is blank"),
        (b"9:1\n", "row 1 has the index 9, but there are indices 1 to 2"),
    ):
        with pytest.raises(MalformedPayload, match=problem):
            decode(body + b"2:4\n", LIBSVM)
