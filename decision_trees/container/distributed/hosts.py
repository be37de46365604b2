"""Hosts: which machines share a job, and which of them this is."""

import json
from dataclasses import dataclass
from typing import Any

from container.errors import SettingsError
from container.paths import Paths


@dataclass(frozen=True)
class Hosts:
    """The hosts of a job by name."""

    names: tuple[str, ...]
    """Sorted, so that all hosts agree which is the first."""

    current: str

    @property
    def rank(self) -> int:
        """The place of this host, from 0; the first leads, and writes the model."""
        return self.names.index(self.current)

    @property
    def are_several(self) -> bool:
        """Whether this host is not alone."""
        return len(self.names) > 1


THIS_ONE = Hosts(("localhost",), "localhost")


def find(paths: Paths) -> Hosts:
    """Return the hosts in resourceconfig.json; without the file this host is alone.

    Raises:
        SettingsError: the file is no list of hosts with this one in it.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    file = paths.resource_config
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return THIS_ONE
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file} is not JSON ({error}); the platform writes it.") from error
    names: Any = found.get("hosts", []) if isinstance(found, dict) else None
    if names == []:
        return THIS_ONE
    if not _are_names(names) or found.get("current_host") not in names:
        raise SettingsError(
            f'{file} has no list "hosts" of different names with "current_host" among them; the '
            "platform writes it."
        )
    return Hosts(tuple(sorted(names)), found["current_host"])


def _are_names(names: Any) -> bool:
    return (
        isinstance(names, list)
        and all(isinstance(name, str) and name for name in names)
        and len(set(names)) == len(names)
    )
