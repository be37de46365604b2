"""Strings of hyperparameters.json become typed values, or one clear error."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from container.errors import HyperparameterError
from container.hyperparameters.loader import declarations, hyperparameter, load, parse
from container.value_types import Choice, Integer, Null, Number


@dataclass(frozen=True)
class Declared:
    """What the tests fill."""

    depth: int | None = hyperparameter(Integer(1), Null(), default=None, doc="Depth.")
    rate: int | float = hyperparameter(Integer(2), Number(0, 1), default=0.5, doc="Rate.")
    name: str = hyperparameter(
        Choice("gini", "entropy"), default="gini", doc="Name.", tunable=False
    )


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
                "it must be a whole number of at least 2, or a number from 0 up to 1. "
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


def test_declarations_say_what_was_declared() -> None:
    """Each field is told with its name, default, help, tunability, and what it takes."""
    found = [
        (one.name, one.default, one.doc, one.tunable, one.expected())
        for one in declarations(Declared)
    ]

    assert found == [
        ("depth", None, "Depth.", True, "a whole number of at least 1, or None"),
        ("rate", 0.5, "Rate.", True, "a whole number of at least 2, or a number from 0 up to 1"),
        ("name", "gini", "Name.", False, "gini or entropy"),
    ]


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
