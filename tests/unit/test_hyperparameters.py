"""Strings of hyperparameters.json become typed values, or one clear error."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

import pytest

from container.errors import HyperparameterError
from container.hyperparameters import (
    Choice,
    Fraction,
    Integer,
    Json,
    Kind,
    Null,
    Number,
    hyperparameter,
    load,
    parse,
)


@dataclass(frozen=True)
class Declared:
    """What the tests fill."""

    depth: int | None = hyperparameter(Integer(1), Null(), default=None, doc="Depth.")
    rate: int | float = hyperparameter(Integer(2), Number(0, 1), default=0.5, doc="Rate.")
    name: str = hyperparameter(Choice("gini", "entropy"), default="gini", doc="Name.")


LIST = Json("a JSON list", lambda value: isinstance(value, list))
ANY = Json("anything", lambda _: True)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Integer(1), "1", 1),
        (Integer(1), "+007", 7),
        (Integer(-5), "-5", -5),
        (Integer(0), "9" * 18, 999_999_999_999_999_999),
        (Number(0, 1), "0", 0.0),
        (Number(0, 1), "1.", 1.0),
        (Number(0, 1, excluded=True), ".5", 0.5),
        (Number(0, inf), "1e300", 1e300),
        (Fraction(0, 1), "1.0", 1.0),
        (Fraction(0, 1), "1e0", 1.0),
        (Number(-1, 1), "-1E-3", -0.001),
        (Choice("sqrt", "log2"), "log2", "log2"),
        (Null(), "None", None),
        (Null(), "NULL", None),
        (Null(), "", None),
        (LIST, "[1, 2]", [1, 2]),
    ],
)
def test_kind_reads_a_value(kind: Kind, text: str, value: object) -> None:
    """Each kind reads what is written in its notation."""
    found = kind.parse(text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            (Integer(1), text)
            for text in ("0", "-1", "1.0", "1e2", "0x1", "1_0", "", "٣", "9" * 19)
        ),
        *(
            (Number(0, 1), text)
            for text in ("-0.1", "1.01", "nan", "inf", "0x1", "1_0", "", ".", "٣")
        ),
        (Number(0, 1, excluded=True), "0"),
        (Fraction(0, 1), "1"),
        (Fraction(0, 1), "+0"),
        (Fraction(0, 1), "1.5"),
        (Number(0, inf), "1e999"),
        (Choice("sqrt", "log2"), "SQRT"),
        (Choice("sqrt", "log2"), ""),
        (Null(), "nil"),
        (LIST, "{}"),
        (LIST, "[1"),
        (ANY, ""),
        (ANY, "[" * 100_000),
    ],
)
def test_kind_refuses_a_value(kind: Kind, text: str) -> None:
    """What is not exactly of a kind raises ValueError, which `parse` turns into a message."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        kind.parse(text)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Integer(2), "a whole number of at least 2"),
        (Number(0, 0.5), "a number from 0 up to 0.5"),
        (Number(0, 1, excluded=True), "a number above 0 up to 1"),
        (Number(0, inf), "a number from 0"),
        (Fraction(0, 1), "a number from 0 up to 1, written with a decimal point"),
        (Choice("sqrt", "log2"), "sqrt or log2"),
        (Null(), "None"),
        (LIST, "a JSON list"),
    ],
)
def test_kind_says_what_it_expects(kind: Kind, words: str) -> None:
    """The words fit behind "it must be"."""
    assert kind.describe() == words


@pytest.mark.parametrize(
    ("value", "depth"),
    [("3", 3), (" 3\n", 3), ('"3"', 3), (3, 3), ("None", None), ('"null"', None), (None, None)],
)
def test_value_is_read_in_every_form_that_sdks_send(value: object, depth: int | None) -> None:
    """Strings, strings with JSON quotes inside, and bare JSON values mean the same."""
    assert parse({"depth": value}, Declared) == Declared(depth=depth)


@pytest.mark.parametrize(("text", "rate"), [("2", 2), ("0.25", 0.25), ("1", 1.0)])
def test_kinds_are_tried_in_order(text: str, rate: float) -> None:
    """The first kind that takes a value gives its type."""
    found = parse({"rate": text}, Declared).rate

    assert found == rate
    assert type(found) is type(rate)


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
            {"name": "mse", "y": "1"},
            (
                "The hyperparameter 'name' is 'mse'; it must be gini or entropy. "
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
