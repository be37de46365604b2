"""Columns of a table: which one is the label, which one the weight, and how each is named."""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from container.errors import HyperparameterError
from container.formats.cells import CellError, shown, stripped

_UNNAMED = "name it or remove it (to_csv of pandas writes no index with index=False)"

HEADER_REMEDY = (
    "set the hyperparameter header to present if it is a header, or to absent if it is data"
)
"""Remedy for a first row that may be a header or data."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table and their roles; equal in all files of a job."""

    width: int
    names: tuple[str, ...] | None
    """One name per column, without blanks at its ends; None without a header."""

    label: int
    """Index of the label, from 0."""

    weight: int | None
    ignored: tuple[int, ...] = ()
    """Indices of the columns that the job leaves out."""

    @cached_property
    def features(self) -> list[int]:
        """Indices of all columns that are neither label nor weight nor ignored, ascending."""
        others = set(self.others)
        return [index for index in range(self.width) if index not in others]

    @cached_property
    def others(self) -> list[int]:
        """Indices of all other columns, descending, so that they can be deleted one by one."""
        roles = {self.label, *self.ignored, *([] if self.weight is None else [self.weight])}
        return sorted(roles, reverse=True)

    @property
    def ignored_in_requests(self) -> list[tuple[int, str | None]]:
        """Index in a request that has all columns but label and weight, and name, of the ignored.

        The name is None without a header.
        """
        roles = (self.label, self.weight)
        return [
            (index - sum(role is not None and role < index for role in roles), name)
            for index, name in ((i, self.names[i] if self.names else None) for i in self.ignored)
        ]

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features; None without a header."""
        return None if self.names is None else [self.names[index] for index in self.features]

    def without_unnamed(self, at_most: int) -> "Columns":
        """Return the columns without those at the end that have no name and are features.

        Raises:
            CellError: there are more than `at_most` in a table with names, or no feature is left.
        """
        left_out = 0
        while left_out < (self.width if self.names else at_most) and self._is_unnamed(left_out):
            left_out += 1
        width = self.width - left_out
        if left_out > at_most:
            raise CellError(f"column {width + 1} has no name in the header", _UNNAMED)
        if left_out == len(self.features):
            raise CellError("rows have a label, but no value in another column")
        return replace(self, width=width, names=self.names and self.names[:width])

    def _is_unnamed(self, from_end: int) -> bool:
        index = self.width - 1 - from_end
        return index not in self.others and not (self.names and self.names[index])

    def name(self, index: int) -> str:
        """Return a column as messages show it: its number from 1, and its name if it has one."""
        return f"column {index + 1}" + (f" ({shown(self.names[index])})" if self.names else "")

    def with_index(self, index: int) -> str:
        """Return a column as the log shows it: with its index from 0, as hyperparameters count."""
        name = f"{shown(self.names[index])}, " if self.names else ""
        return f"column {name}index {index}"

    def to_json(self, index: int) -> dict[str, Any]:
        """Return the index, from 0, and the name of a column."""
        return {"index": index, "name": None if self.names is None else self.names[index]}

    def feature(self, index: int) -> str:
        """Return a feature as messages show it, by its index among the features."""
        return self.name(self.features[index])


@dataclass(frozen=True)
class HeaderGuess:
    """A guess whether the first row of a file is a header; all labels together confirm it."""

    label: str
    """The cell of the first row in the column of the label."""

    is_header: bool


def resolve(
    width: int,
    names: Sequence[str] | None,
    label: str | None,
    weight: str | None,
    ignore: Sequence[str] = (),
) -> Columns:
    """Return the columns of a table with their roles.

    Args:
        width: number of columns.
        names: their names as written; None without a header.
        label: name or index of the label; None for the first column.
        weight: name or index of the weight; None for no weight.
        ignore: names or indices of the columns to leave out.

    Raises:
        CellError: there are too few columns, or their names cannot be used.
        HyperparameterError: a hyperparameter names no column, or two name the same.
    """
    names = None if names is None else _usable(names)
    named = width if names is None else _n_named(names)
    label_index = 0 if label is None else _find("label", label, named, names)
    weight_index = None if weight is None else _find("weight", weight, named, names)
    ignored = {_find("ignore", column, named, names) for column in ignore}
    _refuse_two_roles(label_index, weight_index, ignored)
    if width < (2 if weight is None else 3):
        count = "1 column" if width == 1 else f"{width} columns"
        raise CellError(
            f"row 1 has {count}; a label and at least one feature are needed",
            "correct it, or set the hyperparameter delimiter to the character between cells",
        )
    columns = Columns(width, names, label_index, weight_index, tuple(sorted(ignored)))
    if not columns.features:
        raise HyperparameterError(
            "The hyperparameter ignore leaves no feature; name fewer columns in it."
        )
    return columns


def _refuse_two_roles(label: int, weight: int | None, ignored: Collection[int]) -> None:
    """Raise HyperparameterError if two hyperparameters name one column."""
    for first, second, index, others in (
        ("label", "weight", label, {weight}),
        ("ignore", "label", label, ignored),
        ("ignore", "weight", weight, ignored),
    ):
        if index is not None and index in others:
            raise HyperparameterError(
                f"The hyperparameters {first} and {second} both name column {index + 1}; "
                "use two different columns."
            )


def is_index(wanted: str | None) -> bool:
    """Return whether a hyperparameter is unset or a column's index, and so needs no header."""
    return wanted is None or re.fullmatch(r"-?[0-9]{1,9}", wanted) is not None


def check_columns(found: Columns, expected: Columns, where: str) -> None:
    """Compare the columns of a file with those of the first file, which is `where`.

    Raises:
        CellError: they differ; the message names both.
    """
    if found.width != expected.width:
        raise CellError(f"rows have {found.width} columns, but those of {where} {expected.width}")
    if (found.names is None) != (expected.names is None):
        if found.names is None:
            raise CellError(f"there is no header, but {where} has one")
        raise CellError(f"there is a header, but {where} has none")
    check_names(found.names, expected.names, where)


def check_names(found: Sequence[str] | None, expected: Sequence[str] | None, where: str) -> None:
    """Compare names of columns with those in `where`; raises CellError at the first difference."""
    for number, (name, other) in enumerate(zip(found or (), expected or (), strict=False), start=1):
        if name != other:
            raise CellError(f"column {number} is named {name!r}, but {other!r} in {where}")


def _usable(written: Sequence[str]) -> tuple[str, ...]:
    """Return names without blanks at their ends; raise CellError if one is repeated or absent.

    Names may be absent at the end.
    """
    names = tuple(re.sub("^Unnamed: [0-9]+$", "", stripped(name)) for name in written)
    place_of: dict[str, int] = {}
    for index, name in enumerate(names[: _n_named(names)]):
        if not name:
            only = f", only {stripped(written[index])!r}" * bool(stripped(written[index]))
            raise CellError(f"column {index + 1} has no name in the header{only}", _UNNAMED)
        first = place_of.setdefault(name, index)
        if first != index:
            apart = ", apart from blanks at the ends" * (written[first] != written[index])
            problem = f"columns {first + 1} and {index + 1} have the same name {shown(name)}{apart}"
            raise CellError(problem)
    return names


def _n_named(names: Sequence[str]) -> int:
    """Return the number of columns up to the last one that has a name, at least 1."""
    return max((number for number, name in enumerate(names, start=1) if name), default=1)


def _find(role: str, wanted: str, width: int, names: Sequence[str] | None) -> int:
    wanted = stripped(wanted)
    by_name = names.index(wanted) if names is not None and wanted in names else None
    by_index = _index(wanted, width)
    if by_name is not None and by_index not in (None, by_name):
        raise HyperparameterError(
            f"The hyperparameter {role!r} is {shown(wanted, 80)}, which is the name of column "
            f"{by_name + 1} and the index of column {by_index + 1}; "
            "rename the column, or use a negative index."
        )
    found = by_index if by_name is None else by_name
    if found is None:
        raise HyperparameterError(
            f"The hyperparameter {role!r} is {shown(wanted, 80)}, "
            f"{_no_such_column(wanted, width, names)}"
        )
    return found


def _index(wanted: str, width: int) -> int | None:
    if not is_index(wanted) or not -width <= int(wanted) < width:
        return None
    return int(wanted) % width


def _no_such_column(wanted: str, width: int, names: Sequence[str] | None) -> str:
    if names is None:
        return (
            f"but the files have {width} columns without names; use an index from 0 to "
            f"{width - 1}, or from -{width} to -1."
        )
    by_lower_case = {name.lower(): name for name in names}
    near = difflib.get_close_matches(wanted.lower(), by_lower_case, n=1)
    if near:
        return f"which is not a column; did you mean {by_lower_case[near[0]]!r}?"
    return f"which is not a column; the columns are {', '.join(map(shown, names[:10]))}."
