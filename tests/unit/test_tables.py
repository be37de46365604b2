"""Training files become one table."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.errors import TrainingDataError
from container.tables import _BLOCK_VALUES, Table, read_training_files

REMEDY = "correct it: CSV, label in the first column, numbers in all others, no header."


def table_of(directory: Path, *contents: bytes | str) -> Table:
    """Write one file for each content, `0.csv` and so on, and read them."""
    files = [directory / f"{number}.csv" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_training_files(files)


def test_table_has_the_label_first(tmp_path: Path) -> None:
    """The first column is the label, all others are features; a missing cell is NaN."""
    table = table_of(tmp_path, "a,1,2\nb,.1,\n")

    assert table.labels.tolist() == ["a", "b"]
    assert table.features.dtype == np.float32
    np.testing.assert_array_equal(
        table.features, np.array([[1, 2], [0.1, np.nan]], dtype=np.float32)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"a,1\nb,2\n",
        b"a,1\nb,2",
        b"a,1\r\nb,2\r\n",
        b"a,1\rb,2\r",
        b"\xef\xbb\xbfa,1\nb,2\n",
        b"\n\na,1\n\nb,2\n\n",
        b'"a","1"\n"b","2"\n',
        b" a\t, 1 \nb,2\n",
    ],
)
def test_table_is_the_same_in_every_notation(tmp_path: Path, content: bytes) -> None:
    """Line endings, blank lines, quotes, blanks and a byte-order mark do not count."""
    table = table_of(tmp_path, content)

    assert table.labels.tolist() == ["a", "b"]
    assert table.features.tolist() == [[1.0], [2.0]]


def test_table_joins_files_in_order(tmp_path: Path) -> None:
    """Several files are one table; a file may hold only blank lines or lack its last newline."""
    table = table_of(tmp_path, "a,1\nb,2", "\n\n", b"\xef\xbb\xbfc,3")

    assert table.labels.tolist() == ["a", "b", "c"]
    assert table.features.tolist() == [[1.0], [2.0], [3.0]]


def test_table_of_more_than_one_block_is_whole(tmp_path: Path) -> None:
    """Rows keep their order where a block of numbers ends and the next begins."""
    n_rows = _BLOCK_VALUES // 500 + 3
    rows = [",".join([str(row % 7), *[str(row)] * 500]) for row in range(n_rows)]

    table = table_of(tmp_path, "\n".join(rows))

    assert table.features.shape == (n_rows, 500)
    assert table.features[:, 0].tolist() == list(range(n_rows))
    assert (table.features == table.features[:, :1]).all()
    assert table.labels.tolist() == [row % 7 for row in range(n_rows)]


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (["1", "2"], [1, 2]),
        (["-1", "0", "10"], [-1, 0, 10]),
        (["9" * 18, "0"], [999_999_999_999_999_999, 0]),
        (["1.0", "2.0"], [1.0, 2.0]),
        (["0.5", "-1e+20"], [0.5, -1e20]),
        (["007", "1"], ["007", "1"]),
        (["+1", "2"], ["+1", "2"]),
        (["1", "2.5"], ["1", "2.5"]),
        (["1.50", "2.0"], ["1.50", "2.0"]),
        (["9" * 19, "0"], ["9" * 19, "0"]),
        (["1", "x"], ["1", "x"]),
        (["1.0", "1", "x"], ["1.0", "1", "x"]),
        (["1_0", "2"], ["1_0", "2"]),
        (["\u0661", "2"], ["\u0661", "2"]),
        (["inf", "1"], ["inf", "1"]),
        (["True", "False"], ["True", "False"]),
        (["é", "日本"], ["é", "日本"]),
        (['"a, b"', '"c\nd"'], ["a, b", "c\nd"]),
    ],
)
def test_labels_have_the_first_type_that_keeps_them(
    tmp_path: Path, labels: list[str], values: list[object]
) -> None:
    """Labels are int, float or text: the first that gives back exactly what was written."""
    table = table_of(tmp_path, "".join(f"{label},1\n" for label in [*labels, *labels]))

    found = table.labels.tolist()
    assert found == [*values, *values]
    assert {type(label) for label in found} == {type(value) for value in values}


@pytest.mark.parametrize(
    ("first", "second"), [("1", "1.0"), ("0", "-0"), ("1e2", "100"), ("1", "01")]
)
def test_labels_that_are_one_number_in_two_spellings_are_refused(
    tmp_path: Path, first: str, second: str
) -> None:
    """Two ways to write one number would become two classes; the job ends instead."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, f"{first},1\n{second},1\n")

    assert str(caught.value) == (
        f"The labels {first!r} and {second!r} are one number written in two ways; "
        "write each label the same in every row."
    )


@pytest.mark.parametrize("content", [b"a\0,1\na,2\n", b"a\0\0,1\na\0,2\n"])
def test_labels_are_not_silently_changed(tmp_path: Path, content: bytes) -> None:
    """A label that cannot be kept as it is written is refused, never merged with another."""
    try:
        labels = table_of(tmp_path, content).labels.tolist()
    except TrainingDataError:
        return

    assert labels == [row.split(",")[0] for row in content.decode().splitlines()]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,1,2\nb,1\n", "row 2 has 2 columns, the rows before 3"),
        ("a,1\n\nb,1,2\n", "row 3 has 3 columns, the rows before 2"),
        ("a,1,2\n \n", "row 2 has 1 column, the rows before 3"),
        (
            "a\nb\n",
            "row 1 has 1 column; a label and at least one feature are needed, with commas between",
        ),
        (
            "a;1;2\n",
            "row 1 has 1 column; a label and at least one feature are needed, with commas between",
        ),
        ("a,1,2\nb,1,two\n", "row 2, column 3 is 'two', not a number"),
        ("label,size\na,1\n", "row 1, column 2 is 'size', not a number"),
        ("a,1e39\n", "row 1, column 2 is '1e39', beyond the range of a 32-bit float"),
        ("a,1\0\n", "row 1 is not valid CSV (a NUL byte, as UTF-16 has them)"),
        (",1\n", "row 1, column 1 is '': no label"),
        ("a,1\n  ,1\n", "row 2, column 1 is '  ': no label"),
        ("NaN,1\n", "row 1, column 1 is 'NaN': no label"),
        ('a,1\n"b,2\n', "row 2 is not valid CSV (unexpected end of data)"),
    ],
)
def test_table_refuses_a_row_and_says_where(tmp_path: Path, content: str, problem: str) -> None:
    """The message names file, row, and what is wrong, and ends with what to do."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, content)

    assert str(caught.value) == f"In {tmp_path}/0.csv, {problem}; {REMEDY}"


def test_table_refuses_a_second_file_of_another_width(tmp_path: Path) -> None:
    """Both files are named, with both counts."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, "a,1,2\n", "b,1,2,3\n")

    assert str(caught.value) == (f"In {tmp_path}/1.csv, row 1 has 4 columns, 0.csv 3; {REMEDY}")


def test_table_refuses_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    """A file in another encoding is refused with the byte."""
    with pytest.raises(TrainingDataError, match="row 1 has the byte 0xe9, which is not UTF-8"):
        table_of(tmp_path, "café,1\n".encode("latin-1"))


def test_table_refuses_files_of_blank_lines(tmp_path: Path) -> None:
    """Files without a row are named."""
    with pytest.raises(TrainingDataError) as caught:
        table_of(tmp_path, "\n", b"\xef\xbb\xbf\r\n")

    assert str(caught.value) == (
        f"{tmp_path}/0.csv, {tmp_path}/1.csv hold only blank lines; {REMEDY}"
    )


TEXTS = st.text(alphabet='01.-+e,\n\r"na \0\ufeffé', max_size=60).map(str.encode)


@given(st.binary(max_size=60) | TEXTS)
@settings(deadline=None, max_examples=400)
def test_any_bytes_are_a_table_or_a_clear_error(content: bytes) -> None:
    """No file makes the reader fail in another way, and a table holds no infinity."""
    with TemporaryDirectory() as directory, suppress(TrainingDataError):
        table = table_of(Path(directory), content)

        assert table.features.dtype == np.float32
        assert len(table.features) == len(table.labels) > 0
        assert not np.isinf(table.features).any()
