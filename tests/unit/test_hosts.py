"""Hosts of a job, read from resourceconfig.json."""

import json
from pathlib import Path

import pytest

from container.distributed import hosts
from container.distributed.peer import Hosts
from container.errors import SettingsError
from container.paths import Paths
from support.material import OptMl


def configure(opt_ml: OptMl, content: object) -> Path:
    """Write resourceconfig.json; text is written as it is."""
    file = Paths(opt_ml.base).resource_config
    file.parent.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text(text)
    return file


def test_hosts_are_sorted(opt_ml: OptMl) -> None:
    """All hosts agree on the order, which is that of text and not that of the file."""
    config = {"current_host": "algo-2", "hosts": ["algo-2", "algo-10", "algo-1"], "more": 1}

    found = hosts.read(configure(opt_ml, config))

    assert found == Hosts(("algo-1", "algo-10", "algo-2"), "algo-2")
    assert (found.rank, found.are_several) == (2, True)


@pytest.mark.parametrize("config", [{}, {"hosts": []}, {"hosts": ["a"], "current_host": "a"}])
def test_job_may_have_one_host(opt_ml: OptMl, config: object) -> None:
    """A file with at most one host is like no file."""
    assert not hosts.read(configure(opt_ml, config)).are_several
    assert not hosts.read(Path("/nowhere")).are_several


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "[]",
        {"hosts": "ab", "current_host": "a"},
        {"hosts": ["a", "a"], "current_host": "a"},
        {"hosts": ["a", 1], "current_host": "a"},
        {"hosts": ["a", "b"], "current_host": "c"},
        {"hosts": ["a", "b"]},
    ],
)
def test_unusable_list_of_hosts_is_refused(opt_ml: OptMl, content: object) -> None:
    """Hosts that do not know each other would wait in vain, or read rows twice."""
    with pytest.raises(SettingsError, match=r"resourceconfig\.json "):
        hosts.read(configure(opt_ml, content))
