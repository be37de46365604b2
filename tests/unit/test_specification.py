"""Documentation of hyperparameters: train --help and train --schema."""

import os
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from container.hyperparameters import specification
from container.hyperparameters.input_options import NOT_TUNABLE, Column, InputOptions, expected

Whole = Annotated[int, Field(ge=1)]


class Declared(BaseModel):
    """Hyperparameters, one for each kind of declaration."""

    model_config = InputOptions.model_config

    depth: Whole | None = None
    """Depth."""

    seed: Annotated[int, Field(ge=0, le=9), NOT_TUNABLE] = 3
    """Seed."""

    rate: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Rate."""

    cost: Annotated[float, Field(ge=0)] = 0.0
    """Cost."""

    rows: Whole | Annotated[float, Field(ge=0, le=1)] = 2
    """Rows."""

    rule: Literal["gini", "entropy"] = "gini"
    """Rule."""

    warm_start: bool = True
    """Whether to start to start to start to start to start to start to start to start to start to
    start to start to start to start to start to start to start to start to start to start
    to start"""

    label: Column | None = None
    """Label."""

    signs: Annotated[list[int], expected("a list")] | None = None
    """Signs."""

    trees: Whole
    """Trees."""


HELP = """\
The hyperparameters of a job are in /opt/ml/input/config/hyperparameters.json, a flat JSON object of
strings: {"NAME": "VALUE", ...}. None may also be written null, or left empty.

depth       Depth.
            Default: None. Takes a whole number of at least 1, or None.
seed        Seed.
            Default: 3. Takes a whole number from 0 to 9.
rate        Rate.
            Default: 0.1. Takes a number from 0 up to 0.5.
cost        Cost.
            Default: 0.0. Takes a number from 0.
rows        Rows.
            Default: 2. Takes a whole number of at least 1, or a number from 0 up to 1, written with
            a decimal point.
rule        Rule.
            Default: gini. Takes gini or entropy.
warm_start  Whether to start to start to start to start to start to start to start to start to start
            to start to start to start to start to start to start to start to start to start to
            start to start
            Default: True. Takes True or False.
label       Label.
            Default: None. Takes the name or the index of a column, or None.
signs       Signs.
            Default: None. Takes a list, or None.
trees       Trees.
            Required. Takes a whole number of at least 1.
"""


def test_help_is_a_table_of_the_hyperparameters() -> None:
    """The help has the usage, and name, help, default and values of each hyperparameter."""
    assert specification.help_text(Declared) == f"{specification.USAGE}\n{HELP}"


def integers(minimum: str, maximum: str) -> object:
    """Return a range of SageMaker's."""
    return {"IntegerParameterRangeSpecification": {"MinValue": minimum, "MaxValue": maximum}}


def numbers(minimum: str, maximum: str) -> object:
    """Return a range of SageMaker's."""
    return {"ContinuousParameterRangeSpecification": {"MinValue": minimum, "MaxValue": maximum}}


def words(*values: str) -> object:
    """Return a range of SageMaker's."""
    return {"CategoricalParameterRangeSpecification": {"Values": list(values)}}


@pytest.mark.parametrize(
    ("name", "kind", "bounds", "default", "tunable"),
    [
        ("depth", "Integer", integers("1", "2147483647"), None, True),
        ("seed", "Integer", integers("0", "9"), "3", False),
        ("rate", "Continuous", numbers("0", "0.5"), "0.1", True),
        ("cost", "Continuous", numbers("0", "1.7976931348623157e+308"), "0.0", True),
        ("rows", "FreeText", None, "2", False),
        ("rule", "Categorical", words("gini", "entropy"), "gini", True),
        ("warm_start", "Categorical", words("True", "False"), "True", True),
        ("label", "FreeText", None, None, False),
        ("signs", "FreeText", None, None, False),
        ("trees", "Integer", integers("1", "2147483647"), None, True),
    ],
)
def test_specification_has_type_range_and_default(
    name: str, kind: str, bounds: object, default: str | None, tunable: bool
) -> None:
    """A hyperparameter of one type has SageMaker's type and range; others are FreeText."""
    found = {one["Name"]: one for one in specification.specification(Declared)}[name]

    assert found["Type"] == kind
    assert found.get("Range") == bounds
    assert found.get("DefaultValue") == default
    assert (found["IsTunable"], found["IsRequired"]) == (tunable, name == "trees")


def test_specification_describes_what_a_hyperparameter_takes() -> None:
    """The specifications keep the order of the fields; descriptions name the values."""
    found = specification.specification(Declared)

    assert [one["Name"] for one in found] == list(Declared.model_fields)
    assert found[0]["Description"] == "Depth. Takes a whole number of at least 1, or None."


@pytest.mark.parametrize("arguments", [["--help"], ["--schema"]])
def test_show_prints_to_standard_output(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """--help and --schema print to standard output and return success."""
    code = specification.show(arguments, Declared)

    printed = capsys.readouterr()
    assert code == os.EX_OK
    assert "warm_start" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("arguments", [["help"], ["--help", "--schema"], ["-v"], []])
def test_show_of_other_arguments_is_a_wrong_use(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Other arguments print the usage to standard error and return EX_USAGE."""
    code = specification.show(arguments, Declared)

    assert code == os.EX_USAGE
    assert capsys.readouterr() == ("", specification.USAGE)
