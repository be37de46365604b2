"""Texts with delimiters that unit tests open without a file."""

import io
from typing import Any

import pytest

from container.data.readers.batches import Batch, BatchReader
from container.data.readers.csv_reader import read
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions


def reader_of(text: str | bytes, **options: Any) -> BatchReader:
    """Open a text with the options that are given."""
    content = text.encode() if isinstance(text, str) else text
    return read(io.BytesIO(content), InputOptions(**options))


def rows_of(text: str | bytes, **options: Any) -> Batch:
    """Return the rows of a text of one batch."""
    (batch,) = reader_of(text, **options).batches
    return batch


def refusal_of(text: str, **options: Any) -> str:
    """Return what is said of a text that is refused."""
    with pytest.raises(CellError) as caught:
        list(reader_of(text, **options).batches)
    return str(caught.value)
