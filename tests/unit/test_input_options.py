"""The options of a table, which every algorithm's hyperparameters begin with."""

import pytest

from container.errors import HyperparameterError
from container.hyperparameters.declaration import declarations
from container.hyperparameters.input_options import InputOptions, Task
from container.hyperparameters.loader import parse


def test_options_have_defaults_that_read_the_first_column_as_a_class() -> None:
    """Without options a job learns classes, from files that are found out about."""
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
        ("validation_fraction", "0.25", 0.25),
        ("validation_fraction", "0", 0.0),
    ],
)
def test_option_takes(name: str, value: object, found: object) -> None:
    """A column is a name or an index, still as text; the words for nothing mean the default."""
    assert getattr(parse({name: value}, InputOptions), name) == found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("task", "ranking", "classification or regression"),
        ("header", "True", "auto, present or absent"),
        ("delimiter", ":", "auto, ',', ';', '|' or tab"),
        ("validation_fraction", "0.95", "a number from 0 up to 0.9"),
    ],
)
def test_option_refuses(name: str, value: str, expected: str) -> None:
    """The message says what the option takes."""
    with pytest.raises(HyperparameterError) as caught:
        parse({name: value}, InputOptions)

    assert str(caught.value) == (
        f"The hyperparameter {name!r} is {value!r}; it must be {expected}."
    )


@pytest.mark.parametrize(("task", "numbers"), [("classification", False), ("regression", True)])
def test_labels_are_numbers_where_numbers_are_learnt(task: Task, numbers: bool) -> None:
    """The labels of a regression are quantities; those of a classification are names."""
    assert InputOptions(task=task).labels_are_numbers is numbers


def test_options_are_not_for_tuning() -> None:
    """How the files are read is no matter of trying out."""
    assert not any(declaration.tunable for declaration in declarations(InputOptions))
