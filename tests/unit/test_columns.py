"""Columns: roles and names."""

import pytest

from container.data.columns import Columns, is_index, resolve
from container.errors import HyperparameterError
from container.formats.cells import CellError

NAMES = ["species", "length", "width", "weight"]


@pytest.mark.parametrize(
    ("names", "label", "weight", "roles"),
    [
        (None, None, None, (0, None)),
        (None, "0", None, (0, None)),
        (None, "3", None, (3, None)),
        (None, "-1", None, (3, None)),
        (None, "-4", "-1", (0, 3)),
        (None, None, "1", (0, 1)),
        (NAMES, None, None, (0, None)),
        (NAMES, "width", None, (2, None)),
        (NAMES, "width", "weight", (2, 3)),
        (NAMES, "-1", "species", (3, 0)),
        (NAMES, None, "3", (0, 3)),
        (["a", "1", "b", "c"], "1", None, (1, None)),
        (["-1", "x", "y", "9"], "9", "1", (3, 1)),
        (["2019", "2020", "2021", "2022"], "2020", None, (1, None)),
    ],
)
def test_columns_have_their_roles(
    names: list[str] | None,
    label: str | None,
    weight: str | None,
    roles: tuple[int, int | None],
) -> None:
    """A hyperparameter names a column by its name or index, which may count from the end."""
    columns = resolve(4, names, label, weight)

    assert (columns.label, columns.weight) == roles
    assert columns.width == 4
    assert columns.names == (None if names is None else tuple(names))


def test_features_are_all_other_columns() -> None:
    """All columns but label and weight are features, in their order."""
    columns = Columns(5, ("a", "b", "c", "d", "e"), label=3, weight=1)

    assert columns.features == [0, 2, 4]
    assert columns.feature_names == ["a", "c", "e"]
    assert columns.others == [3, 1]
    assert columns.feature(1) == "column 3 ('c')"


def test_columns_without_names_count_from_1() -> None:
    """Messages count columns from 1, including the label."""
    columns = Columns(3, None, label=0, weight=None)

    assert columns.feature_names is None
    assert columns.name(0) == "column 1"
    assert columns.feature(0) == "column 2"


@pytest.mark.parametrize(
    ("names", "label", "weight", "message"),
    [
        (
            None,
            None,
            "-5",
            (
                "The hyperparameter 'weight' is '-5', but the files have 4 columns without names; "
                "use an index from 0 to 3, or from -4 to -1."
            ),
        ),
        (
            ["ID", "Petal Length", "X", "Y"],
            "PETAL LENGHT",
            None,
            (
                "The hyperparameter 'label' is 'PETAL LENGHT', which is not a column; "
                "did you mean 'Petal Length'?"
            ),
        ),
        (
            NAMES,
            None,
            "9",
            (
                "The hyperparameter 'weight' is '9', which is not a column; "
                "the columns are 'species', 'length', 'width', 'weight'."
            ),
        ),
        (
            NAMES,
            "weight",
            "-1",
            "The hyperparameters label and weight both name column 4; use two different columns.",
        ),
    ],
)
def test_column_that_is_not_found_is_refused(
    names: list[str] | None, label: str | None, weight: str | None, message: str
) -> None:
    """The message has the hyperparameter, its value, and the columns that could be meant."""
    with pytest.raises(HyperparameterError) as caught:
        resolve(4, names, label, weight)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("width", "names", "weight", "problem"),
    [
        (2, None, "1", "row 1 has 2 columns; a label and at least one feature are needed"),
        (2, ["", "a"], None, "column 1 has no name in the header"),
        (2, ["", ""], None, "column 1 has no name in the header"),
        (3, ["a", "", "b"], None, "column 2 has no name in the header"),
        (2, ["Unnamed: 12", "a"], None, "column 1 has no name in the header, only 'Unnamed: 12'"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    width: int, names: list[str] | None, weight: str | None, problem: str
) -> None:
    """A label, a feature and distinct names are required."""
    with pytest.raises(CellError) as caught:
        resolve(width, names, None, weight)

    assert str(caught.value) == problem


@pytest.mark.parametrize("name", ["Unnamed", "Unnamed: ", "Unnamed: x", "unnamed: 0"])
def test_other_name_than_that_of_pandas_is_accepted(name: str) -> None:
    """Only the exact name that pandas generates counts as missing."""
    assert resolve(2, [name, "b"], None, None).names == (name.strip(), "b")


@pytest.mark.parametrize(
    ("wanted", "truth"),
    [
        (None, True),
        ("0", True),
        ("-1", True),
        ("007", True),
        ("9" * 9, True),
        ("9" * 10, False),
        ("1.0", False),
        ("+1", False),
        ("\u0661", False),
        ("species", False),
    ],
)
def test_index_is_distinguished_from_a_name(wanted: str | None, truth: bool) -> None:
    """A whole number needs no header; any other value is a name."""
    assert is_index(wanted) is truth


@pytest.mark.parametrize(
    ("names", "label", "at_most", "left"),
    [
        (["y", "a", "", "Unnamed: 3"], None, 2, ("y", "a")),
        (["a", "y", "", ""], "-1", 2, ("a", "y")),
        (["a", "", "y"], None, 0, None),
        (None, None, 1, 3),
        (None, "-1", 1, 4),
    ],
)
def test_columns_without_name_and_value_at_the_end_are_left_out(
    names: list[str] | None, label: str | None, at_most: int, left: tuple[str, ...] | int | None
) -> None:
    """Such columns are features that come last; an index from the end does not count them."""
    if left is None:
        with pytest.raises(CellError):
            resolve(3, names, label, None)
        return
    found = resolve(4, names, label, None).without_unnamed(at_most)

    assert (found.names or found.width) == left
    assert "y" not in (found.feature_names or [])


def test_column_without_name_that_has_a_value_is_refused() -> None:
    """A value in an unnamed column at the end is not dropped."""
    with pytest.raises(CellError) as caught:
        resolve(4, ["y", "a", "", ""], None, None).without_unnamed(1)

    assert str(caught.value) == "column 3 has no name in the header"


def test_position_of_ignored_columns_in_requests() -> None:
    """Requests have neither label nor weight, so the indices of ignored columns are lower."""
    found = resolve(6, list("abcdef"), "b", "e", ["d", "a", "-1"])

    assert found.ignored_in_requests == [(0, "a"), (2, "d"), (3, "f")]
    assert found.features == [2]
