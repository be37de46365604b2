"""How often a CSV body is parsed: once as plain numbers, and once more if these are not all."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from container.formats import csv_rows, numeric
from container.payloads import decoding
from container.payloads.types import Expected, Rows

N_FEATURES = 16
N_ROWS = 200  # two pieces of PIECE_BYTES, and few cells
CELL = "0." + "1" * 60


def line(*first: str) -> bytes:
    """Return a row that begins with these cells, and goes on with long numbers."""
    return ",".join([*first, *[CELL] * (N_FEATURES - len(first))]).encode() + b"\n"


def names_of(first: str) -> list[str]:
    """Return names for all features."""
    return [first, *(str(number) for number in range(1, N_FEATURES))]


def header_of(names: list[str]) -> bytes:
    """Return the line that has these names."""
    return ",".join(names).encode() + b"\n"


ROWS = line() * N_ROWS
TEXT, NUMBERS = names_of("a"), names_of("0")
SOME = [b"", line("x"), line('"1"'), line("NA"), b"\n"]


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the bytes that each of the two parsers receives within the block."""
    n_bytes: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, value: Any) -> None:
        place = (frame.f_code.co_filename, frame.f_code.co_name)
        if event == "call" and place == (numeric.__file__, "of_lines"):
            n_bytes["plain"] += len(frame.f_locals["text"]) + 1
        elif event == "return" and place == (csv_rows.__file__, "_lines") and value is not None:
            n_bytes["careful"] += len(value)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield n_bytes
    finally:
        sys.setprofile(before)


def decode(body: bytes, names: list[str] | None) -> tuple[Rows, Counter[str]]:
    """Return the rows of a body, and how many bytes each parser received."""
    with counted() as n_bytes:
        rows = decoding.decode(body, "text/csv", Expected(N_FEATURES, names), mark_bad=True)
    return rows, n_bytes


@pytest.mark.parametrize(
    ("names", "header"),
    [(None, b""), (TEXT, b""), (TEXT, header_of(TEXT)), (NUMBERS, b"")],
    ids=["nameless", "headless", "headed", "numbers"],
)
def test_body_of_plain_numbers_is_parsed_once(names: list[str] | None, header: bytes) -> None:
    """If there is a header, only that line is parsed carefully."""
    rows, n_bytes = decode(header + ROWS, names)

    assert len(rows.features) == N_ROWS
    assert n_bytes == Counter(plain=len(ROWS), careful=len(header))


@pytest.mark.parametrize(
    ("names", "header"),
    [(None, b""), (TEXT, header_of(TEXT)), (TEXT, b""), (NUMBERS, header_of(NUMBERS))],
    ids=["nameless", "headed", "headless", "numbers"],
)
@pytest.mark.parametrize("first", SOME)
@pytest.mark.parametrize("last", [*SOME, b"1,2,3\n"])
def test_no_byte_of_a_body_is_parsed_more_than_twice(
    names: list[str] | None, header: bytes, first: bytes, last: bytes
) -> None:
    """Wherever a row needs care, what is parsed again is parsed carefully, once."""
    body = header + first + ROWS + last + line()

    rows, n_bytes = decode(body, names)

    assert len(rows.features) == body.count(b"\n") - (header != b"")
    assert n_bytes["plain"] <= len(body)
    assert n_bytes["careful"] <= len(body)
    assert n_bytes["plain"] + n_bytes["careful"] >= len(body) - 1  # the last line feed
