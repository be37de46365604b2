"""Response body from the result of a program, and the default for output_fn."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.errors import NotAcceptable
from container.formats.media_types import CSV, JSON, JSON_LINES, NPY
from container.payloads import negotiation
from container.payloads.negotiation import Defaults
from container.script_mode.serving.script_errors import ProgramError, Refused

_ANY = "*/*"


def effective_accept(header: str | None, default: str) -> str:
    """Return the Accept header for the program; the default if it is missing or accepts all."""
    text = (header or "").strip()
    return default if text in ("", _ANY) else text


def encode(prediction: Any, accepted: str) -> tuple[bytes, str]:
    """Encode a prediction in the format of AWS's containers; return the body and its media type.

    A list or an array of n rows is a list in JSON, and n lines in CSV and in JSON Lines. JSON also
    takes objects. Numbers have the shortest digits that restore a value of their type.

    Args:
        prediction: the result of predict_fn.
        accepted: the Accept header.

    Raises:
        NotAcceptable: the prediction cannot be written in any accepted media type.
        ProgramError: the prediction cannot be written as JSON.

    Source: https://github.com/aws/sagemaker-inference-toolkit (encoder.py)
    """
    media_type = negotiation.choose(accepted, None, Defaults(JSON), "classification").media_type
    encoder = _ENCODERS.get(media_type)
    if encoder is None:
        *others, last = _ENCODERS
        raise NotAcceptable(
            f"The response cannot be {media_type}; accept {', '.join(others)} or {last}."
        )
    return encoder(prediction), media_type


def response_of(result: Any, accepted: str, function: str, program: str) -> tuple[bytes, str]:
    """Return the body and the media type from the result of output_fn or transform_fn.

    Args:
        result: bytes or text, a pair of these and their media type, or a Flask response.
        accepted: the Accept header that the function received; the default media type.
        function: the name of the function, for messages.
        program: the file that defines it, for messages.

    Raises:
        ProgramError: the result has another type.
        Refused: the result is a response with a status of 400 to 499.
    """
    if hasattr(result, "get_data"):
        return _of_response(result, function, program)
    match result:
        case (content, str() as media_type):
            return _bytes(content, function, program), _header(media_type, function, program)
        case _:
            return _bytes(result, function, program), _first(accepted)


def count_rows(rows: Any) -> int:
    """Return the number of rows, 0 if it is unknown."""
    shape = getattr(rows, "shape", None)
    if shape:
        return int(shape[0])
    return len(rows) if isinstance(rows, list | tuple) else 0


def _of_response(response: Any, function: str, program: str) -> tuple[bytes, str]:
    status, text = response.status_code, response.get_data(as_text=True)
    if 400 <= status < 500:
        raise Refused(text, status)
    if status >= 500:
        raise ProgramError(f"{function} of {program} returned a response of status {status}.")
    return response.get_data(), response.content_type


def _bytes(content: Any, function: str, program: str) -> bytes:
    match content:
        case str():
            return _encoded(content, function, program)
        case bytes() | bytearray() | memoryview():
            return bytes(content)
        case _:
            raise ProgramError(
                f"{function} of {program} returned {type(content).__name__}; return bytes or text, "
                "or one of them with its media type."
            )


def _encoded(content: str, function: str, program: str) -> bytes:
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        raise ProgramError(
            f"{function} of {program} returned text that cannot be encoded in UTF-8 "
            f"({error.reason} at {error.start}); return bytes."
        ) from error


def _header(media_type: str, function: str, program: str) -> str:
    """Return the media type if it is valid in a header."""
    if not (media_type.isascii() and media_type.isprintable()):
        raise ProgramError(
            f"{function} of {program} returned the media type {media_type!r}, which is not valid "
            "in a header; return one such as text/csv."
        )
    return media_type


def _first(accepted: str) -> str:
    media_type = accepted.partition(",")[0].partition(";")[0].strip()
    return "application/octet-stream" if "*" in media_type else media_type


def _json(prediction: Any) -> bytes:
    return _dumps(prediction) + b"\n"


def _json_lines(prediction: Any) -> bytes:
    rows = _plain(prediction)
    rows = rows if isinstance(rows, list | tuple) else [rows]
    return b"".join(_dumps(row) + b"\n" for row in rows)


def _csv(prediction: Any) -> bytes:
    array = _array(prediction, CSV)
    if array.ndim > 2:
        raise NotAcceptable(
            f"The prediction has {array.ndim} dimensions, and {CSV} has two; accept {JSON}."
        )
    rows = _plain(array if array.ndim == 2 else array.reshape(-1, 1))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if array.dtype.kind in "UO":
        negotiation.refuse_line_breaks(chain.from_iterable(rows))
    return text.getvalue().encode()


def _npy(prediction: Any) -> bytes:
    array = _array(prediction, NPY)
    if array.dtype == object:
        raise NotAcceptable(
            f"The prediction is not an array of numbers or texts, so {NPY} would need pickle; "
            f"accept {JSON}."
        )
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _array(prediction: Any, media_type: str) -> NDArray[Any]:
    """Return rows as an array; raises NotAcceptable if they do not form a table."""
    try:
        array = np.asarray(prediction)
    except ValueError as error:  # lists of several lengths
        raise NotAcceptable(
            f"The prediction is not a table, as {media_type} needs it; accept {JSON}."
        ) from error
    cells = array.ravel().tolist() if array.dtype == object else []
    if any(isinstance(cell, dict | list | tuple | set) for cell in cells):
        raise NotAcceptable(
            f"The prediction is not a table, as {media_type} needs it; accept {JSON}."
        )
    return array.astype(np.str_) if cells and all(type(c) is str for c in cells) else array


def _dumps(value: Any) -> bytes:
    try:
        return json.dumps(_plain(value), default=_plain_or_refuse, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ProgramError(
            "The prediction cannot be written as JSON, for example because of NaN or a Python "
            "object; return numbers and texts from predict_fn, or define output_fn."
        ) from error


def _plain(value: Any) -> Any:
    """Convert arrays and data frames to lists; float32 and float16 keep their shortest digits."""
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ndarray | np.generic) and value.dtype in (np.float16, np.float32):
        value = np.asarray(value).astype(np.str_).astype(np.float64)
    return value.tolist() if hasattr(value, "tolist") else value


def _plain_or_refuse(value: Any) -> Any:
    plain = _plain(value)
    if plain is value:
        raise TypeError(type(value).__name__)
    return plain


_ENCODERS: Mapping[str, Callable[[Any], bytes]] = {
    CSV: _csv,
    JSON: _json,
    JSON_LINES: _json_lines,
    NPY: _npy,
}
