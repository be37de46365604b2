"""What the hyperparameters are, told to people and to SageMaker from their one declaration."""

import json
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from container.hyperparameters.loader import Declaration, declarations
from container.paths import Paths
from container.value_types import Boolean, Choice, Integer, Kind, Null, Number

USAGE = """\
usage: train             train on the data below /opt/ml/input, as SageMaker does
       train --help      show this help
       train --schema    show the hyperparameters as SageMaker's CreateAlgorithm takes them
"""

_WIDTH = 100


def show(arguments: Sequence[str], declared: type) -> int:
    """Be `train` with arguments: print what they ask for, return the exit code."""
    match arguments:
        case ["--help"]:
            sys.stdout.write(help_text(declared))
        case ["--schema"]:
            sys.stdout.write(json.dumps(specification(declared), indent=2) + "\n")
        case _:
            sys.stderr.write(USAGE)
            return os.EX_USAGE
    return os.EX_OK


def help_text(declared: type) -> str:
    """Return what `train --help` prints: how it is called, and the hyperparameters as a table."""
    listed = declarations(declared)
    indent = max((len(declaration.name) for declaration in listed), default=0) + 2
    source = (
        f"The hyperparameters of a job are in {Paths().hyperparameters}, "
        'a flat JSON object of strings: {"NAME": "VALUE", ...}. '
        "None may also be written null, or left empty."
    )
    rows = [_row(declaration, indent) for declaration in listed]
    return "\n".join([USAGE, textwrap.fill(source, _WIDTH), "", *rows, ""])


def specification(declared: type) -> list[dict[str, Any]]:
    """Return the hyperparameters as SageMaker knows them, for SupportedHyperParameters.

    What takes several kinds of value is FreeText, so that SageMaker refuses nothing that a job
    accepts; None is what holds when the hyperparameter is not given.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterSpecification.html
    """
    return [_specification(declaration) for declaration in declarations(declared)]


def _row(declaration: Declaration, indent: int) -> str:
    taken = f"Default: {declaration.default}. Takes {declaration.expected()}."
    lines = [
        line
        for paragraph in (declaration.doc, taken)
        for line in textwrap.wrap(paragraph, _WIDTH - indent)
    ]
    return declaration.name.ljust(indent) + textwrap.indent("\n".join(lines), " " * indent).lstrip()


def _specification(declaration: Declaration) -> dict[str, Any]:
    kind, bounds = _type_and_range(declaration.kinds)
    required = {
        "Name": declaration.name,
        "Description": f"{declaration.doc} Takes {declaration.expected()}.",
        "Type": kind,
        "IsTunable": declaration.tunable and bool(bounds),
        "IsRequired": False,
    }
    default = declaration.default
    return (
        required
        | ({"Range": bounds} if bounds else {})
        | ({} if default is None else {"DefaultValue": str(default)})
    )


def _type_and_range(kinds: Sequence[Kind]) -> tuple[str, dict[str, Any]]:
    """Return SageMaker's type and range, which is empty for FreeText."""
    match [kind for kind in kinds if not isinstance(kind, Null)]:
        case [Integer() as kind]:
            return "Integer", _interval("Integer", kind.minimum, kind.maximum)
        case [Number() as kind]:
            highest = min(kind.maximum, sys.float_info.max)
            return "Continuous", _interval("Continuous", kind.minimum, highest)
        case [Boolean()]:
            return "Categorical", _words("True", "False")
        case [Choice() as kind]:
            return "Categorical", _words(*kind.words)
    return "FreeText", {}


def _interval(kind: str, minimum: float, maximum: float) -> dict[str, Any]:
    bounds = {"MinValue": str(minimum), "MaxValue": str(maximum)}
    return {f"{kind}ParameterRangeSpecification": bounds}


def _words(*words: str) -> dict[str, Any]:
    return {"CategoricalParameterRangeSpecification": {"Values": list(words)}}
