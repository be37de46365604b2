"""Request body as input_fn or transform_fn receives it, and the default for input_fn."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from werkzeug.http import parse_options_header

from container.errors import MalformedPayload, UnsupportedMediaType
from container.formats.media_types import CSV, JSON, JSON_LINES, NPY
from container.payloads import decoding
from container.payloads.types import Expected
from container.resources import UNKNOWN_REQUEST_BYTES

_FIRST_BYTES = 512 * 1024
"""Size of the part of a body that is read to find the length of the first row."""

_FLAT_LIST = re.compile(rb"\[\s*+[^\[\]{}\s][^\[\]{}]*+\]")

TEXTS = frozenset({CSV, JSON})
"""Media types whose bodies a program receives as text; it receives all others as bytes.

Source: https://github.com/aws/sagemaker-inference-toolkit (content_types.py)
"""


def effective_content_type(content_type: str | None) -> str:
    """Return the content type for the program: JSON by default, as in AWS's containers.

    The charset is removed from types whose bodies are decoded to text.
    """
    media_type, parameters = parse_options_header(content_type or JSON)
    if media_type.lower() in TEXTS and parameters.keys() <= {"charset"}:
        return media_type.lower()
    return content_type or JSON


def text_or_bytes(body: bytes, content_type: str) -> str | bytes:
    """Decode a body in one of TEXTS; raises MalformedPayload if it is not UTF-8."""
    if _media_type(content_type) not in TEXTS:
        return body
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedPayload(
            f"The body is not UTF-8: the byte at {error.start} is 0x{body[error.start]:02x}; send "
            "text in UTF-8."
        ) from error


def decode_rows(
    body: bytes, content_type: str, model: Any, request_bytes: int = UNKNOWN_REQUEST_BYTES
) -> NDArray[np.float32]:
    """Return the rows of a body, shape (n_rows, n_features), NaN for a missing cell.

    The number of features is `n_features_in_` of the model, or else the length of the first row.

    Raises:
        UserError: the body cannot be decoded, its rows do not fit the model, or it needs more
            than `request_bytes` of memory.
    """
    names = getattr(model, "feature_names_in_", None)
    n_features = getattr(model, "n_features_in_", None)
    if n_features is None:
        n_features = _width(body, _media_type(content_type))
    base = int(getattr(model, "libsvm_base", 1))
    expected = Expected(
        int(n_features),
        None if names is None else list(names),
        base,
        request_bytes=request_bytes,
    )
    return decoding.decode(body, content_type, expected).features


def with_names(rows: Any, model: Any) -> Any:
    """Return rows as a data frame for an estimator of scikit-learn that was fitted on one.

    It would warn of an array, and a step that chooses columns by name would fail.
    """
    names = getattr(model, "feature_names_in_", None)
    if not (isinstance(names, np.ndarray) and isinstance(rows, np.ndarray)):
        return rows
    if rows.ndim != 2 or rows.shape[1] != len(names):
        return rows
    try:
        import pandas as pd  # only the full image has it, and only this needs it
    except ImportError:
        return rows
    return pd.DataFrame(rows, columns=names, copy=False)


def _media_type(content_type: str) -> str:
    media_type = parse_options_header(content_type)[0].lower()
    return decoding.ALIASES.get(media_type, media_type)


def _width(body: bytes, media_type: str) -> int:
    """Return the length of the first row; 1 for a malformed body, which the decoder refuses."""
    measure = _WIDTHS.get(media_type)
    if measure is None:
        *others, last = _WIDTHS
        raise UnsupportedMediaType(
            f"The content type is {media_type!r}, and the model has no attribute n_features_in_; "
            f"send {', '.join(others)} or {last}, or define input_fn."
        )
    try:
        return max(1, measure(body))
    except (ValueError, csv.Error, RecursionError):
        return 1


def _csv_width(body: bytes) -> int:
    line = body.lstrip(b"\r\n")[:_FIRST_BYTES].splitlines()[:1]
    return len(next(csv.reader([line[0].decode()]))) if line else 1


def _json_width(body: bytes) -> int:
    if len(body) > _FIRST_BYTES:
        row = _FLAT_LIST.search(body, 0, _FIRST_BYTES)
        return len(json.loads(row[0])) if row else 1
    found = json.loads(body)
    while True:
        match found:
            case dict() if found:
                found = next((v for v in found.values() if isinstance(v, list | dict)), None)
            case [list() | dict() as first, *_]:
                found = first
            case list():
                return len(found)
            case _:
                return 1


def _lines_width(body: bytes) -> int:
    lines = body.lstrip()[:_FIRST_BYTES].splitlines()
    return _json_width(lines[0]) if lines else 1


def _npy_width(body: bytes) -> int:
    file = io.BytesIO(body)
    is_first = np.lib.format.read_magic(file) == (1, 0)
    read = "read_array_header_1_0" if is_first else "read_array_header_2_0"
    shape: tuple[int, ...] = getattr(np.lib.format, read)(file)[0]
    return shape[-1] if shape else 1


_WIDTHS: Mapping[str, Callable[[bytes], int]] = {
    CSV: _csv_width,
    JSON: _json_width,
    JSON_LINES: _lines_width,
    NPY: _npy_width,
}
