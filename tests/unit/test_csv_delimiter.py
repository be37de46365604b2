"""CSV reader: detection of the delimiter."""

import pytest

from container.formats.cells import CellError
from support.csv_texts import reader_of, rows_of


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiter_is_detected(delimiter: str) -> None:
    """The first rows decide, even if some texts contain other delimiters."""
    rows = [["label", "a", "b"], ["x,;", "1", "2"], ["y|", "3", "4"], ["z", "5", "6"]]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)

    reader = reader_of(text)

    word = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}[delimiter]
    assert reader.format_name == f"{word}-separated text"
    (batch,) = reader.batches
    assert batch.labels == ["x,;", "y|", "z"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a;b,1.5\nc,2\n", ["a;b", "c"]),
        ("a, b\t1.5\nc\t2\n", ["a, b", "c"]),
        ("a|b;1.5\nc;2\n", ["a|b", "c"]),
        ("x,1.5\n" * 30 + "y;z,1\n", [*["x"] * 30, "y;z"]),
    ],
)
def test_delimiter_is_the_one_with_rows_of_one_width(text: str, labels: list[str]) -> None:
    """A character that splits rows into different numbers of cells is not the delimiter."""
    assert rows_of(text).labels == labels


@pytest.mark.parametrize(("delimiter", "between"), [("tab", "\t"), (";", ";"), ("|", "|")])
def test_delimiter_that_is_given_is_the_only_one(delimiter: str, between: str) -> None:
    """With a given delimiter, other ones are part of the text."""
    assert rows_of(f"a,b{between}1\nc,d{between}2\n", delimiter=delimiter).labels == ["a,b", "c,d"]


def test_rows_that_can_be_split_at_three_delimiters_are_refused() -> None:
    """The message lists all delimiters that split every row into the same number of cells."""
    with pytest.raises(CellError) as caught:
        reader_of("y;x\t|\na;1\t|\n")

    assert str(caught.value) == "rows can be split at '\\t' or at ';' or at '|'"
    assert caught.value.remedy == ("set the hyperparameter delimiter to the right one")


@pytest.mark.parametrize("text", ["a,1\n" * 19 + "b;2,3\n", "a;1,2\nb;3\n", "a;b,1\nc,2\n"])
def test_character_that_some_rows_lack_is_not_a_delimiter(text: str) -> None:
    """A character that is not in every row is part of a cell."""
    assert reader_of(text).format_name in ("comma-separated text", "semicolon-separated text")
