"""Decode request bodies into rows, by their content type."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from werkzeug.http import parse_options_header

from container.errors import MalformedPayload, UnsupportedMediaType
from container.formats.cells import CellError, shown
from container.formats.media_types import CSV, JSON, JSON_LINES, NPY, RECORDIO, UTF8
from container.payloads.decoders import csv_decoder, json_decoder
from container.payloads.types import Expected, Rows

Decoder = Callable[[bytes, Expected, bool], Rows]
"""Takes the body, the rows that the model accepts, and whether to mark bad rows."""

_HEADERS = {"present": csv_decoder.decode_headed, "absent": csv_decoder.decode_headless}
_HEADER_SHOWN = 200
_OPTIONAL = frozenset({"pyarrow", "google"})
"""Packages that an image may lack; requests in the formats that need them are refused then."""


def decode(
    body: bytes, content_type: str | None, expected: Expected, *, mark_bad: bool = False
) -> Rows:
    """Return the rows of a request, with features as float32 in the order of training.

    Args:
        body: the request body.
        content_type: the header Content-Type; without one the body is CSV.
        expected: the rows that the model accepts.
        mark_bad: whether bad rows are marked in `Rows.bad`; only text formats support it.

    Raises:
        UnsupportedMediaType: the format of the body is not supported.
        MalformedPayload: the body is not valid, or its rows do not fit the model.
    """
    form = _format_of(content_type or CSV)
    rows = _decoded(form, body, expected, mark_bad)
    if expected.notation.na_numbers.size:
        rows = Rows(expected.notation.with_missing(rows.features), rows.bad)
    return rows if expected.accepts_missing else _without_missing(rows, mark_bad)


def _decoded(form: "Format", body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    try:
        return form.decode(body, expected, mark_bad)
    except CellError as error:
        message = f"In the body, {error}; {error.remedy or form.remedy(expected)}."
        raise MalformedPayload(message, error.row, error.column) from error


def _without_missing(rows: Rows, mark_bad: bool) -> Rows:
    """Refuse or mark rows with missing cells, for a model that does not accept them."""
    # A sum is NaN exactly if a number is, because all are finite, and takes no copy of the table.
    is_wrong = np.isnan(rows.features.sum(axis=1, dtype=np.float64))
    is_wrong[list(rows.bad)] = False
    if is_wrong.any() and not mark_bad:
        row = int(is_wrong.argmax())
        column = int(np.isnan(rows.features[row]).argmax()) + 1
        raise MalformedPayload(
            f"Row {row + 1}, column {column} is missing; the estimator of this model does not "
            "accept missing values; send a number.",
            row + 1,
            column,
        )
    is_wrong[list(rows.bad)] = True
    return Rows(rows.features, np.flatnonzero(is_wrong).tolist()) if is_wrong.any() else rows


@dataclass(frozen=True)
class Format:
    """Decoder of a media type."""

    decode: Decoder
    remedy: Callable[[Expected], str]
    """Returns what to send in place of a body that cannot be read."""


def _csv() -> Format:
    return Format(csv_decoder.decode, csv_decoder.remedy)


def _json() -> Format:
    return Format(json_decoder.decode, json_decoder.remedy)


def _json_lines() -> Format:
    return Format(json_decoder.decode_lines, json_decoder.lines_remedy)


def _npy() -> Format:
    from container.payloads.decoders import npy_decoder

    return Format(npy_decoder.decode, npy_decoder.remedy)


def _libsvm() -> Format:
    from container.payloads.decoders import libsvm_decoder

    return Format(libsvm_decoder.decode, libsvm_decoder.remedy)


def _recordio() -> Format:
    from container.payloads.decoders import recordio_decoder

    return Format(recordio_decoder.decode, recordio_decoder.remedy)


def _parquet() -> Format:
    from container.payloads.decoders import parquet_decoder

    return Format(parquet_decoder.decode, parquet_decoder.remedy)


MEDIA_TYPES: dict[str, Callable[[], Format]] = {
    CSV: _csv,
    JSON: _json,
    JSON_LINES: _json_lines,
    NPY: _npy,
    "text/libsvm": _libsvm,
    RECORDIO: _recordio,
    "application/vnd.apache.parquet": _parquet,
}
"""Supported media types; each imports its libraries on the first request.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

ALIASES = {
    "application/x-jsonlines": JSON_LINES,
    "application/jsonl": JSON_LINES,
    "application/x-ndjson": JSON_LINES,
    "text/x-libsvm": "text/libsvm",
    "application/x-parquet": "application/vnd.apache.parquet",
}
"""Other names of the same formats."""


@lru_cache(maxsize=64)
def _format_of(content_type: str) -> Format:
    """Return the decoder of a content type; raise UnsupportedMediaType."""
    media_type, parameters = parse_options_header(content_type)
    name = ALIASES.get(media_type.lower(), media_type.lower())
    opener = MEDIA_TYPES.get(name)
    if opener is None:
        *others, last = MEDIA_TYPES
        raise UnsupportedMediaType(
            f"The content type is {shown(content_type, _HEADER_SHOWN)}; "
            f"send {', '.join(others)} or {last}."
        )
    _refuse_parameters(content_type, name, parameters)
    header = parameters.get("header", "").lower()
    if name == CSV and header in _HEADERS:
        return Format(_HEADERS[header], csv_decoder.remedy)
    return _opened(opener, name)


def _refuse_parameters(content_type: str, name: str, parameters: dict[str, str]) -> None:
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in UTF8:
        raise UnsupportedMediaType(f"The charset is {shown(charset)}; send {name} in UTF-8.")
    if parameters.get("label_size", "0") != "0":
        raise UnsupportedMediaType(
            f"The content type is {shown(content_type, _HEADER_SHOWN)}, but the rows of a request "
            "have no label; leave it out and send label_size=0."
        )


def _opened(opener: Callable[[], Format], name: str) -> Format:
    try:
        return opener()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _OPTIONAL:
            raise
        raise UnsupportedMediaType(
            f"The content type is {name!r}, which this image does not read because it lacks the "
            f"package {error.name}; send {CSV}."
        ) from error
