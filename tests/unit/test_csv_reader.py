"""CSV reader: labels, weights and features of rows, and rows that are refused."""

import numpy as np
import pytest

from container.data.readers.batches import BATCH_VALUES
from container.formats import cells
from support.csv_texts import reader_of, refusal_of, rows_of


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("NA", "not a weight of at least 0"),
        ("inf", "an infinite value"),
        ("1e39", "beyond the range of a 32-bit float"),
    ],
)
def test_unusable_weight_is_refused(cell: str, problem: str) -> None:
    """A weight must be a finite number that is not negative; the message names the column."""
    text = f"y,x,w\na,1,0\nb,2,{cell}\n"

    assert refusal_of(text, weight="w") == f"row 3, column 3 ('w') is {cell!r}, {problem}"


def test_label_of_a_regression_is_a_number() -> None:
    """Numeric labels are float64, which keeps more digits than the features have."""
    batch = rows_of("0.1,1\n-2e-3,5\n 16777217 ,3\n", task="regression")

    assert isinstance(batch.labels, np.ndarray)
    assert batch.labels.dtype == np.float64
    assert batch.labels.tolist() == [0.1, -0.002, 16777217.0]


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("cell", ["", "  ", "NaN", "null"])
def test_missing_label_is_marked(task: str, cell: str) -> None:
    """A row without a label is marked in its batch, with its place."""
    batch = rows_of(f"1,2\n\n{cell},3\n", task=task)

    assert batch.unlabelled is not None
    assert batch.unlabelled.tolist() == [False, True]
    assert batch.first_unlabelled == f"row 3, column 1 is {cell!r}"


def test_label_of_a_regression_fits_a_float32() -> None:
    """Served scores are float32, so labels must have that range."""
    cell = repr(-cells.FLOAT32_OVERFLOW)

    assert refusal_of(f"0.5,2\n{cell},3\n", task="regression") == (
        f"row 2, column 1 is {cell!r}, beyond the range of a 32-bit float"
    )


def test_blank_lines_count_in_the_number_of_a_row() -> None:
    """Row numbers are those that an editor shows."""
    assert refusal_of("a,1\n\nb,1,2\n") == "row 3 has 3 columns, but the rows before have 2"


@pytest.mark.parametrize("cell", [' "a"', '\t"a', ' "a" '])
def test_label_with_a_quote_after_a_blank_is_refused(cell: str) -> None:
    """Such a quote would become part of the label."""
    assert refusal_of(f"1,a\n2,{cell}\n", label="1", header="absent") == (
        f"row 2, column 2 is {cell!r}, a quote after a blank"
    )


def test_label_may_have_quotes() -> None:
    """Quotes around a cell enclose it, and doubled quotes inside are kept as one."""
    assert rows_of('"a",1\n"b ""c""",2\nd "e",3\n').labels == ["a", 'b "c"', 'd "e"']


def test_column_after_the_label_keeps_its_name_in_messages() -> None:
    """Messages count features as columns of the file, including label and weight."""
    text = "x,y,w,z\n1,a,1,2\n1,b,1,oops\n"

    assert refusal_of(text, label="y", weight="w") == (
        "row 3, column 4 ('z') is 'oops', not a number"
    )


@pytest.mark.parametrize("cell", ["", "NA"], ids=["plain", "not plain"])
def test_rows_of_several_batches_keep_their_order(cell: str) -> None:
    """No row is lost or repeated between batches."""
    n_rows = BATCH_VALUES // 500 * 2 + 3
    rows = [",".join([f"c{row}", "0.25", cell, *[str(row)] * 500]) for row in range(n_rows)]

    batches = list(reader_of("\n".join(rows), weight="1").batches)

    assert len(batches) > 1
    assert [label for batch in batches for label in batch.labels] == [
        f"c{row}" for row in range(n_rows)
    ]
    features = np.concatenate([np.asarray(batch.features) for batch in batches])
    assert features.shape == (n_rows, 501)
    assert np.isnan(features[:, 0]).all()
    assert (features[:, 1:] == np.arange(n_rows).reshape(-1, 1)).all()
    assert all(batch.weights is not None and len(batch.weights) for batch in batches)


@pytest.mark.parametrize("other", ["5.5", "1.234"])
def test_decimal_comma_that_a_later_cell_contradicts_is_refused(other: str) -> None:
    """A number with a point in a file with decimal commas has no certain value."""
    text = "y;x\n" + "a;1,5\n" * 60_000 + f"b;{other}\n"

    assert refusal_of(text) == f"row 60002, column 2 ('x') is {other!r}, not a number"


def test_decimal_comma_in_a_later_piece_is_read() -> None:
    """Whole numbers do not say which decimals a file has."""
    batches = list(reader_of("y;x\n" + "a;1\n" * 90_000 + "b;2,5\n").batches)

    assert np.asarray(batches[-1].features)[-1].tolist() == [2.5]


def test_decimal_comma_after_a_point_is_refused() -> None:
    """A number with a point before it makes the comma uncertain."""
    text = "y;x\n" + "a;1.5\n" * 60_000 + "b;2,5\n"

    assert refusal_of(text) == "row 60002, column 2 ('x') is '2,5', not a number"
