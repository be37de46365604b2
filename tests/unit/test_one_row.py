"""Fast path for one row of plain numbers: the same numbers as the decoders, or none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.payloads import decoding, one_row
from container.payloads.types import Expected

TWO = Expected(2)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
    st.from_regex(r"\A ?[+-]?0?[0-9]{1,25}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,3})?\Z"),
    st.sampled_from(["", "NaN", "inf", "1_0", "0x1", "٣", '"1"', "3.4028235677973366e38"]),
)
BODIES = st.one_of(
    st.lists(NUMBERS, min_size=1, max_size=3).map(",".join),
    st.text("0123456789.,eE+-[] \n\r\t\"'", max_size=20),
)
TYPES = st.sampled_from(["text/csv", None, "application/json", "text/csv; charset=utf-8", "x/y"])


@given(text=BODIES, end=st.sampled_from(["", "\n", "\r\n", "\n\n"]), content_type=TYPES)
def test_what_is_read_is_what_the_decoders_read(
    text: str, end: str, content_type: str | None
) -> None:
    """Numbers are equal to the bit; a body with an error, or not of one row, is left to them."""
    is_json = content_type == "application/json"
    body = (f"[[{text}]]{end}" if is_json else text + end).encode()

    row = one_row.read(body, content_type, TWO)

    if row is None:
        return
    rows = decoding.decode(body, content_type, TWO)
    assert rows.features.tobytes() == row.tobytes()


@pytest.mark.parametrize("content_type", ["text/csv", None, "application/json"])
@given(values=st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=2))
def test_row_of_numbers_is_read(content_type: str | None, values: list[float]) -> None:
    """As Python and JavaScript write them; each is rounded to float32."""
    text = ",".join(map(repr, values))

    row = one_row.read(
        (f"[[{text}]]" if content_type == "application/json" else text).encode(), content_type, TWO
    )

    assert row is not None
    assert row.tobytes() == np.array(values, dtype=np.float32).tobytes()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"1",
        b"1,2,3",
        b"1,2\n3,4",
        b"1,",
        b"1,NaN",
        b"1;2",
        b"1,+2",
        b"1,02",
        b"1e39,2",
        b"a,b",
    ],
)
def test_other_bodies_are_left_to_the_decoders(body: bytes) -> None:
    """Any other body is left to the decoders."""
    assert one_row.read(body, "text/csv", TWO) is None


def test_row_that_may_be_the_header_is_left_to_the_decoders() -> None:
    """If the names of the features are numbers, a row may be a header."""
    named = Expected(2, ["1", "2"])

    assert one_row.read(b"1,2\n", "text/csv", named) is None
    assert one_row.read(b"1,2\n", "text/csv", Expected(2, ["a", "2"])) is not None
