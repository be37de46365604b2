"""Accept: in which media type a reply comes, and which outputs it has."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

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
"""Up to here a 64-bit float holds every whole number."""

Task = str
"""`classification` or `regression`."""

# Possessive, since a header may be written to make a search last.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_VALUE = rf'(?:"(?:[^"\\]|\\.)*+"|{_WORD}(?:[ \t]+{_WORD})*+)'
_PARAMETER = rf"{_WORD}[ \t]*=[ \t]*{_VALUE}"
_RANGE = re.compile(
    rf"[ \t]*({_WORD}/{_WORD}|\*)((?:[ \t]*;[ \t]*+(?:{_PARAMETER}|{_WORD})?)*+)[ \t]*(?:,|\Z)"
)
_NAMED = re.compile(rf";[ \t]*({_WORD})[ \t]*=[ \t]*({_VALUE})")
_BETWEEN = re.compile(r"[ \t]*(?:,|\Z)")
_QUALITY = re.compile(r"0(\.[0-9]*)?|\.[0-9]+|1(\.0*)?")
_ATTRIBUTE = re.compile(r"(?:^|[;&])\s*output\s*=([^;&]*)", re.IGNORECASE)


@dataclass(frozen=True)
class ResponseFormat:
    """The form of a reply."""

    media_type: str
    """One of REPLIES."""

    outputs: tuple[str, ...]
    """Names from container.formats.media_types, each once, in the order of the reply."""


@dataclass(frozen=True)
class Defaults:
    """What is answered when a request does not say."""

    media_type: str = CSV
    """`SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT`."""

    outputs: tuple[str, ...] | None = None
    """`SAGEMAKER_INFERENCE_OUTPUT`; `predicted_label` is the score when the task is regression."""


class _Range(NamedTuple):
    name: str
    quality: float
    outputs: str | None
    place: int

    def specificity(self, media_type: str) -> int:
        """Return how closely the range names a media type, 0 if it does not."""
        if self.name == media_type:
            return 3
        if self.name == media_type.partition("/")[0] + "/*":
            return 2
        return int(self.name in ("*", "*/*"))


def choose(
    accept: str | None, attributes: str | None, defaults: Defaults, task: Task
) -> ResponseFormat:
    """Return the form of the reply that a request asks for.

    Outputs come from the parameter `output` of the accepted range, else from the custom
    attributes, else from the defaults. A comma ends a range, so that several are either quoted or
    joined by `+`, `|` or blanks: `text/csv;output=predicted_label+probability`. Other parameters
    are ignored.

    Args:
        accept: the header Accept; any type will do when it is absent or empty.
        attributes: the header X-Amzn-SageMaker-Custom-Attributes, any text; of its fields, which
            `;` or `&` divide, `output=predicted_label,probability` counts, the others do not.
        defaults: what is answered when neither header says.
        task: what the model was made for.

    Raises:
        NotAcceptable: no accepted media type is written here, or there is no such output. That is
            406 for outputs too: the body is good, the form that is wanted is not.
        SettingsError: the defaults cannot be used with this task.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-accept and
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """
    found = _ATTRIBUTE.search(attributes) if attributes else None
    return _choose(accept, found[1] if found else None, defaults, task)


def check(reply: ResponseFormat, labels: Sequence[Any]) -> None:
    """Refuse a reply that its media type cannot hold for a model with these labels.

    Raises:
        NotAcceptable: text beside numbers in an array, or a label that would be changed.
    """
    if reply.media_type == NPY:
        _check_array(reply, labels)
    if reply.media_type in (NPY, RECORDIO) and {PREDICTED_LABEL, LABELS} & set(reply.outputs):
        _check_exact(reply.media_type, labels)


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
    media_type, parameter = _media_type(accept or "*/*", defaults.media_type)
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
    """Return the outputs that a text names, each once."""
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

    Each type has the quality of the range that names it most closely. Among equals the type that
    is named more closely is the best, then the one that comes first in the header, then ours.
    """
    ranges = _ranges(accept)
    best, choice = (0.0, 0, 0), None
    for media_type in (default, *REPLIES):
        matching = [(found.specificity(media_type), found) for found in ranges]
        closeness, found = max(matching, key=lambda pair: (pair[0], pair[1].quality))
        merit = (found.quality, closeness, -found.place)
        if closeness and found.quality and merit > best:
            best, choice = merit, (media_type, found.outputs)
    if choice is None:
        raise NotAcceptable(
            f"The Accept header is {shown(accept, _HEADER_SHOWN)}; "
            f"ask for {_one_of(REPLIES, 'or')}."
        )
    return choice


def _ranges(accept: str) -> list[_Range]:
    """Return the ranges of the header, at least one; empty elements of the list do not count."""
    ranges: list[_Range] = []
    at = 0
    while at < len(accept):
        if empty := _BETWEEN.match(accept, at):
            at = empty.end()
            continue
        found = _RANGE.match(accept, at)
        if found is None:
            raise _unreadable(accept, accept[at:])
        named = {name.lower(): _unquoted(value) for name, value in _NAMED.findall(found[2])}
        quality = named.get("q", "1")
        if not _QUALITY.fullmatch(quality):
            raise _unreadable(accept, accept[at:])
        ranges.append(_Range(found[1].lower(), float(quality), named.get("output"), len(ranges)))
        at = found.end()
    return ranges or [_Range("*/*", 1.0, None, 0)]


def _unreadable(accept: str, rest: str) -> NotAcceptable:
    return NotAcceptable(
        f"The Accept header is {shown(accept, _HEADER_SHOWN)}, which cannot be read from "
        f"{shown(rest.strip())} on; send "
        "media types with commas between, and the names of several outputs with + between."
    )


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _check_array(reply: ResponseFormat, labels: Sequence[Any]) -> None:
    if len(reply.outputs) == 1:
        return
    if LABELS in reply.outputs:
        raise NotAcceptable(f"In {NPY} {LABELS} comes alone; ask for it alone, or for {JSON}.")
    if PREDICTED_LABEL in reply.outputs and isinstance(labels[0], str):
        raise NotAcceptable(
            f"In {NPY} there is no text beside numbers, and the labels are text; "
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
