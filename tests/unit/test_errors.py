"""The tree of errors, and that the drawing of it is true."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container import errors
from container.errors import (
    ContainerError,
    HyperparameterError,
    MalformedPayload,
    ModelNotReady,
    NotAcceptable,
    PlatformError,
    ServerBusy,
    SettingsError,
    TrainingDataError,
    UnsupportedMediaType,
    UserError,
    reply_body,
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
        (NotAcceptable, 65),
        (UnsupportedMediaType, 65),
        (HyperparameterError, 65),
        (TrainingDataError, 65),
        (PlatformError, 70),
        (SettingsError, 78),
        (ModelNotReady, 70),
        (ServerBusy, 70),
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


def test_exit_code_without_a_model_is_that_of_sysexits() -> None:
    """What the program should have read is not there, or cannot be read: 66."""
    assert errors.EXIT_NO_MODEL == 66


def test_error_is_its_text() -> None:
    """An error prints as the sentence it was raised with."""
    assert str(MalformedPayload("Row 1 is blank.")) == "Row 1 is blank."


def test_place_is_none_unless_it_is_told() -> None:
    """A body that is wrong as a whole has no row and no column."""
    error = MalformedPayload("There is no row.")

    assert (error.row, error.column) == (None, None)


def test_reply_is_one_line_of_json() -> None:
    """These are the bytes that users see."""
    body = reply_body("MalformedPayload", "Row 2 is bad: 'é'.", 2, "width", "r-1")

    assert body.decode() == (
        '{"error": "MalformedPayload", "message": "Row 2 is bad: \'é\'.", "row": 2, '
        '"column": "width", "request_id": "r-1"}\n'
    )


TEXTS = st.text(st.characters(), max_size=50) | st.text('\\"\0é\U0001f600\ud800', max_size=50)


@given(TEXTS, st.integers(1, 100), st.none() | st.integers(1, 2**31), TEXTS | st.none())
def test_reply_is_short_whatever_the_message_says(
    message: str, times: int, row: int | None, column: str | None
) -> None:
    """The platform shows 2,048 characters: all of a reply is within them, and is JSON."""
    body = reply_body("UnsupportedMediaType", message * times, row, column, "0" * 32)

    text = body.decode()
    read = json.loads(text)
    assert list(read) == ["error", "message", "row", "column", "request_id"]
    assert (read["row"], read["request_id"]) == (row, "0" * 32)
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    assert len(text) < 2048


def test_reply_is_short_however_long_a_name_is() -> None:
    """The name of a feature has no limit of its own."""
    body = reply_body("MalformedPayload", "Row 1 is bad.", 1, "x" * 5000, "0" * 32)

    assert len(body.decode()) < 2048
    assert json.loads(body)["column"].startswith("xxx")
