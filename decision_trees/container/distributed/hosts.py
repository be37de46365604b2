"""Hosts of a training job, read from resourceconfig.json."""

import re
from pathlib import Path
from typing import Any

from container.distributed.peer import THIS_ONE, Hosts
from container.errors import SettingsError
from container.paths import read_json

_NAME = re.compile(r"[\w.:%-]{1,253}")


def read(file: Path) -> Hosts:
    """Return the hosts listed in resourceconfig.json; without the file, this host only.

    Raises:
        SettingsError: the file is not a list of hosts that includes this one.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    config = read_json(file, SettingsError, "the platform writes it.")
    names: Any = config.get("hosts", []) if isinstance(config, dict) else None
    if names == []:
        return THIS_ONE
    if not _are_names(names) or config.get("current_host") not in names:
        raise SettingsError(
            f'{file} must list different host names as "hosts", and one of them as "current_host"; '
            "the platform writes it."
        )
    return Hosts(tuple(sorted(names)), config["current_host"])


def _are_names(names: Any) -> bool:
    return (
        isinstance(names, list)
        and all(isinstance(name, str) and _is_name(name) for name in names)
        and len(set(names)) == len(names)
    )


def _is_name(name: str) -> bool:
    """Return whether the resolver accepts a name, which may be an address."""
    try:
        return bool(_NAME.fullmatch(name) and name.encode("idna"))
    except UnicodeError:
        return False
