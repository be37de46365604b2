"""Hyperparameters: the strings of hyperparameters.json become typed values, or one clear error.

An algorithm declares a frozen dataclass whose fields are made by `hyperparameter`; `load` fills
it. Every mistake in the file is reported at once.
"""

import difflib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from container.errors import HyperparameterError
from container.value_types import Kind

H = TypeVar("H")

_FOREIGN_PREFIX = "sagemaker_"
_FOREIGN_NAMES = frozenset({"_tuning_objective_metric"})
_KINDS = "kinds"

_FEW = 4
"""So many sentences fit into the 1024 characters of a failure that the platform shows."""


@dataclass(frozen=True)
class Declaration:
    """What is declared of a hyperparameter."""

    name: str
    kinds: tuple[Kind, ...]
    default: object
    doc: str
    tunable: bool

    def expected(self) -> str:
        """Say what the hyperparameter takes, to follow the words "it must be"."""
        return ", or ".join(kind.describe() for kind in self.kinds)


def hyperparameter(*kinds: Kind, default: object, doc: str, tunable: bool = True) -> Any:
    """Declare a field of a dataclass.

    Args:
        kinds: the kinds of value that it takes, tried in order.
        default: its value when a job does not give one, by the same kinds or None.
        doc: one line of help.
        tunable: whether a tuning job may vary it to learn better.
    """
    return field(default=default, metadata={_KINDS: kinds, "doc": doc, "tunable": tunable})


def declarations(declared: type) -> list[Declaration]:
    """Return the hyperparameters of a dataclass, in their order."""
    return [
        Declaration(f.name, f.metadata[_KINDS], f.default, f.metadata["doc"], f.metadata["tunable"])
        for f in fields(declared)
    ]


def load(file: Path, declared: type[H]) -> H:
    """Read hyperparameters.json into the dataclass `declared`; no file means the defaults.

    The platform writes a flat object whose values are strings; SDKs that encode each value as
    JSON send strings with quotes inside. Names that the platform adds for itself are skipped.

    Raises:
        HyperparameterError: the file is no JSON object, or values cannot be used.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return declared()
    return parse(_json_object(content, file), declared)


def parse(values: Mapping[str, object], declared: type[H]) -> H:
    """Turn `values` into the dataclass `declared`; raises HyperparameterError with all mistakes."""
    known = {declaration.name: declaration for declaration in declarations(declared)}
    names = [name for name in values if not _is_foreign(name)]
    unknown = [name for name in names if name not in known]
    typed: dict[str, object] = {}
    mistakes: dict[str, str] = {}
    for name in (name for name in names if name in known):
        try:
            typed[name] = _typed(known[name], _text(values[name]))
        except ValueError as error:
            mistakes[name] = str(error)
    if mistakes or unknown:
        sentences = [*mistakes.values(), *_refusals(unknown, list(known))]
        raise HyperparameterError(_message(sentences, [*mistakes, *unknown]))
    return declared(**typed)


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN_PREFIX) or name in _FOREIGN_NAMES


def _typed(declaration: Declaration, text: str) -> object:
    """Return the value that `text` means; raises ValueError with a sentence for the user."""
    for kind in declaration.kinds:
        with suppress(ValueError):
            return kind.parse(text)
    raise ValueError(
        f"The hyperparameter {declaration.name!r} is {_cut(text)!r}; "
        f"it must be {declaration.expected()}."
    )


def _refusals(unknown: list[str], known: list[str]) -> list[str]:
    """Return one sentence for each unknown name that is near a known one, one for all others."""
    sentences, far = [], []
    for name in map(_cut, unknown):
        near = difflib.get_close_matches(name, known, n=1)
        if near:
            sentences.append(f"The hyperparameter {name!r} is unknown; did you mean {near[0]!r}?")
        else:
            far.append(repr(name))
    if far:
        noun, verb = ("hyperparameter", "is") if len(far) == 1 else ("hyperparameters", "are")
        advice = f"known are {', '.join(sorted(known))}."
        sentences.append(f"The {noun} {', '.join(far)} {verb} unknown; {advice}")
    return sentences


def _message(sentences: list[str], names: list[str]) -> str:
    """Return all mistakes; more than a few begin with the names of all."""
    if len(sentences) > _FEW:
        listed = ", ".join(map(_cut, names))
        sentences = [f"{len(names)} hyperparameters cannot be used: {listed}.", *sentences]
    return " ".join(sentences)


def _cut(text: str) -> str:
    return text[:80]


def _text(value: object) -> str:
    """Return the text of a value, without the JSON quotes that some SDKs leave inside."""
    text = value.strip() if isinstance(value, str) else json.dumps(value)
    if text.startswith('"'):
        with suppress(ValueError):  # a lone quote is part of the text; its kind refuses it
            text = str(json.loads(text))
    return text.strip()


def _json_object(content: bytes, file: Path) -> dict[str, object]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HyperparameterError(
            f"{file} is not JSON ({error}); write a flat JSON object of strings."
        ) from error
    if not isinstance(values, dict):
        raise HyperparameterError(
            f"{file} holds a JSON {_json_type(values)}; write a flat JSON object of strings, "
            'for example {"max_leaf_nodes": "5"}.'
        )
    return values


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names[type(value)]
