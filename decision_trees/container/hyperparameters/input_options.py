"""Hyperparameters of every job: the task, and how the files of the training data are read."""

import codecs
import csv
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from container.errors import HyperparameterError
from container.formats.cells import Notation, stripped


def expected(words: str) -> Any:
    """Describe a type by `words`, which follow "it must be"; for what its range does not say."""
    return Field(json_schema_extra={"expected": words})


Task = Literal["classification", "regression"]

NOT_TUNABLE = Field(json_schema_extra={"tunable": False})
"""Annotation of a hyperparameter that a tuning job must not vary."""

Column = Annotated[str, expected("the name or the index of a column")]
"""A column of the table, still as text: its name, or its index from 0 (-1 is the last)."""


Columns = Annotated[str, expected("the names or the indices of columns, with commas between them")]
"""Columns of the table, still as text; a name with a comma is in double quotes, as in CSV."""


Texts = Annotated[str, expected("texts with commas between them")]
"""Several texts; one with a comma is in double quotes, as in CSV."""


Delimiter = Annotated[
    str,
    Field(pattern=r"^(auto|tab|space|\^A|[^\"\r\n\x00])$"),
    expected("auto, tab, space, ^A or any other character"),
]
"""Separator of cells, or its name."""


class InputOptions(BaseModel):
    """Hyperparameters of every job; an algorithm adds its own in a subclass.

    The annotation of a field is its type and range. The string below a field is its help.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    task: Annotated[Task, NOT_TUNABLE] = "classification"
    """Kind of labels: classes, or numbers."""

    header: Annotated[Literal["auto", "present", "absent"], NOT_TUNABLE] = "auto"
    """Whether the first row of a CSV file holds the names of the columns."""

    label: Annotated[Column | None, NOT_TUNABLE] = None
    """Column to predict: its name, or its index from 0 (-1 is the last); None means the first."""

    weight: Annotated[Column | None, NOT_TUNABLE] = None
    """Column with the weights of the rows, if any."""

    ignore: Annotated[Columns | None, NOT_TUNABLE] = None
    """Columns to leave out, such as ids and dates."""

    na_values: Annotated[Texts | None, NOT_TUNABLE] = None
    """Other texts and numbers that represent a missing cell, such as ? or -999."""

    missing_labels: Annotated[Literal["fail", "drop"], NOT_TUNABLE] = "fail"
    """What to do with rows that have no label: fail, or leave them out and count them."""

    delimiter: Annotated[Delimiter, NOT_TUNABLE] = "auto"
    """Separator of the cells of a text file."""

    decimal: Annotated[Literal["auto", ".", ","], NOT_TUNABLE] = "auto"
    """Character before the decimals of a number; auto finds a comma if the delimiter is a semicolon
    or a tab."""

    encoding: Annotated[
        str, expected("auto or an encoding that Python knows, such as cp1252"), NOT_TUNABLE
    ] = "auto"
    """Encoding of text files; auto is that of the byte-order mark, or UTF-8."""

    validation_fraction: Annotated[float, Field(ge=0, le=0.9), NOT_TUNABLE] = 0.0
    """Fraction of the training rows to use for validation instead."""

    hosts_seconds: Annotated[float, Field(ge=1, le=86_400), NOT_TUNABLE] = 300.0
    """Seconds to wait for the other hosts of the job at the start."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value != "auto" and not is_encoding(value):
            raise ValueError("an unknown encoding")
        return value

    @field_validator("*", mode="wrap")
    @classmethod
    def _keep_whole_numbers(
        cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """Refuse 1 as the fraction 1.0 if the hyperparameter also takes whole numbers."""
        found = validate(value)
        if isinstance(value, int) and isinstance(found, float) and _takes_int(cls, info.field_name):
            raise ValueError("a fraction has a decimal point")
        return found

    @property
    def labels_are_numbers(self) -> bool:
        """Whether labels are quantities, not classes."""
        return self.task == "regression"

    @property
    def ignored(self) -> list[str]:
        """Names or indices of the columns to leave out."""
        return _listed(self.ignore)

    @property
    def notation(self) -> Notation:
        """Notation of cells."""
        na_values = frozenset(stripped(text).lower() for text in _listed(self.na_values))
        return Notation(na_values, "," if self.decimal == "," else ".")

    def refuse_columns(self, format_name: str) -> None:
        """Refuse the name of a column, for a format in which a row itself says what its label is.

        Raises:
            HyperparameterError: `label`, `weight` or `ignore` is given.
        """
        for role in ("label", "weight", "ignore"):
            name = getattr(self, role)
            if name is not None:
                raise HyperparameterError(
                    f"The hyperparameter {role!r} is {name!r}, but in {format_name} each row holds "
                    f"its label and columns have no names; leave {role!r} unset."
                )


def is_encoding(name: str) -> bool:
    """Return whether Python can decode text in an encoding of this name, piece by piece."""
    try:
        codecs.getincrementaldecoder(name)
        return bool(" ".encode(name))  # fails for a codec that is no encoding of text
    except (LookupError, ValueError):
        return False


def _listed(texts: str | None) -> list[str]:
    return next(csv.reader([texts or ""], skipinitialspace=True), [])


def _takes_int(declared: type[BaseModel], name: str | None) -> bool:
    members = get_args(declared.model_fields[str(name)].annotation)
    return any(member is int or int in get_args(member)[:1] for member in members)
