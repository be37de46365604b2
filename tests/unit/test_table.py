"""Tables: selected rows, and the validation split."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.data.table import Table, split
from container.errors import TrainingDataError


def table_of(labels: Sequence[object], weighted: bool = False) -> Table:
    """Return a table whose only feature is the number of the row, from 0."""
    numbers = np.arange(len(labels))
    return Table(
        numbers.astype(np.float32).reshape(-1, 1),
        np.array(labels),
        weights=numbers / 2 if weighted else None,
        feature_names=["number"],
    )


def rows_of(table: Table) -> list[int]:
    """Return the numbers of the rows of a table."""
    return [int(number) for number in table.features[:, 0]]


@pytest.mark.parametrize("weighted", [False, True])
def test_taken_rows_keep_features_labels_and_weights(weighted: bool) -> None:
    """Features, labels and weights stay together, in the requested order."""
    table = table_of(["a", "b", "c"], weighted)

    taken = table.take(np.array([2, 0]))

    assert len(taken) == 2
    assert taken.features.tolist() == [[2.0], [0.0]]
    assert taken.labels.tolist() == ["c", "a"]
    assert taken.weights is None if not weighted else taken.weights.tolist() == [1.0, 0.0]  # type: ignore[union-attr]
    assert taken.feature_names == ["number"]


def test_taken_rows_are_a_copy() -> None:
    """Changes to them do not change the table."""
    table = table_of(["a", "b"])

    table.take(np.array([1, 0])).features[:] = 9

    assert rows_of(table) == [0, 1]


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=60),
    st.floats(0.01, 0.9),
    st.booleans(),
)
def test_split_sets_each_row_on_one_side_in_order(
    labels: list[object], fraction: float, by_class: bool
) -> None:
    """Both parts together are the table, each in its order, the same on each run."""
    table = table_of(labels)
    try:
        kept, aside = split(table, fraction, by_class)
    except TrainingDataError:
        return

    assert len(kept) > 0
    assert len(aside) > 0
    assert sorted(rows_of(kept) + rows_of(aside)) == list(range(len(table)))
    for part in (kept, aside):
        assert rows_of(part) == sorted(rows_of(part))
        assert part.labels.tolist() == [labels[row] for row in rows_of(part)]
    assert [rows_of(part) for part in split(table, fraction, by_class)] == [
        rows_of(kept),
        rows_of(aside),
    ]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.sampled_from([1, 2, 3, 5, 9]))
def test_split_sets_the_same_part_of_each_class_aside(sizes: list[int], tenths: int) -> None:
    """Each class gives its part, rounded to a row, but keeps at least one row."""
    table = table_of([label for label, size in enumerate(sizes) for _ in range(size)])
    nearest = [round(size * Fraction(tenths, 10)) for size in sizes]
    expected = [min(part, size - 1) for part, size in zip(nearest, sizes, strict=True)]
    if not any(expected):
        return

    _, aside = split(table, tenths / 10, by_class=True)

    assert np.bincount(aside.labels, minlength=len(sizes)).tolist() == expected


def test_split_keeps_a_class_of_one_row() -> None:
    """A class of one row stays in training, so that nothing unknown is validated."""
    kept, aside = split(table_of(["a"] * 10 + ["b"] + ["c"] * 10), 0.9, by_class=True)

    assert set(aside.labels.tolist()) == {"a", "c"}
    assert set(kept.labels.tolist()) == {"a", "b", "c"}


def test_split_without_classes_draws_from_all_rows() -> None:
    """For numeric labels the part is drawn from all rows."""
    kept, aside = split(table_of([number + 0.5 for number in range(40)]), 0.25, by_class=False)

    assert (len(kept), len(aside)) == (30, 10)
    assert rows_of(aside) != list(range(30, 40))


def test_split_draws_at_random() -> None:
    """Sorted rows are set aside from everywhere."""
    _, aside = split(table_of([0] * 500 + [1] * 500), 0.2, by_class=True)

    rows = np.array(rows_of(aside))
    assert len(np.unique(rows // 100)) == 10
    assert len(np.unique(rows % 5)) == 5


def test_split_divides_weights_too() -> None:
    """Weights stay with their rows."""
    for part in split(table_of(["a", "b"] * 5, weighted=True), 0.4, by_class=True):
        assert part.weights is not None
        assert (part.weights * 2).tolist() == rows_of(part)


@pytest.mark.parametrize(
    ("labels", "fraction", "by_class", "found"),
    [
        (["a", "b"], 0.2, False, "0.2, which sets aside no row out of 2"),
        (["a", "b", "c"], 0.9, True, "0.9, which sets aside no row out of 3"),
        ([0.5], 0.5, False, "0.5, which sets aside no row out of 1"),
    ],
)
def test_split_that_sets_nothing_aside_is_refused(
    labels: list[object], fraction: float, by_class: bool, found: str
) -> None:
    """A validation without rows is refused."""
    with pytest.raises(TrainingDataError) as caught:
        split(table_of(labels), fraction, by_class)

    assert str(caught.value) == (
        f"The hyperparameter validation_fraction is {found}; use a larger fraction, or give the "
        "job a channel validation."
    )
