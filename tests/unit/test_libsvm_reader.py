"""libsvm reader: rows equal to those of scikit-learn, and rows that are refused."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_svmlight_file

from container.data.readers.batches import BATCH_VALUES, Batch, SparseFeatures
from container.data.readers.detection import LIBSVM
from container.data.reading import open_reader
from container.errors import HyperparameterError
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions


def batches_of(content: bytes, **options: object) -> list[Batch]:
    """Return the batches of a file."""
    chosen = InputOptions.model_validate(options)
    reader = open_reader(LIBSVM, io.BytesIO(content), chosen)
    assert (reader.format_name, reader.columns) == ("libsvm", None)
    return list(reader.batches)


def sparse(batch: Batch) -> SparseFeatures:
    """Return the features of a batch."""
    assert isinstance(batch.features, SparseFeatures)
    return batch.features


def dense(batches: list[Batch], n_columns: int) -> NDArray[np.float32]:
    """Return the features of batches as a matrix."""
    matrices = []
    for features in map(sparse, batches):
        matrix = np.zeros((len(features.ends), n_columns), dtype=np.float32)
        rows = np.repeat(np.arange(len(matrix)), np.diff(features.ends, prepend=0))
        matrix[rows, features.columns] = features.values
        matrices.append(matrix)
    return np.concatenate(matrices)


def refusal_of(content: bytes, **options: object) -> str:
    """Return the error for a file that is refused."""
    with pytest.raises(CellError) as caught:
        batches_of(content, **options)
    return "; ".join(filter(None, [str(caught.value), caught.value.remedy]))


def test_batch_has_the_cells_that_are_written() -> None:
    """Indices are as written, and the largest one determines the number of features."""
    (batch,) = batches_of(b"a 1:2.5 4:-1\nb\na 3:nan\n")
    features = sparse(batch)

    assert batch.labels == ["a", "b", "a"]
    assert (batch.weights, batch.labels_are_text) == (None, False)
    np.testing.assert_array_equal(features.values, np.array([2.5, -1, np.nan]))
    assert features.columns.tolist() == [1, 4, 3]
    assert features.ends.tolist() == [2, 2, 3]
    assert features.n_features == 5
    assert (features.values.dtype, features.columns.dtype, features.ends.dtype) == (
        np.dtype("float32"),
        np.dtype("int64"),
        np.dtype("int64"),
    )


ROWS = st.lists(
    st.tuples(
        st.integers(-3, 3),
        st.dictionaries(
            st.integers(0, 12), st.floats(-1e30, 1e30) | st.integers(-9, 9), max_size=6
        ),
        st.sampled_from(["", " ", "\t", " # 7:8", "\r"]),
    ),
    min_size=1,
)


@given(rows=ROWS, blank=st.sampled_from([" ", "  ", "\t"]))
def test_rows_are_read_as_scikit_learn_reads_them(
    rows: list[tuple[int, dict[int, float], str]], blank: str
) -> None:
    """Rows equal those of load_svmlight_file, in any notation."""
    lines = [
        blank.join([str(label), *(f"{i}:{cells[i]!r}" for i in sorted(cells))]) + end
        for label, cells, end in rows
    ]
    content = "\n".join(lines).encode()
    expected, labels = load_svmlight_file(io.BytesIO(content), n_features=13, zero_based=True)
    batches = batches_of(content, task="regression")

    np.testing.assert_array_equal(dense(batches, 13), expected.toarray().astype(np.float32))
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in batches]), labels)


def test_large_file_is_read_in_batches() -> None:
    """Batches are limited in size, and no row is lost between them."""
    random = np.random.default_rng(0)
    table = random.integers(-99, 99, size=(45_000, 28))
    lines = [
        " ".join([str(i % 7), *(f"{j}:{v}" for j, v in enumerate(row, 1))])
        for i, row in enumerate(table.tolist())
    ]
    batches = batches_of("\n".join(lines).encode())

    assert len(batches) > 1
    assert max(len(sparse(batch).values) for batch in batches) < 1.1 * BATCH_VALUES
    np.testing.assert_array_equal(dense(batches, 29)[:, 1:], table)
    assert [label for batch in batches for label in batch.labels] == [
        str(i % 7) for i in range(45_000)
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf1 2:3\n",
        b"1 2:3\r\n\r\n",
        b"\n# a comment\n1 2:3 # another: 1\n \t\n",
        b"1\t2:3\t\n",
        b"  1   2:3  ",
        "# é\n1 2:3#é".encode(),
        b"1 02:+3.\n",
        b"1 2:.3e1",
    ],
)
def test_row_may_be_written_in_other_ways(content: bytes) -> None:
    """Byte-order mark, line endings, blanks, comments and number formats do not matter."""
    (batch,) = batches_of(content)

    assert batch.labels == ["1"]
    assert (sparse(batch).columns.tolist(), sparse(batch).values.tolist()) == ([2], [3.0])


@pytest.mark.parametrize("label", ["1", "+1", "1.0", "-1", "setosa", "é", "a_b"])
def test_class_label_is_kept_as_written(label: str) -> None:
    """A class label is not converted to a number."""
    (batch,) = batches_of(f"{label} 1:1\n".encode())

    assert batch.labels == [label]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n", b"\xef\xbb\xbf"])
def test_file_without_rows_has_no_batches(content: bytes) -> None:
    """Blank lines and comments are not rows."""
    assert batches_of(content) == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1 5:", "row 3 has '5:', which is not index:value"),
        ("1 :5", "row 3 has ':5', whose index is not a whole number from 0"),
        ("1 +1:5", "row 3 has '+1:5', whose index is not a whole number from 0"),
        ("1 1.0:5", "row 3 has '1.0:5', whose index is not a whole number from 0"),
        ("1 2147483648:5", "row 3 has '2147483648:5', whose index is above 2147483647"),
        (f"1 {10**30}:5", f"row 3 has {f'{10**30}:5'!r}, whose index is above 2147483647"),
        ("1 1:x", "row 3, index 1 is 'x', not a number"),
        ("1 1:2:3", "row 3, index 1 is '2:3', not a number"),
        ("1 1:+nan", "row 3, index 1 is '+nan', not a number"),
        ("1 1:1_0", "row 3, index 1 is '1_0', not a number"),
        ("1 1:-1e39", "row 3, index 1 is '-1e39', beyond the range of a 32-bit float"),
        ("1 1:\u00b2", "row 3, index 1 is '\u00b2', not a number"),
        ("1 1:2\u20032:3", "row 3, index 1 is '2\\u20032:3', not a number"),
        ("1 1: 5", "row 3 has '1:', which is not index:value"),
        ("nan 3:4", "row 3 begins with 'nan': no label"),
    ],
)
def test_malformed_row_is_refused(row: str, problem: str) -> None:
    """The message has the problem and the number of the first bad row, counting blank lines."""
    content = f"0 1:1\n\n{row}\n0 x:1\n".encode()

    assert refusal_of(content) == refusal_of(content, task="regression") == problem


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("a", "row 1, the label is 'a', not a number"),
        ("inf", "row 1, the label is 'inf', an infinite value"),
        ("1e39", "row 1, the label is '1e39', beyond the range of a 32-bit float"),
    ],
)
def test_label_of_a_regression_is_a_number(label: str, problem: str) -> None:
    """A label that is not a number is refused for regression."""
    assert refusal_of(f"{label} 1:1".encode(), task="regression") == problem


def test_bytes_that_are_not_utf8_are_refused() -> None:
    """The message names row and byte, also in a comment."""
    assert refusal_of(b"1 1:1\n1 1:1 # \xe9\n") == "row 2 has the byte 0xe9, which is not UTF-8"


def test_rows_are_counted_through_all_chunks() -> None:
    """Row numbers count from the start of the file."""
    content = b"0 1:1\n" * 200_000 + b"0 1:x\n"

    assert refusal_of(content) == "row 200001, index 1 is 'x', not a number"


def test_column_of_weights_is_refused() -> None:
    """Libsvm has no columns that a hyperparameter could name."""
    with pytest.raises(HyperparameterError) as caught:
        batches_of(b"", weight="w")

    assert str(caught.value) == (
        "The hyperparameter 'weight' is 'w', but in libsvm each row holds its label and "
        "columns have no names; leave 'weight' unset."
    )
