"""Hyperparameters of every job: defaults, values, refusals."""

import pytest

from container.errors import HyperparameterError
from container.hyperparameters.declaration import declarations
from container.hyperparameters.input_options import InputOptions, Task
from container.hyperparameters.loader import parse


def test_options_have_defaults_that_read_the_first_column_as_a_class() -> None:
    """By default a job predicts classes and detects the format of the files."""
    assert InputOptions() == InputOptions(
        task="classification",
        header="auto",
        label=None,
        weight=None,
        delimiter="auto",
        validation_fraction=0.0,
    )


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("task", "regression", "regression"),
        ("header", '"absent"', "absent"),
        ("label", "species", "species"),
        ("label", "-1", "-1"),
        ("label", 0, "0"),
        ("label", '"petal, cm"', "petal, cm"),
        ("label", "None", None),
        ("label", "", None),
        ("weight", "weight", "weight"),
        ("weight", "null", None),
        ("delimiter", ";", ";"),
        ("delimiter", "tab", "tab"),
        ("delimiter", ":", ":"),
        ("validation_fraction", "0.25", 0.25),
        ("validation_fraction", "0", 0.0),
    ],
)
def test_option_takes(name: str, value: object, found: object) -> None:
    """A column is a name or an index, as text; the words for None mean the default."""
    assert getattr(parse({name: value}, InputOptions), name) == found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("task", "ranking", "classification or regression"),
        ("header", "True", "auto, present or absent"),
        ("delimiter", "::", "auto, tab, space, ^A or any other character"),
        ("decimal", "x", "auto, '.' or ','"),
        ("validation_fraction", "0.95", "a number from 0 up to 0.9"),
    ],
)
def test_option_refuses(name: str, value: str, expected: str) -> None:
    """The message has the values that the option takes."""
    with pytest.raises(HyperparameterError) as caught:
        parse({name: value}, InputOptions)

    assert str(caught.value) == (
        f"The hyperparameter {name!r} is {value!r}; it must be {expected}."
    )


@pytest.mark.parametrize(("task", "numbers"), [("classification", False), ("regression", True)])
def test_labels_are_numbers_where_numbers_are_learnt(task: Task, numbers: bool) -> None:
    """Labels are numbers in a regression and classes in a classification."""
    assert InputOptions(task=task).labels_are_numbers is numbers


def test_options_are_not_for_tuning() -> None:
    """Hyperparameters that say how files are read are not tunable."""
    assert not any(declaration.tunable for declaration in declarations(InputOptions))
