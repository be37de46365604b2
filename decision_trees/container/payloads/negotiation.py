"""Content negotiation: the media type of a response, and the outputs in it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_list_header, parse_options_header

from container.errors import NotAcceptable, SettingsError
from container.formats.cells import shown
from container.formats.media_types import (
    CSV,
    JSON,
    LABELS,
    NPY,
    OF_CLASSES,
    OF_NUMBERS,
    PREDICTED_LABEL,
    PREDICTED_SCORE,
    RECORDIO,
    REPLIES,
)

_HEADER_SHOWN = 200

LARGEST_EXACT = 2**53
"""Largest whole number up to which a 64-bit float represents every whole number."""

Task = str
"""`classification` or `regression`."""

_ATTRIBUTE = re.compile(r"(?:^|[;&])\s*output\s*=([^;&]*)", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"')
_BLANK_WITHIN = re.compile(r"[^ \t;][ \t]+[^ \t;]")
"""A blank elsewhere than around a semicolon; werkzeug silently drops what follows it."""

_BARE_FRACTION = re.compile(r"(;[ \t]*q=)\.", re.IGNORECASE)
"""`q=.2`, as Java's HttpURLConnection sends it; werkzeug ignores such a range."""


@dataclass(frozen=True)
class ResponseFormat:
    """Format of a response."""

    media_type: str
    """One of REPLIES."""

    outputs: tuple[str, ...]
    """Names from container.formats.media_types, each once, in the order of the response."""


@dataclass(frozen=True)
class Defaults:
    """Format of a response for a request that does not ask for one."""

    media_type: str = CSV
    """`SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT`."""

    outputs: tuple[str, ...] | None = None
    """`SAGEMAKER_INFERENCE_OUTPUT`; `predicted_label` means the score if the task is regression."""


def choose(
    accept: str | None, attributes: str | None, defaults: Defaults, task: Task
) -> ResponseFormat:
    """Return the response format that a request asks for.

    Outputs are taken from the parameter `output` of the accepted media range, otherwise from the
    custom attributes, otherwise from the defaults. A comma ends a range, so several outputs are
    joined by `+` or `|`, or quoted: `text/csv;output=predicted_label+probability`. Other
    parameters are ignored.

    Args:
        accept: the header Accept; if it is absent or empty, any media type is accepted.
        attributes: the header X-Amzn-SageMaker-Custom-Attributes. Its fields are separated by `;`
            or `&`; only `output=predicted_label,probability` is used.
        defaults: used if neither header asks for anything.
        task: the task of the model.

    Raises:
        NotAcceptable: no accepted media type can be written, or an output does not exist. The
            status is 406 for outputs too, because the body is valid and only the response is not.
        SettingsError: the defaults cannot be used with this task.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-accept and
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """
    found = _ATTRIBUTE.search(attributes) if attributes else None
    return _choose(accept, found[1] if found else None, defaults, task)


def check(form: ResponseFormat, labels: Sequence[Any]) -> None:
    """Raise NotAcceptable if a media type cannot represent the outputs of a model.

    Raises:
        NotAcceptable: text next to numbers in an array, or a label that would be changed.
    """
    if form.media_type == NPY:
        _check_array(form, labels)
    if form.media_type in (NPY, RECORDIO) and has_labels(form):
        _check_exact(form.media_type, labels)


def has_labels(form: ResponseFormat) -> bool:
    """Return whether a response contains labels."""
    return not {PREDICTED_LABEL, LABELS}.isdisjoint(form.outputs)


def broken_text(values: Iterable[Any]) -> str | None:
    """Return the first text with a line break; None if each value fits into a line of CSV."""
    texts = (value for value in values if isinstance(value, str))
    return next((text for text in texts if len(f"{text}.".splitlines()) > 1), None)


def refuse_line_breaks(values: Iterable[Any]) -> None:
    """Raise NotAcceptable if the values of a row of CSV would take more than one line."""
    broken = broken_text(values)
    if broken is not None:
        raise NotAcceptable(
            f"The label {shown(broken)} has a line break, and each row of {CSV} is one line; "
            f"ask for {JSON}."
        )


@lru_cache(maxsize=256)
def _choose(
    accept: str | None, attribute: str | None, defaults: Defaults, task: Task
) -> ResponseFormat:
    standard = _standard_outputs(defaults, task)
    if defaults.media_type not in REPLIES:
        raise SettingsError(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {defaults.media_type!r}; "
            f"it must be {_one_of(REPLIES, 'or')}."
        )
    media_type, parameter = _media_type(accept or "", defaults.media_type)
    if parameter is not None:
        names = re.split(r"[,+|\s]+", parameter)
        return ResponseFormat(media_type, _outputs(names, "The Accept header", task))
    if attribute is not None:
        source = "X-Amzn-SageMaker-Custom-Attributes"
        return ResponseFormat(media_type, _outputs(attribute.split(","), source, task))
    return ResponseFormat(media_type, standard)


def _standard_outputs(defaults: Defaults, task: Task) -> tuple[str, ...]:
    names = defaults.outputs or (PREDICTED_LABEL,)
    if task == "regression":
        names = tuple(PREDICTED_SCORE if name == PREDICTED_LABEL else name for name in names)
    try:
        return _outputs(names, "SAGEMAKER_INFERENCE_OUTPUT", task)
    except NotAcceptable as error:
        raise SettingsError(str(error)) from error


def _outputs(names: Iterable[str], source: str, task: Task) -> tuple[str, ...]:
    """Return the requested outputs, each once."""
    known = OF_NUMBERS if task == "regression" else OF_CLASSES
    there_is = f"for {task} there {'is' if len(known) == 1 else 'are'} {_one_of(known, 'and')}."
    wanted = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not wanted:
        raise NotAcceptable(f"{source} asks for an output without a name; {there_is}")
    for name in wanted:
        if name not in known:
            raise NotAcceptable(f"{source} asks for the output {shown(name)}; {there_is}")
    return wanted


def _media_type(accept: str, default: str) -> tuple[str, str | None]:
    """Return the best media type, and the outputs that its range names.

    The quality of a type is that of the most specific range that matches. Of equal ones the type
    with the more specific range is the best, then the one named first, then the default.
    """
    if not accept.strip(" \t,"):
        return default, None
    found: dict[tuple[str, float], str | None] = {}
    for name, quality, outputs in _ranges(accept):
        found.setdefault((name, quality), outputs)
    ranges = MIMEAccept(found)
    named = [name for name, _ in found if name in REPLIES]
    media_type = ranges.best_match([*named, default, *REPLIES])
    if media_type is None:
        raise NotAcceptable(
            f"The Accept header is {shown(accept, _HEADER_SHOWN)}; "
            f"ask for {_one_of(REPLIES, 'or')}."
        )
    return media_type, found[ranges[ranges.index(media_type)]]


def _ranges(accept: str) -> list[tuple[str, float, str | None]]:
    """Return name, quality and outputs of each media range, in the order of the header.

    Raises:
        NotAcceptable: an element of the header is not a media range. werkzeug would drop it, or a
            part of it, and the response would not be what the caller wrote.
    """
    ranges = []
    elements = filter(None, parse_list_header(_BARE_FRACTION.sub(r"\g<1>0.", accept)))
    for element in list(elements) or [accept]:
        parsed = parse_accept_header(element)
        name, parameters = parse_options_header(parsed[0][0] if len(parsed) == 1 else "")
        name = "*/*" if name == "*" else name.lower()
        if "/" not in name or _BLANK_WITHIN.search(_QUOTED.sub("_", element)):
            raise NotAcceptable(
                f"The Accept header is {shown(accept, _HEADER_SHOWN)}, where {shown(element)} is "
                "not a valid media type; separate media types by commas, and several outputs by +."
            )
        ranges.append((name, parsed[0][1], parameters.get("output")))
    return ranges


def _check_array(form: ResponseFormat, labels: Sequence[Any]) -> None:
    if len(form.outputs) == 1:
        return
    if LABELS in form.outputs:
        raise NotAcceptable(
            f"{NPY} cannot hold {LABELS} next to other outputs; ask for {LABELS} alone, or for "
            f"{JSON}."
        )
    if PREDICTED_LABEL in form.outputs and isinstance(labels[0], str):
        raise NotAcceptable(
            f"{NPY} cannot hold text next to numbers, and the labels are text; "
            f"ask for {PREDICTED_LABEL} alone, or for {JSON}."
        )


def _check_exact(media_type: str, labels: Sequence[Any]) -> None:
    for label in labels:
        is_too_large = isinstance(label, int) and abs(label) > LARGEST_EXACT
        is_cut = media_type == NPY and isinstance(label, str) and label.endswith("\0")
        if is_too_large or is_cut:
            raise NotAcceptable(
                f"The label {label!r} cannot be written exactly in {media_type}; ask for {JSON}."
            )


def _one_of(names: Sequence[str], word: str) -> str:
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last
