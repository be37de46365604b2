"""Hyperparameters: hyperparameters.json is read into the class that an algorithm declares."""

from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model, model_validator

from container.errors import HyperparameterError
from container.hyperparameters.declaration import LARGEST_INTEGER, declarations
from container.hyperparameters.input_options import NOT_TUNABLE, Column, InputOptions, expected
from container.hyperparameters.loader import load, parse

Whole = Annotated[int, Field(ge=1)]
Part = Annotated[float, Field(ge=0, le=1)]
AboveZero = Annotated[float, Field(gt=0, le=1)]
Signs = Annotated[list[Annotated[int, Field(ge=-1, le=1)]], expected("a list of -1, 0 and 1")]
Weights = dict[str, Annotated[int | float, Field(ge=0, le=100)]]
Function = Literal["sqrt", "log2"]
FRACTION = "a number from 0 up to 1, written with a decimal point"


class Bare(BaseModel):
    """A class of hyperparameters without those of every job."""

    model_config = InputOptions.model_config


class Declared(Bare):
    """Hyperparameters of the tests."""

    depth: Whole | None = None
    """Depth of
    the tree."""

    rate: Annotated[int, Field(ge=2)] | Part = 0.5
    """Rate."""

    name: Annotated[Literal["gini", "entropy"], NOT_TUNABLE] = "gini"
    """Name."""


class Required(Bare):
    """Hyperparameters of which one has no default."""

    depth: Whole
    """Depth."""

    width: Whole = 3
    """Width."""

    @model_validator(mode="after")
    def _compare(self) -> "Required":
        if self.depth > self.width:
            raise ValueError("depth is larger than width; exchange them.")
        return self


def declare(annotation: Any) -> type[InputOptions]:
    """Return a class with one more hyperparameter, `value`."""
    return create_model("One", __base__=InputOptions, value=(annotation, None))


def read(annotation: Any, text: str) -> object:
    """Return the value of a hyperparameter that is declared by `annotation`."""
    return parse({"value": text}, declare(annotation)).model_dump()["value"]


@pytest.mark.parametrize(
    ("value", "depth"),
    [
        ("3", 3),
        (" 3\n", 3),
        ('"3"', 3),
        (' "3 " ', 3),
        (3, 3),
        ("None", None),
        ('"null"', None),
        (None, None),
    ],
)
def test_value_is_read_in_every_form_that_sdks_send(value: object, depth: int | None) -> None:
    """Strings, strings with JSON quotes inside, and bare JSON values mean the same."""
    assert parse({"depth": value}, Declared) == Declared(depth=depth)


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


def test_names_of_the_platform_are_skipped() -> None:
    """What the platform and its SDKs add for themselves is no hyperparameter."""
    values = {"sagemaker_program": "train.py", "_tuning_objective_metric": "x", "depth": "2"}

    assert parse(values, Declared) == Declared(depth=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dept": "3"}, "The hyperparameter 'dept' is unknown; did you mean 'depth'?"),
        ({"x": "3"}, "The hyperparameter 'x' is unknown; known are depth, name, rate."),
        (
            {"depth": "0"},
            "The hyperparameter 'depth' is '0'; it must be a whole number of at least 1, or None.",
        ),
        ({"name": '"'}, "The hyperparameter 'name' is '\"'; it must be gini or entropy."),
        ({"name": True}, "The hyperparameter 'name' is 'true'; it must be gini or entropy."),
        (
            {"name": "x" * 500},
            f"The hyperparameter 'name' is '{'x' * 80}'; it must be gini or entropy.",
        ),
        (
            {"x": "3", "y" * 500: "3"},
            f"The hyperparameters 'x', '{'y' * 80}' are unknown; known are depth, name, rate.",
        ),
        (
            {"y": "1", "name": "mse", "rat": "1", "depth": 5.0},
            (
                "The hyperparameter 'name' is 'mse'; it must be gini or entropy. "
                "The hyperparameter 'depth' is '5.0'; "
                "it must be a whole number of at least 1, or None. "
                "The hyperparameter 'rat' is unknown; did you mean 'rate'? "
                "The hyperparameter 'y' is unknown; known are depth, name, rate."
            ),
        ),
        (
            {"depth": "x", "rate": "x", "name": "x", "rat": "1", "y": "1"},
            (
                "5 hyperparameters cannot be used: depth, rate, name, rat, y. "
                "The hyperparameter 'depth' is 'x'; "
                "it must be a whole number of at least 1, or None. "
                "The hyperparameter 'rate' is 'x'; "
                "it must be a whole number of at least 2, or a number from 0 up to 1, "
                "written with a decimal point. "
                "The hyperparameter 'name' is 'x'; it must be gini or entropy. "
                "The hyperparameter 'rat' is unknown; did you mean 'rate'? "
                "The hyperparameter 'y' is unknown; known are depth, name, rate."
            ),
        ),
    ],
)
def test_mistakes_are_reported_all_at_once(values: dict[str, object], message: str) -> None:
    """Every value that cannot be used is named with what was expected."""
    with pytest.raises(HyperparameterError) as caught:
        parse(values, Declared)

    assert str(caught.value) == message


def test_required_hyperparameter_is_reported_with_the_other_mistakes() -> None:
    """A hyperparameter without a default must be given."""
    with pytest.raises(HyperparameterError) as caught:
        parse({"width": "0"}, Required)

    assert str(caught.value) == (
        "The hyperparameter 'width' is '0'; it must be a whole number of at least 1. "
        "The hyperparameter 'depth' is missing; it must be a whole number of at least 1."
    )


def test_validator_of_the_author_reports_its_own_sentence() -> None:
    """What a validator of the class raises as a ValueError is the message."""
    assert parse({"depth": "3"}, Required).depth == 3
    with pytest.raises(HyperparameterError) as caught:
        parse({"depth": "4"}, Required)

    assert str(caught.value) == "depth is larger than width; exchange them."


def test_declarations_are_those_of_the_class() -> None:
    """Each has its name, default, help, whether it is tuned or required, and what it takes."""
    found = [
        (one.name, one.default, one.doc, one.tunable, one.is_required, one.expected())
        for one in declarations(Declared)
    ]

    assert found == [
        ("depth", None, "Depth of the tree.", True, False, "a whole number of at least 1, or None"),
        ("rate", 0.5, "Rate.", True, False, f"a whole number of at least 2, or {FRACTION}"),
        ("name", "gini", "Name.", False, False, "gini or entropy"),
    ]
    assert [one.is_required for one in declarations(Required)] == [True, False]


def test_load_without_a_file_gives_the_defaults(tmp_path: Path) -> None:
    """A job without hyperparameters is a job with the defaults."""
    assert load(tmp_path / "absent.json", Declared) == Declared()


def test_load_reads_a_file(tmp_path: Path) -> None:
    """The file is a flat JSON object of strings."""
    file = tmp_path / "hyperparameters.json"
    file.write_text('{"depth": "4", "name": "entropy"}')

    assert load(file, Declared) == Declared(depth=4, name="entropy")


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"", "is not JSON ("),
        (b"{", "is not JSON ("),
        (b"\xff{}", "is not JSON ("),
        (b"[" * 100_000, "is not JSON ("),
        (b"[1]", "holds a JSON list; "),
        (b'"a"', "holds a JSON string; "),
        (b"1", "holds a JSON number; "),
        (b"1.5", "holds a JSON number; "),
        (b"true", "holds a JSON boolean; "),
        (b"null", "holds a JSON null; "),
    ],
)
def test_load_refuses_what_is_no_json_object(tmp_path: Path, content: bytes, phrase: str) -> None:
    """The message names the file, what it holds, and what to write."""
    file = tmp_path / "hyperparameters.json"
    file.write_bytes(content)

    with pytest.raises(HyperparameterError) as caught:
        load(file, Declared)

    assert str(caught.value).startswith(f"{file} {phrase}")
    assert "write a flat JSON object of strings" in str(caught.value)
