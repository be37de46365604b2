"""Header detection: whether the first row holds names or data."""

import numpy as np
import pytest

from container.data.columns import HeaderGuess
from container.data.readers.batches import BatchReader
from container.formats.cells import CellError
from support.csv_texts import reader_of, refusal_of

SAY = "set the hyperparameter header to present if it is a header, or to absent if it is data"


def names_of(reader: BatchReader) -> tuple[str, ...] | None:
    """Return the names of all columns."""
    assert reader.columns is not None
    return reader.columns.names


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("label,a,b", ("label", "a", "b")),
        (" label ,\ta, b", ("label", "a", "b")),
        ('label,"petal, cm","say ""b"""', ("label", "petal, cm", 'say "b"')),
        ("species,petal length,x1", ("species", "petal length", "x1")),
        ("\ufefflabel,a,b", ("label", "a", "b")),
        ("\n\nlabel,a,b", ("label", "a", "b")),
        ("label,a_1,1_000", ("label", "a_1", "1_000")),
        ("label,inf,Infinity", ("label", "inf", "Infinity")),
    ],
)
def test_row_of_names_is_a_header(header: str, names: tuple[str, ...]) -> None:
    """If label and all features are text, the row is a header; blanks around names are removed."""
    reader = reader_of(f"{header}\nx,1,2\ny,3,4\n")

    assert names_of(reader) == names
    assert reader.header_guess == HeaderGuess(names[0], is_header=True)
    (batch,) = reader.batches
    assert batch.labels == ["x", "y"]
    np.testing.assert_array_equal(batch.features, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "first",
    [
        *("x,1.5,2", "1,1.5,2", "x,,2.5", "x,1,1", "x,NA,1", "0,5,3", "7,0,0", "3,2,1", "1,1,2"),
        *("0,1", "1,2,3,4", "4,5,6,7", "1,2,3,4,6", "0,1,3", "0,1,,3", "0,1.0,2", "0,-1,-2"),
        *("x,0,1", "x,2,3,4,5", "x,1,2,3,4", "1,,", "x,1_0000000000,2".replace("_", "")),
    ],
)
def test_row_of_numbers_is_data(first: str) -> None:
    """A label followed by numbers and missing cells is data."""
    reader = reader_of(f"{first}\n{first}\n")

    assert names_of(reader) is None
    (batch,) = reader.batches
    assert batch.labels == [first[0], first[0]]


@pytest.mark.parametrize(
    ("first", "label"),
    [
        ("species,2019,2020", "species"),
        ("species,400.5,401.5", "species"),
        ("x,0,1", "x"),
        ("1,3,2", "1"),
        (" label ,0,2,1", "label"),
        ("x, 7 ,3", "x"),
        ("x,,3", "x"),
    ],
)
def test_row_of_distinct_numbers_is_guessed_to_be_data(first: str, label: str) -> None:
    """Distinct numbers may be names such as years, so the labels of all rows are compared."""
    reader = reader_of(f"{first}\n")

    assert names_of(reader) is None
    assert reader.header_guess == HeaderGuess(label, is_header=False)


@pytest.mark.parametrize("first", ["x,1,1", "x, 5,5 ,3", "1,,", "x,2,NA,2"])
def test_row_with_a_repeated_cell_is_data(first: str) -> None:
    """Names of columns are distinct, so a repeated cell needs no guess."""
    assert reader_of(f"{first}\n").header_guess is None


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (" 0,1 ,2,3", "0 to 3"),
        ("2019,2020,2021,2022,2023", "2019 to 2023"),
        (" label ,0,1,2", "0 to 2"),
        ("species,1,2,3,4,5", "1 to 5"),
    ],
)
def test_row_that_counts_is_refused(first: str, found: str) -> None:
    """Pandas names columns `0,1,2,...`; the hyperparameter header must decide."""
    with pytest.raises(CellError) as caught:
        reader_of(f"{first}\n")

    assert str(caught.value) == f"row 1 counts from {found}, as names of columns do"
    assert caught.value.remedy == SAY


@pytest.mark.parametrize("first", ["label,0,1,2", "0,1,2,3", "species,2019,2020,2021", "a,b,1,c"])
def test_header_present_makes_any_row_a_header(first: str) -> None:
    """With `present` the first row is the header, whatever it holds."""
    reader = reader_of(f"{first}\n5,6,7,9\n", header="present")

    assert names_of(reader) == tuple(first.split(","))
    assert reader.header_guess is None
    assert [batch.labels for batch in reader.batches] == [["5"]]


def test_header_absent_makes_any_row_data() -> None:
    """With `absent` the first row is data, whatever it holds."""
    reader = reader_of("0,1,2,3\n5,6,7,9\n", header="absent")

    assert names_of(reader) is None
    assert reader.header_guess is None
    assert [batch.labels for batch in reader.batches] == [["0", "5"]]
    assert refusal_of("label,a\nx,1\n", header="absent") == ("row 1, column 2 is 'a', not a number")


@pytest.mark.parametrize(
    "options", [{"label": "a"}, {"weight": "b"}, {"label": "a", "weight": "-1"}]
)
def test_hyperparameter_that_names_a_column_needs_a_header(options: dict[str, str]) -> None:
    """A column can only be named in a header, so the first row is one."""
    assert names_of(reader_of("a,b,2020\n5,6,7\n", **options)) == ("a", "b", "2020")


def test_row_of_a_number_and_names_is_refused() -> None:
    """A row of both is an error in a header or in a row of data."""
    with pytest.raises(CellError) as caught:
        reader_of("1,a,b\ny,3,4\n")

    assert str(caught.value) == (
        "row 1 is neither a header nor a row of numbers: column 2 is 'a', column 1 is '1'"
    )
    assert caught.value.remedy == "set the hyperparameter header=present"


def test_file_with_only_a_header_has_no_rows() -> None:
    """Its columns are known, and it has no batch."""
    reader = reader_of("label,a,b\n")

    assert names_of(reader) == ("label", "a", "b")
    assert list(reader.batches) == []


@pytest.mark.parametrize("text", ["", "\n\r\n", "\ufeff\n"])
def test_file_without_a_row_has_no_columns(text: str) -> None:
    """A file of blank lines is accepted and fits every format."""
    reader = reader_of(text)

    assert reader.columns is None
    assert list(reader.batches) == []


def test_repeated_header_is_left_out() -> None:
    """Concatenated files repeat the header; such rows are counted."""
    reader = reader_of("label,a\nx,1\n\ufefflabel,a\ny,2\nlabel,a\n")

    (batch,) = reader.batches

    assert batch.labels == ["x", "y"]
    assert reader.left_out == {"rows that repeat the header": 2}
