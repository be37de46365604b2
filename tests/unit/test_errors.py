"""The tree of errors, and that the drawing of it is true."""

import re

import pytest

from container import errors
from container.errors import (
    ContainerError,
    HyperparameterError,
    MalformedPayload,
    ModelNotReady,
    PlatformError,
    SettingsError,
    TrainingDataError,
    UnsupportedMediaType,
    UserError,
)


def drawn() -> dict[str, tuple[str, int]]:
    """Return parent and status of each class in the drawing."""
    tree: dict[str, tuple[str, int]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.fullmatch(
            r"([│├└─ ]*)(\w+(?:Error|Payload|Type|Ready|Acceptable|Busy))(?: +(\d{3}))?(?: .*)?",
            line,
        )
        if found:
            depth = len(found[1]) // 3
            above[depth:] = [found[2]]
            parent = above[depth - 1] if depth else "Exception"
            status = int(found[3]) if found[3] else tree[parent][1]
            tree[found[2]] = (parent, status)
    return tree


def test_drawing_names_every_error_with_its_parent_and_status() -> None:
    """The tree at the top is the tree of the classes; no status means the parent's."""
    classes: list[type[ContainerError]]
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]

    assert drawn() == {kind.__name__: (kind.__bases__[0].__name__, kind.status) for kind in classes}


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (ContainerError, 70),
        (UserError, 65),
        (MalformedPayload, 65),
        (UnsupportedMediaType, 65),
        (HyperparameterError, 65),
        (TrainingDataError, 65),
        (PlatformError, 70),
        (SettingsError, 78),
        (ModelNotReady, 70),
    ],
)
def test_error_has_the_exit_code_of_whose_fault_it_is(
    kind: type[ContainerError], exit_code: int
) -> None:
    """Exit codes are those of sysexits.h: data 65, our fault 70, configuration 78."""
    assert kind.exit_code == exit_code


def test_exit_code_of_a_stop_is_that_of_the_signal() -> None:
    """A program that SIGTERM stopped ends with 143, as a shell counts it."""
    assert errors.EXIT_STOPPED == 143


def test_error_is_its_text() -> None:
    """An error prints as the sentence it was raised with."""
    assert str(MalformedPayload("Row 1 is blank.")) == "Row 1 is blank."
