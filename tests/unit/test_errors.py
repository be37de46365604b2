"""The tree of errors, and its drawing in the docstring."""

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
    PayloadTooLarge,
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
            r"([│├└─ ]*)(\w+(?:Error|Payload|Large|Type|Ready|Acceptable|Busy))"
            r"(?: +(\d{3}))?(?: .*)?",
            line,
        )
        if found:
            depth = len(found[1]) // 3
            above[depth:] = [found[2]]
            parent = above[depth - 1] if depth else "Exception"
            status = int(found[3]) if found[3] else tree[parent][1]
            tree[found[2]] = (parent, status)
    return tree


def test_drawing_has_every_error_with_its_parent_and_status() -> None:
    """The drawing equals the tree of the classes; a missing status is that of the parent."""
    classes: list[type[ContainerError]]
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]

    assert drawn() == {kind.__name__: (kind.__bases__[0].__name__, kind.status) for kind in classes}


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (ContainerError, 70),
        (UserError, 65),
        (MalformedPayload, 65),
        (PayloadTooLarge, 65),
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
def test_error_has_the_exit_code_of_its_kind(kind: type[ContainerError], exit_code: int) -> None:
    """Exit codes are those of sysexits.h: 65 for data, 70 for software, 78 for configuration."""
    assert kind.exit_code == exit_code


def test_exit_code_of_a_stop_is_that_of_the_signal() -> None:
    """It is 143 after SIGTERM, as a shell reports it."""
    assert errors.EXIT_STOPPED == 143


def test_exit_code_without_a_model_is_that_of_sysexits() -> None:
    """It is 66, for input that cannot be read."""
    assert errors.EXIT_NO_MODEL == 66


def test_error_is_its_text() -> None:
    """An error is printed as its message."""
    assert str(MalformedPayload("Row 1 is blank.")) == "Row 1 is blank."


def test_row_and_column_are_none_by_default() -> None:
    """An error about a whole body has no row and no column."""
    error = MalformedPayload("There is no row.")

    assert (error.row, error.column) == (None, None)


def test_reply_is_one_line_of_json() -> None:
    """The body has exactly these bytes."""
    body = reply_body("MalformedPayload", "Row 2 is bad: 'é'.", 2, "width", "r-1")

    assert body.decode() == (
        '{"error": "MalformedPayload", "message": "Row 2 is bad: \'é\'.", "row": 2, '
        '"column": "width", "request_id": "r-1"}\n'
    )


TEXTS = st.text(st.characters(), max_size=50) | st.text('\\"\0é\U0001f600\ud800', max_size=50)


@given(TEXTS, st.integers(1, 100), st.none() | st.integers(1, 2**31), TEXTS | st.none())
def test_reply_is_short_for_any_message(
    message: str, times: int, row: int | None, column: str | None
) -> None:
    """A response is JSON of at most 2,048 characters, which is what the platform shows."""
    body = reply_body("UnsupportedMediaType", message * times, row, column, "0" * 32)

    text = body.decode()
    read = json.loads(text)
    assert list(read) == ["error", "message", "row", "column", "request_id"]
    assert (read["row"], read["request_id"]) == (row, "0" * 32)
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    assert len(text) < 2048


def test_reply_is_short_for_a_long_name() -> None:
    """The name of a column is cut as well."""
    body = reply_body("MalformedPayload", "Row 1 is bad.", 1, "x" * 5000, "0" * 32)

    assert len(body.decode()) < 2048
    assert json.loads(body)["column"].startswith("xxx")
