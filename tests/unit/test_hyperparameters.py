"""Hyperparameters: hyperparameters.json is read into the class that an algorithm declares."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from container.errors import HyperparameterError
from container.hyperparameters.declaration import declarations
from container.hyperparameters.input_options import NOT_TUNABLE, InputOptions
from container.hyperparameters.loader import load, parse

Whole = Annotated[int, Field(ge=1)]
Part = Annotated[float, Field(ge=0, le=1)]
FRACTION = "a number from 0 up to 1, written with a decimal point"


class Bare(BaseModel):
    """Class of hyperparameters without those of every job."""

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
    """Strings, strings with JSON quotes inside, and bare JSON values are read alike."""
    assert parse({"depth": value}, Declared) == Declared(depth=depth)


def test_names_of_the_platform_are_skipped() -> None:
    """Names that the platform and its SDKs add are skipped."""
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
    """Every invalid value is reported with the expectation."""
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
    """A ValueError of a validator of the class is the message."""
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
    """Without a file, all hyperparameters have their defaults."""
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
    """The message names the file, its content and the remedy."""
    file = tmp_path / "hyperparameters.json"
    file.write_bytes(content)

    with pytest.raises(HyperparameterError) as caught:
        load(file, Declared)

    assert str(caught.value).startswith(f"{file} {phrase}")
    assert "write a flat JSON object of strings" in str(caught.value)
