"""Decode request bodies without a server."""

import pytest

from container.errors import MalformedPayload
from container.payloads import decoding
from container.payloads.types import Expected, Rows

TWO = Expected(2)
"""Schema of a model with two features without names."""


def decode(body: bytes, content_type: str, expected: Expected = TWO) -> Rows:
    """Return the rows of a body."""
    return decoding.decode(body, content_type, expected)


def refusal(body: bytes, content_type: str, expected: Expected = TWO) -> MalformedPayload:
    """Return the error that a body raises."""
    with pytest.raises(MalformedPayload) as caught:
        decode(body, content_type, expected)
    return caught.value
