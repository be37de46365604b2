"""Texts with delimiters that unit tests open without a file."""

import io
from typing import Any

import pytest

from container.data.readers.batches import Batch, Part
from container.data.readers.csv_reader import read
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions


def part_of(text: str | bytes, **options: Any) -> Part:
    """Open a text with the options that are given."""
    content = text.encode() if isinstance(text, str) else text
    return read(io.BytesIO(content), InputOptions(**options))


def rows_of(text: str | bytes, **options: Any) -> Batch:
    """Return the rows of a text of one block."""
    (block,) = part_of(text, **options).blocks
    return block


def refusal_of(text: str, **options: Any) -> str:
    """Return what is said of a text that is refused."""
    with pytest.raises(CellError) as caught:
        list(part_of(text, **options).blocks)
    return str(caught.value)
