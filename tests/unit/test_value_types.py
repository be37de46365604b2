"""Environment variables: their names and the notation of their types."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import SettingsError
from container.value_types import (
    BOOLEAN,
    TEXT,
    ValueType,
    Variables,
    one_of,
    some_of,
    whole_number,
    word,
)

LEVEL = word({"INFO": 20, "20": 20}, {"Information": 20})
NUMBER = whole_number(1, 512)
RANGE = "a whole number from 1 to 512"


@pytest.mark.parametrize(
    ("environ", "value"),
    [
        ({}, 7),
        ({"A": "", "B": "  "}, 7),
        ({"A": "3"}, 3),
        ({"B": " 3\n"}, 3),
        ({"A": "", "B": "3"}, 3),
        ({"A": "3", "B": "03"}, 3),
        ({"C": "3"}, 7),
    ],
)
def test_variables_give_the_value_of_any_name(environ: dict[str, str], value: int) -> None:
    """A setting is read from any of its names; an empty variable means the default."""
    assert Variables(environ).read(NUMBER, 7, "A", "B") == value


def test_variables_refuse_two_values_of_one_setting() -> None:
    """Two names with different values are refused, with both values in the message."""
    with pytest.raises(SettingsError) as caught:
        Variables({"A": "3", "B": "3", "C": "4"}).read(NUMBER, 7, "A", "B", "C")

    assert str(caught.value) == (
        "A is '3' and C is '4'; they are two names of one setting, so set only one of them."
    )


def test_variables_refuse_a_bad_value_behind_a_good_one() -> None:
    """All names that are set must have a valid value."""
    with pytest.raises(SettingsError) as caught:
        Variables({"A": "3", "B": "x"}).read(NUMBER, 7, "A", "B")

    assert str(caught.value) == "B is 'x'; it must be a whole number from 1 to 512."


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (NUMBER, "1", 1),
        (NUMBER, "0512", 512),
        (TEXT, "nobody", "nobody"),
        *((BOOLEAN, text, True) for text in ("True", "true", "TRUE", "1")),
        *((BOOLEAN, text, False) for text in ("False", "false", "FALSE", "0")),
        (LEVEL, "info", 20),
        (LEVEL, "20", 20),
        (LEVEL, "INFORMATION", 20),
        (one_of("fail", "mark"), "Mark", "mark"),
        (one_of("text/csv", "application/x-npy"), "Application/X-NPY", "application/x-npy"),
        (some_of("a_b", "c"), "c", ("c",)),
        (some_of("a_b", "c"), "C , a-b", ("c", "a_b")),
    ],
)
def test_kind_reads_a_text(kind: ValueType[object], text: str, value: object) -> None:
    """Each type reads its own notation, in upper or lower case."""
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        (
            NUMBER,
            ["0", "513", "-1", "+1", "1.5", "1e1", "0x1", "1_0", "٣", "1 0", "9" * 5000],
            RANGE,
        ),
        (LEVEL, ["21", "debug", "2", "INFO INFO"], "INFO or 20"),
        (one_of("fail", "mark"), ["failing", "fail,mark", "f"], "fail or mark"),
        (BOOLEAN, ["yes", "2", "None", "1.0"], "True or False"),
        (one_of("csv"), ["json"], "csv"),
        (one_of("a", "b", "c"), ["d"], "a, b or c"),
        (
            some_of("a", "b"),
            ["c", "a,c", "a,a", "a,,b", ",", "a b", "a;b"],
            "one or more, each once and joined by commas, of a, b",
        ),
    ],
)
def test_kind_refuses_any_other_text(
    kind: ValueType[object], texts: list[str], expected: str
) -> None:
    """Other text is refused, with the expectation in the message."""
    for text in texts:
        with pytest.raises(SettingsError) as caught:
            Variables({"A": text}).read(kind, None, "A")

        assert str(caught.value) == f"A is {text!r}; it must be {expected}."


@given(st.text() | st.text("0159+-_.", max_size=4))
def test_whole_number_is_plain_digits(text: str) -> None:
    """Any text is either a number in plain digits within the range, or refused."""
    try:
        value = NUMBER.parse(text)
    except ValueError:
        assert not re.fullmatch("0*[1-9][0-9]?", text) or len(text) > 18
    else:
        assert str(value) == text.lstrip("0")
