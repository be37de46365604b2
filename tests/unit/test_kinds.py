"""Each kind of value reads its own notation and no other."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.value_types import (
    LARGEST_INTEGER,
    Boolean,
    Choice,
    Column,
    Fraction,
    Integer,
    Json,
    Kind,
    Null,
    Number,
)

LIST = Json("a JSON list", lambda value: isinstance(value, list))
ANY = Json("anything", lambda _: True)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Integer(1), "1", 1),
        (Integer(1), "+007", 7),
        (Integer(-5), "-5", -5),
        (Integer(0), "2147483647", LARGEST_INTEGER),
        (Integer(0, 10**18), "9" * 18, 999_999_999_999_999_999),
        (Integer(0, 5), "5", 5),
        (Number(0, 1), "0", 0.0),
        (Number(0, 1), "1.", 1.0),
        (Number(0, 1, excluded=True), ".5", 0.5),
        (Number(0, inf), "1e300", 1e300),
        (Fraction(0, 1), "1.0", 1.0),
        (Fraction(0, 1), "1e0", 1.0),
        (Fraction(0, 1, below=True), "0.999", 0.999),
        (Number(-1, 1), "-1E-3", -0.001),
        (Choice("sqrt", "log2"), "log2", "log2"),
        *((Boolean(), text, True) for text in ("True", "true", "TRUE", "1")),
        *((Boolean(), text, False) for text in ("False", "false", "FALSE", "0")),
        (Column(), "a, b", "a, b"),
        (Column(), "-1", "-1"),
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
        (Integer(0), "2147483648"),
        (Integer(0, 5), "6"),
        (Number(0, 1, excluded=True), "0"),
        (Number(0, 1, below=True), "1"),
        (Fraction(0, 1), "1"),
        (Fraction(0, 1), "+0"),
        (Fraction(0, 1), "1.5"),
        (Number(0, inf), "1e999"),
        (Choice("sqrt", "log2"), "SQRT"),
        (Choice("sqrt", "log2"), ""),
        *((Boolean(), text) for text in ("yes", "2", "", "None", "1.0")),
        (Column(), ""),
        (Null(), "nil"),
        (LIST, "{}"),
        (LIST, "[1"),
        (ANY, ""),
        (ANY, "[" * 100_000),
    ],
)
def test_kind_refuses_a_value(kind: Kind, text: str) -> None:
    """What is not exactly of a kind raises ValueError, which becomes a message."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        kind.parse(text)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Integer(2), "a whole number of at least 2"),
        (Integer(2, LARGEST_INTEGER), "a whole number of at least 2"),
        (Integer(0, 5), "a whole number from 0 to 5"),
        (Number(0, 0.5), "a number from 0 up to 0.5"),
        (Number(0, 0.5, below=True), "a number from 0 and below 0.5"),
        (Number(0, 1, excluded=True), "a number above 0 up to 1"),
        (Number(0, inf), "a number from 0"),
        (Fraction(0, 1), "a number from 0 up to 1, written with a decimal point"),
        (Choice("sqrt", "log2"), "sqrt or log2"),
        (Choice("exact"), "exact"),
        (Choice("auto", ",", "tab"), "auto, ',' or tab"),
        (Boolean(), "True or False"),
        (Column(), "the name or the index of a column"),
        (Null(), "None"),
        (LIST, "a JSON list"),
    ],
)
def test_kind_says_what_it_expects(kind: Kind, words: str) -> None:
    """The words fit behind "it must be"."""
    assert kind.describe() == words


@given(st.integers())
def test_integer_takes_exactly_its_range(value: int) -> None:
    """A whole number is read when it is in the range, and refused when it is not."""
    kind = Integer(-1000, 1000)

    if -1000 <= value <= 1000:
        assert kind.parse(str(value)) == value
    else:
        with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
            kind.parse(str(value))


@given(st.floats())
def test_number_takes_exactly_its_range(value: float) -> None:
    """Each float of the range is read to its last bit; all others are refused."""
    kind = Number(-1, 1e300, excluded=True)

    if -1 < value <= 1e300:
        assert kind.parse(repr(value)) == value
    else:
        with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
            kind.parse(repr(value))
