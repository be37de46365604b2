"""Load hyperparameters.json into the class that an algorithm declares.

All mistakes in the file are reported at once.
"""

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from container.errors import HyperparameterError
from container.hyperparameters.declaration import Declaration, declarations
from container.paths import read_json

H = TypeVar("H", bound=BaseModel)

_FOREIGN_PREFIX = "sagemaker_"
_FOREIGN_NAMES = frozenset({"_tuning_objective_metric"})

_FEW = 4
"""Number of sentences that fit into the 1024 characters of a failure that the platform shows."""


def load(file: Path, declared: type[H]) -> H:
    """Read hyperparameters.json; without a file the hyperparameters have their defaults.

    The platform writes a flat object whose values are strings; SDKs that encode each value as
    JSON send strings with quotes inside. Names that the platform adds for itself are skipped.

    Raises:
        HyperparameterError: the file is no JSON object, or values cannot be used.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    values = read_json(file, HyperparameterError, "write a flat JSON object of strings.")
    if not isinstance(values, dict):
        raise HyperparameterError(
            f"{file} holds a JSON {_json_type(values)}; write a flat JSON object of strings, "
            'for example {"max_leaf_nodes": "5"}.'
        )
    return parse(values, declared)


def parse(values: Mapping[str, object], declared: type[H]) -> H:
    """Return the hyperparameters of `values`; raises HyperparameterError with all mistakes."""
    known = {declaration.name: declaration for declaration in declarations(declared)}
    texts = {name: _text(value) for name, value in values.items() if not _is_foreign(name)}
    given = {
        name: known[name].read(text) if name in known else text for name, text in texts.items()
    }
    try:
        return declared.model_validate(given)
    except ValidationError as error:
        raise HyperparameterError(_message(error, texts, known)) from error


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN_PREFIX) or name in _FOREIGN_NAMES


def _message(
    error: ValidationError, texts: Mapping[str, str], known: Mapping[str, Declaration]
) -> str:
    """Return all mistakes; more than a few begin with the names of all."""
    places = [mistake["loc"] for mistake in error.errors()]
    wrong = [name for name in known if any(place[:1] == (name,) for place in places)]
    given = [name for name in texts if name in wrong]
    missing = [name for name in wrong if name not in texts]
    unknown = [name for name in texts if name not in known]
    sentences = [
        *(_refusal(known[name], f"is {_cut(texts[name])!r}") for name in given),
        *(_refusal(known[name], "is missing") for name in missing),
        *_of_unknown(unknown, known),
        *(str(m["ctx"]["error"]) for m in error.errors() if not m["loc"] and "ctx" in m),
    ]
    if len(sentences) > _FEW:
        names = [*given, *missing, *unknown]
        listed = ", ".join(map(_cut, names))
        sentences = [f"{len(names)} hyperparameters cannot be used: {listed}.", *sentences]
    return " ".join(sentences)


def _refusal(declaration: Declaration, found: str) -> str:
    return f"The hyperparameter {declaration.name!r} {found}; it must be {declaration.expected()}."


def _of_unknown(unknown: Sequence[str], known: Collection[str]) -> list[str]:
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


def _cut(text: str) -> str:
    return text[:80]


def _text(value: object) -> str:
    """Return the text of a value, without the JSON quotes that some SDKs leave inside."""
    text = value.strip() if isinstance(value, str) else json.dumps(value)
    if text.startswith('"'):
        with suppress(ValueError):  # a lone quote is part of the text; it is refused later
            text = str(json.loads(text))
    return text.strip()


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names[type(value)]
