"""Reading: the files of a channel become one table."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.progress import Counter
from support.training_files import Content, both_of, channel_of, read, table_of


@pytest.mark.parametrize(
    "contents",
    [
        ["a,1\nb,2", b"\xef\xbb\xbfc,3"],
        ["a,1\nb,2", "\n\n", "c,3\n"],
        ["\n\n", "a;1\nb;2", "c;3\n"],
        ["a;1\nb;2", "\r\n", "c;3\n"],
        ["y,x\na,1\n", "y,x\nb,2\nc,3\n"],
        ["y, x\na,1\n", '"y","x"\n', "y ,x\nb,2\nc,3\n"],
    ],
)
def test_table_joins_files_in_order(tmp_path: Path, contents: list[Content]) -> None:
    """Several files become one table; a file may hold only blank lines or only the header."""
    table = table_of(tmp_path, *contents)

    assert table.labels.tolist() == ["a", "b", "c"]
    assert table.features.tolist() == [[1.0], [2.0], [3.0]]


def test_table_has_weights_and_names(tmp_path: Path) -> None:
    """Label and weight are found by name, and the other columns are features."""
    contents = ["w,x,y,z\n1,2,a,3\n", "w,x,y,z\n0,5,b,\n"]

    table = table_of(tmp_path, *contents, label="y", weight="w")

    assert table.labels.tolist() == ["a", "b"]
    assert table.weights is not None
    assert table.weights.tolist() == [1.0, 0.0]
    assert table.feature_names == ["x", "z"]
    np.testing.assert_array_equal(table.features, [[2, 3], [5, np.nan]])


def test_table_of_a_regression_has_numbers_for_labels(tmp_path: Path) -> None:
    """The labels of all files are float64, in any notation."""
    table = table_of(tmp_path, "1,2\n", "1.0,3\n2.5,4\n", task="regression")

    assert table.labels.dtype == np.float64
    assert table.labels.tolist() == [1.0, 1.0, 2.5]


def test_reading_is_counted(tmp_path: Path) -> None:
    """Files, rows and bytes are counted while they are read."""
    counter = Counter()

    read(channel_of(tmp_path, ["y,x\na,1\nb,2\n", "y,x\nb,3\n"]), InputOptions(), counter)

    assert counter == Counter(files=2, rows=3, bytes=20)


@pytest.mark.parametrize(
    ("contents", "base", "features"),
    [
        (["a 1:1\nb 3:2\n", "a 2:5\n"], 1, [[1, 0, 0], [0, 0, 2], [0, 5, 0]]),
        (["a 1:1\nb 2:2\n", "a 0:5\n"], 0, [[0, 1, 0], [0, 0, 2], [5, 0, 0]]),
    ],
)
def test_libsvm_counts_features_alike_in_all_files(
    tmp_path: Path, contents: list[str], base: int, features: list[list[float]]
) -> None:
    """One index 0 in any file makes the indices of all files count from 0."""
    table = table_of(tmp_path, *contents, suffix=".svm")

    assert table.libsvm_base == base
    assert table.features.tolist() == features


@pytest.mark.parametrize(("training", "base"), [("a 1:1\nb 3:2\n", 1), ("a 0:1\nb 2:2\n", 0)])
def test_libsvm_validation_data_may_have_fewer_features(
    tmp_path: Path, training: str, base: int
) -> None:
    """Missing features are 0, and indices count as in the training data."""
    _, validation = both_of(tmp_path, training, "b 1:7\na\n", suffix=".svm")

    assert validation.libsvm_base == base
    expected = [7.0, 0.0, 0.0] if base else [0.0, 7.0, 0.0]
    assert validation.features.tolist() == [expected, [0.0, 0.0, 0.0]]


def test_validation_data_take_the_types_of_the_training_data(tmp_path: Path) -> None:
    """A validation label that looks like a number has the type of the training labels."""
    table, validation = both_of(tmp_path, "y,x\n1,1\nb,2\n", "1,5\n1,6.5\n")

    assert validation.labels.dtype == table.labels.dtype
    assert validation.labels.tolist() == ["1", "1"]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("y,x,z\na,1,\nb,2,\n", {}),
        ("a,1,\nb,2,3\n", {}),
        ("a,,1\nb,,2\n", {}),
        ("1,,a\n2,,b\n", {"label": "-1"}),
    ],
)
def test_column_may_be_empty_elsewhere(
    tmp_path: Path, content: str, options: dict[str, str]
) -> None:
    """A column with a name, with one value, or in another place may be empty."""
    assert table_of(tmp_path, content, **options).features.shape == (2, 2)


@pytest.mark.parametrize("header", ["present", "absent"])
def test_hyperparameter_settles_whether_the_first_row_is_a_header(
    tmp_path: Path, header: str
) -> None:
    """With the hyperparameter header nothing is guessed, and nothing is refused."""
    table = table_of(tmp_path, "y,5,7\na,1,2\na,3,5\n", header=header)

    assert table.labels.tolist() == ["y", "a", "a"][header == "present" :]
    assert table.feature_names == (["5", "7"] if header == "present" else None)


@pytest.mark.parametrize("content", [b"a\0,1\na,2\n", b"a\0\0,1\na\0,2\n", b"a\0 1:1\na 1:2\n"])
def test_labels_are_not_silently_changed(tmp_path: Path, content: bytes) -> None:
    """A label that cannot be kept as written is refused, never merged with another."""
    with suppress(TrainingDataError):
        labels = table_of(tmp_path, content, suffix="").labels.tolist()

        assert len(set(labels)) == 2


TEXTS = st.text(alphabet='01.-+e,;:\t\n\r"na \0\ufeffé', max_size=60).map(str.encode)


@given(st.binary(max_size=60) | TEXTS)
def test_any_bytes_are_a_table_or_a_clear_error(content: bytes) -> None:
    """Any bytes give a table without infinities, or a TrainingDataError."""
    with TemporaryDirectory() as directory, suppress(TrainingDataError):
        table = table_of(Path(directory), content, suffix="")

        assert table.features.dtype == np.float32
        assert table.features.flags.c_contiguous
        assert len(table.features) == len(table.labels) > 0
        assert not np.isinf(table.features).any()
