"""Types of hyperparameters: the notation, the range and the expectation of each annotation."""

from math import inf
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, create_model

from container.errors import HyperparameterError
from container.hyperparameters.declaration import LARGEST_INTEGER, declarations
from container.hyperparameters.input_options import Column, InputOptions, expected
from container.hyperparameters.loader import parse

Whole = Annotated[int, Field(ge=1)]
Part = Annotated[float, Field(ge=0, le=1)]
AboveZero = Annotated[float, Field(gt=0, le=1)]
Signs = Annotated[list[Annotated[int, Field(ge=-1, le=1)]], expected("a list of -1, 0 and 1")]
Weights = dict[str, Annotated[int | float, Field(ge=0, le=100)]]
Function = Literal["sqrt", "log2"]
FRACTION = "a number from 0 up to 1, written with a decimal point"


def declare(annotation: Any) -> type[InputOptions]:
    """Return a class with one more hyperparameter, `value`."""
    return create_model("One", __base__=InputOptions, value=(annotation, None))


def read(annotation: Any, text: str) -> object:
    """Return the value of a hyperparameter that is declared by `annotation`."""
    return parse({"value": text}, declare(annotation)).model_dump()["value"]


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (Whole, "1", 1),
        (Whole, "+007", 7),
        (Annotated[int, Field(ge=-5)], "-5", -5),
        (Annotated[int, Field(gt=4, lt=6)], "5", 5),
        (Whole, "2147483647", LARGEST_INTEGER),
        (Annotated[int, Field(ge=0, le=10**18)], "9" * 18, 999_999_999_999_999_999),
        (Annotated[int, Field(ge=0, le=5)], "5", 5),
        (Part, "0", 0.0),
        (Part, "1.", 1.0),
        (AboveZero, ".5", 0.5),
        (Annotated[float, Field(ge=0)], "1e300", 1e300),
        (Annotated[float, Field(ge=-1, le=1)], "-1E-3", -0.001),
        (Whole | AboveZero, "1", 1),
        (Whole | AboveZero, "1.0", 1.0),
        (Whole | AboveZero, "1e0", 1.0),
        (AboveZero | Whole, "1", 1),
        (Whole | AboveZero | Function | None, "2", 2),
        (Whole | AboveZero | Function | None, "log2", "log2"),
        (Whole | AboveZero | Function | None, "null", None),
        (Function, "log2", "log2"),
        (Function | Weights | None, "sqrt", "sqrt"),
        (Function | Weights | None, '{"a": 1, "b": 2.5}', {"a": 1, "b": 2.5}),
        *((bool, text, True) for text in ("True", "true", "TRUE", "1")),
        *((bool, text, False) for text in ("False", "false", "FALSE", "0")),
        (str, "1", "1"),
        (Column | None, "a, b", "a, b"),
        (Column | None, "-1", "-1"),
        *((Column | None, text, None) for text in ("None", "NULL", "")),
        (Signs, "[1, -1]", [1, -1]),
    ],
)
def test_value_is_read_in_the_notation_of_its_type(
    annotation: Any, text: str, value: object
) -> None:
    """A text is read as the type that is declared; a number with a point is a float."""
    found = read(annotation, text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        *((Whole, text) for text in ("0", "-1", "1.0", "1e2", "0x1", "1_0", "", "٣", "9" * 19)),
        *((Part, text) for text in ("-0.1", "1.01", "nan", "inf", "0x1", "1_0", "", ".", "٣")),
        (Whole, "2147483648"),
        (Annotated[int, Field(ge=0, le=5)], "6"),
        (Annotated[int, Field(gt=4, lt=6)], "4"),
        (Annotated[int, Field(gt=4, lt=6)], "6"),
        (AboveZero, "0"),
        (Annotated[float, Field(ge=0, lt=1)], "1"),
        (Annotated[int, Field(ge=2)] | AboveZero, "1"),
        (Annotated[int, Field(ge=2)] | AboveZero | None, "+1"),
        (Whole | Annotated[float, Field(ge=0, le=1)], "0"),
        (Whole | AboveZero, "1.5"),
        (Annotated[float, Field(ge=0)], "1e999"),
        (Function, "SQRT"),
        (Function, ""),
        *((bool, text) for text in ("yes", "2", "", "None", "1.0")),
        (Whole | None, "nil"),
        *((Signs, text) for text in ("{}", "[1", "[1.0]", "[true]", "[2]", "1", "[" * 100_000)),
        *((Weights, text) for text in ('{"a": -1}', '{"a": NaN}', '{"a": Infinity}', "[]", "")),
        *((Weights, text) for text in ('{"a": true}', '{"a": "1"}', '{"a": null}')),
    ],
)
def test_value_of_another_notation_is_refused(annotation: Any, text: str) -> None:
    """What is not of the type, or not in its range, is refused."""
    with pytest.raises(HyperparameterError, match=r"^The hyperparameter 'value' is "):
        read(annotation, text)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number of at least -2147483648"),
        (Annotated[int, Field(ge=2)], "a whole number of at least 2"),
        (Annotated[int, Field(ge=0, le=5)], "a whole number from 0 to 5"),
        (Annotated[int, Field(gt=0, lt=5)], "a whole number from 1 to 4"),
        (float, "a number"),
        (Annotated[float, Field(ge=0, le=0.5)], "a number from 0 up to 0.5"),
        (Annotated[float, Field(ge=0, lt=0.5)], "a number from 0 and below 0.5"),
        (AboveZero, "a number above 0 up to 1"),
        (Annotated[float, Field(ge=0)], "a number from 0"),
        (
            Annotated[int, Field(ge=1)] | Part,
            f"a whole number of at least 1, or {FRACTION}",
        ),
        (Function, "sqrt or log2"),
        (Literal["exact"], "exact"),
        (Literal["auto", ",", "tab"], "auto, ',' or tab"),
        (bool, "True or False"),
        (Column | None, "the name or the index of a column, or None"),
        (Signs, "a list of -1, 0 and 1"),
        (Weights | list[int], "a JSON object, or a JSON list"),
        (str, "a text"),
        (Any, "a JSON value"),
    ],
)
def test_expectation_is_made_of_type_and_range(annotation: Any, words: str) -> None:
    """The words, which fit behind "it must be", come from the annotation."""
    assert declarations(declare(annotation))[-1].expected() == words


@given(st.integers())
def test_whole_number_is_accepted_in_its_range_only(value: int) -> None:
    """A whole number is read if it is in the range, and refused otherwise."""
    annotation = Annotated[int, Field(ge=-1000, le=1000)]

    if -1000 <= value <= 1000:
        assert read(annotation, str(value)) == value
    else:
        with pytest.raises(HyperparameterError):
            read(annotation, str(value))


@given(st.floats())
def test_number_is_accepted_in_its_range_only(value: float) -> None:
    """Each float of the range is read to its last bit; all others are refused."""
    annotation = Annotated[float, Field(gt=-1, le=1e300)]

    if -1 < value <= 1e300:
        assert read(annotation, repr(value)) == value
    else:
        with pytest.raises(HyperparameterError):
            read(annotation, repr(value))


def test_number_without_a_range_is_finite() -> None:
    """Infinity and what is not a number are refused."""
    assert read(float, "-1.7976931348623157e308") == -1.7976931348623157e308
    for text in (str(inf), "-inf", "nan", "-1e309"):
        with pytest.raises(HyperparameterError):
            read(float, text)
