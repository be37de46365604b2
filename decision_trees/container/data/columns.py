"""Columns: which of a table's columns is the label, which the weight, and what each is called."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from container.errors import HyperparameterError
from container.formats.cells import CellError, shown

SAY_WHETHER_HEADER = (
    "say with the hyperparameter header whether it is a header (present) or data (absent)"
)
"""What to do about a first row that may be either."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table and their roles; equal in all files of a job."""

    width: int
    names: tuple[str, ...] | None
    """One a column; None without a header."""

    label: int
    """The index of the label, from 0."""

    weight: int | None

    @cached_property
    def features(self) -> list[int]:
        """The indices of all columns that are neither label nor weight, in their order."""
        return [index for index in range(self.width) if index not in self.others]

    @cached_property
    def others(self) -> list[int]:
        """The indices of label and weight, the last first, so that they can be deleted in turn."""
        roles = {self.label} if self.weight is None else {self.label, self.weight}
        return sorted(roles, reverse=True)

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the features, if columns have names."""
        return None if self.names is None else [self.names[index] for index in self.features]

    def name(self, index: int) -> str:
        """Return how a message calls a column: counted from 1, with its name if it has one."""
        return f"column {index + 1}" + (f" ({shown(self.names[index])})" if self.names else "")

    def feature(self, index: int) -> str:
        """Return how a message calls a feature, by its index among the features."""
        return self.name(self.features[index])


def resolve(
    width: int, names: Sequence[str] | None, label: str | None, weight: str | None
) -> Columns:
    """Give the columns of a table their roles.

    Args:
        width: how many columns there are.
        names: their names, if there are any.
        label: the name or the index of the label, None for the first column.
        weight: the name or the index of the weight, None for none.

    Raises:
        CellError: the columns are too few, or their names are not usable.
        HyperparameterError: a hyperparameter names no column, or label and weight are one.
    """
    if names is not None:
        _check_names(names)
    label_index = 0 if label is None else _find("label", label, width, names)
    weight_index = None if weight is None else _find("weight", weight, width, names)
    if label_index == weight_index:
        raise HyperparameterError(
            f"The hyperparameters label and weight both mean column {label_index + 1}; "
            "name two columns."
        )
    if width < (2 if weight is None else 3):
        count = "1 column" if width == 1 else f"{width} columns"
        raise CellError(
            f"row 1 has {count}; a label and at least one feature are needed",
            "correct it, or say with the hyperparameter delimiter what stands between cells",
        )
    return Columns(width, None if names is None else tuple(names), label_index, weight_index)


def is_index(wanted: str | None) -> bool:
    """Say whether a hyperparameter means a column by its index, or none, and needs no header."""
    return wanted is None or re.fullmatch(r"-?[0-9]{1,9}", wanted) is not None


def _check_names(names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if not name or re.fullmatch(r"Unnamed: [0-9]+", name):
            raise CellError(
                f"column {index + 1} has no name in the header" + (f", but {name!r}" * bool(name)),
                "name it, or leave it out (pandas writes an index without a name: use index=False)",
            )
        if name in names[:index]:
            first = names.index(name) + 1
            raise CellError(f"columns {first} and {index + 1} have the same name {shown(name)}")


def _find(role: str, wanted: str, width: int, names: Sequence[str] | None) -> int:
    """Return the index of the column that a hyperparameter means."""
    by_name = names.index(wanted) if names is not None and wanted in names else None
    by_index = _index(wanted, width)
    if by_name is not None and by_index not in (None, by_name):
        raise HyperparameterError(
            f"The hyperparameter {role!r} is {wanted!r}, which is the name of column "
            f"{by_name + 1} and the index of column {by_index + 1}; "
            "rename the column, or count from the end."
        )
    found = by_index if by_name is None else by_name
    if found is None:
        raise HyperparameterError(
            f"The hyperparameter {role!r} is {wanted!r}, {_no_such_column(wanted, width, names)}"
        )
    return found


def _index(wanted: str, width: int) -> int | None:
    if not is_index(wanted) or not -width <= int(wanted) < width:
        return None
    return int(wanted) % width


def _no_such_column(wanted: str, width: int, names: Sequence[str] | None) -> str:
    if names is None:
        return (
            f"but the files have {width} columns without names; give an index from 0 to "
            f"{width - 1}, or from -{width} to -1."
        )
    by_lower_case = {name.lower(): name for name in names}
    near = difflib.get_close_matches(wanted.lower(), by_lower_case, n=1)
    if near:
        return f"which is no column; did you mean {by_lower_case[near[0]]!r}?"
    return f"which is no column; the columns are {', '.join(map(shown, names[:10]))}."
