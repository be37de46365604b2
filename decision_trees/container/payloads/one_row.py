"""Fast path for a single row of plain numbers, the most common body: parsed without an array.

Any other body is left to the decoders, which parse such a row to the same numbers.
"""

import re
from array import array
from math import isfinite

from container.formats import cells
from container.formats.media_types import CSV, JSON
from container.payloads.types import Expected

_MAX_BYTES = 2048  # simdjson parses a longer row faster
_NUMBER = rb" ?-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_ROW = re.compile(rb"%b(?:,%b)*" % (_NUMBER, _NUMBER))


def read(body: bytes, content_type: str | None, expected: Expected) -> "array[float] | None":
    """Return the n_features numbers of a row, rounded to float32; None for any other body."""
    if len(body) > _MAX_BYTES or (expected.names and cells.is_number(expected.names[0])):
        return None  # too long, or possibly a header
    text = _text(body, content_type)
    if text is None or not _ROW.fullmatch(text):
        return None
    values = array("f", map(float, text.split(b",")))
    fits = len(values) == expected.n_features and isfinite(sum(values))
    return values if fits else None


def _text(body: bytes, content_type: str | None) -> bytes | None:
    """Return the cells with commas between them; None if the body is in another format."""
    if content_type == CSV or content_type is None:
        return body[:-1] if body.endswith(b"\n") else body
    if content_type == JSON and body.startswith(b"[[") and body.endswith(b"]]"):
        return body[2:-2]
    return None
