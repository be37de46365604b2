"""Documentation of hyperparameters: `train --help` for people, `train --schema` for SageMaker."""

import json
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from container.hyperparameters.declaration import (
    Declaration,
    Kind,
    declarations,
    integer_range,
    number_range,
    words,
)
from container.paths import Paths

USAGE = """\
usage: train             train on the data below /opt/ml/input, as SageMaker does
       train --help      show this help
       train --schema    show the hyperparameters as SageMaker's CreateAlgorithm takes them
"""

_WIDTH = 100


def show(arguments: Sequence[str], declared: type[BaseModel]) -> int:
    """Entry point of `train` with arguments: print what they ask for, return the exit code."""
    match arguments:
        case ["--help"]:
            sys.stdout.write(help_text(declared))
        case ["--schema"]:
            sys.stdout.write(json.dumps(specification(declared), indent=2) + "\n")
        case _:
            sys.stderr.write(USAGE)
            return os.EX_USAGE
    return os.EX_OK


def help_text(declared: type[BaseModel]) -> str:
    """Return the output of `train --help`: its usage, and a table of the hyperparameters."""
    listed = declarations(declared)
    indent = max((len(declaration.name) for declaration in listed), default=0) + 2
    source = (
        f"The hyperparameters of a job are in {Paths().hyperparameters}, "
        'a flat JSON object of strings: {"NAME": "VALUE", ...}. '
        "None may also be written null, or left empty."
    )
    rows = [_row(declaration, indent) for declaration in listed]
    return "\n".join([USAGE, textwrap.fill(source, _WIDTH), "", *rows, ""])


def specification(declared: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the hyperparameters as the SupportedHyperParameters of SageMaker's CreateAlgorithm.

    A hyperparameter of several types is FreeText, because SageMaker must not refuse what a job
    accepts. None does not count: it is the value of a hyperparameter that is not given.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterSpecification.html
    """
    return [_specification(declaration) for declaration in declarations(declared)]


def _row(declaration: Declaration, indent: int) -> str:
    default = "Required" if declaration.is_required else f"Default: {declaration.default}"
    taken = f"{default}. Takes {declaration.expected()}."
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
        "IsRequired": declaration.is_required,
    }
    default = declaration.default
    return (
        required
        | ({"Range": bounds} if bounds else {})
        | ({} if default is None else {"DefaultValue": str(default)})
    )


def _type_and_range(kinds: Sequence[Kind]) -> tuple[str, dict[str, Any]]:
    """Return SageMaker's type and range; the range of FreeText is empty."""
    match [kind for kind in kinds if kind.get("type") != "null"]:
        case [{"type": "integer"} as kind]:
            return "Integer", _interval("Integer", *integer_range(kind))
        case [{"type": "number"} as kind]:
            return "Continuous", _interval("Continuous", *number_range(kind))
        case [{"type": "boolean"}]:
            return "Categorical", _values(["True", "False"])
        case [kind] if words(kind):
            return "Categorical", _values(words(kind))
    return "FreeText", {}


def _interval(kind: str, minimum: float, maximum: float) -> dict[str, Any]:
    bounds = {"MinValue": str(minimum), "MaxValue": str(maximum)}
    return {f"{kind}ParameterRangeSpecification": bounds}


def _values(values: list[str]) -> dict[str, Any]:
    return {"CategoricalParameterRangeSpecification": {"Values": values}}
