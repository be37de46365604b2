"""Class labels: exactly as written, in the type of the training data."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.data.labels import ClassLabels


def labels_of(*batches: list[str], are_text: bool = False) -> NDArray[Any]:
    """Return the label of each row of some batches."""
    classes = ClassLabels()
    codes = [classes.add(labels, are_text) for labels in batches]
    return classes.labels()[np.concatenate(codes)]


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
        (["-", "1"], ["-", "1"]),
        (["1", "x"], ["1", "x"]),
        (["1,5", "x"], ["1,5", "x"]),
        (["1e9999999999999999999", "1"], ["1e9999999999999999999", "1"]),
        (["1_0", "2"], ["1_0", "2"]),
        (["\u0661", "2"], ["\u0661", "2"]),
        (["inf", "1"], ["inf", "1"]),
        (["True", "False"], ["True", "False"]),
        (["é", "日本"], ["é", "日本"]),
    ],
)
def test_labels_have_the_first_type_that_keeps_them(
    labels: list[str], values: list[object]
) -> None:
    """Labels are int, float or str: the first type whose text is exactly as written."""
    found = labels_of(labels, labels[::-1]).tolist()

    assert found == [*values, *values[::-1]]
    assert {type(label) for label in found} == {type(value) for value in values}


def test_labels_that_are_text_by_their_type_stay_text() -> None:
    """Labels of a text column are text, even if they look like numbers."""
    found = labels_of(["1", "1.0"], are_text=True)

    assert found.tolist() == ["1", "1.0"]


@given(st.lists(st.lists(st.text('aB\u00e9\u65e5,;:"', min_size=1))))
def test_labels_of_all_batches_are_kept_in_order(batches: list[list[str]]) -> None:
    """Every row keeps its own label, however many batches there are."""
    expected = ["x", *(label for batch in batches for label in batch)]

    assert labels_of(["x"], *batches).tolist() == expected


@pytest.mark.parametrize(
    ("labels", "is_empty", "found"),
    [
        (["a", "b", "a"], [False, False, False], None),
        (["a", "b", "a"], [True, False, False], None),
        (["a", "b", "a"], [False, True, False], "b"),
        (["a", "b", "a"], [True, False, True], "a"),
        (["z", "b", "a"], [True, True, True], "z"),
    ],
)
def test_label_of_rows_without_values_is_found(
    labels: list[str], is_empty: list[bool], found: str | None
) -> None:
    """A label whose rows are all empty is found; if there are several, the first."""
    classes = ClassLabels()
    for rows in (slice(0, 2), slice(2, None)):
        classes.add(labels[rows], are_text=False, is_empty=np.array(is_empty)[rows])

    assert classes.without_values() == found


@pytest.mark.parametrize(
    ("known", "labels"),
    [
        ([1, 2, 3], [3, 1]),
        ([0.5, 1.0], [1.0, 0.5, 1.0]),
        (["a", "longer"], ["a"]),
        (["1", "2.5"], ["1", "1"]),
    ],
)
def test_labels_take_the_type_of_the_training_data(known: list[object], labels: list[str]) -> None:
    """Validation labels have the type of the training labels, even if they are a part of them."""
    expected, classes = np.array(known), ClassLabels()
    codes = classes.add([str(label) for label in labels], are_text=False)

    found = classes.labels_like(expected)[codes]

    assert found.dtype == expected.dtype
    assert found.tolist() == labels


@given(st.lists(st.lists(st.sampled_from("abc"))))
def test_labels_of_several_hosts_are_merged(shares: list[list[str]]) -> None:
    """Counts of several hosts, sent as JSON, add up to those of one host."""
    merged, alone = ClassLabels(), ClassLabels()
    for labels in shares:
        one = ClassLabels()
        is_empty = np.array([label == "c" for label in labels], dtype=bool)
        one.add(labels, are_text=False, is_empty=is_empty)
        alone.add(labels, are_text=False, is_empty=is_empty)
        merged.merge(ClassLabels.from_json(json.loads(json.dumps(one.to_json()))))

    assert merged.to_json() == alone.to_json()
    assert merged.without_values() == alone.without_values()
