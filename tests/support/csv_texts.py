"""Parse CSV texts without a file."""

import io
from typing import Any

import pytest

from container.data.readers.batches import Batch, BatchReader
from container.data.readers.detection import CSV
from container.data.reading import open_reader
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions


def reader_of(text: str | bytes, **options: Any) -> BatchReader:
    """Return a reader of a text with these options."""
    content = text.encode() if isinstance(text, str) else text
    return open_reader(CSV, io.BytesIO(content), InputOptions(**options))


def rows_of(text: str | bytes, **options: Any) -> Batch:
    """Return the only batch of a text."""
    (batch,) = reader_of(text, **options).batches
    return batch


def refusal_of(text: str, **options: Any) -> str:
    """Return the error that a text raises."""
    with pytest.raises(CellError) as caught:
        list(reader_of(text, **options).batches)
    return str(caught.value)
