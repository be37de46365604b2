"""Hyperparameters as the arguments of a command line, as the training toolkit writes them."""

from collections.abc import Mapping
from typing import Any


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return `--NAME VALUE` for each, sorted by name; `-N VALUE` for a name of one letter.

    There are no flags: true is `--NAME True`. A list is written as Python writes it, an object as
    `key=value,key=value`, null as an empty argument.

    Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/mapping.py
    """
    written = []
    for name in sorted(hyperparameters):
        written += [_option(name), _text(hyperparameters[name])]
    return written


def _option(name: str) -> str:
    if not name:
        return ""
    return f"--{name}" if len(name) > 1 else f"-{name}"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return str(value)
