"""What the container may use of the machine, read from made-up cgroup directories."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from container.resources import _quota, available_cores, may_change_user
from container.settings import PROGRAM_DIR

CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cgroup(root: Path, **files: str) -> Path:
    """Write the files of a cgroup by their paths."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


V1_QUOTA = "cpu/cpu.cfs_quota_us"
V1_PERIOD = "cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "10000 100000\n"}, 0.1),
        ({"cpu.max": ""}, None),
        ({V1_QUOTA: "-1\n", V1_PERIOD: "100000\n"}, None),
        ({V1_QUOTA: "250000\n", V1_PERIOD: "100000\n"}, 2.5),
        ({V1_QUOTA: "250000\n"}, None),
        ({"cpu.max": "50000 100000\n", V1_QUOTA: "300000\n", V1_PERIOD: "100000\n"}, 0.5),
        ({"cpu/cpu.shares": "512\n"}, None),
    ],
)
def test_quota_is_read_from_both_versions_of_cgroups(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    """A quota counts in cores; without one there is none; shares are none."""
    root = cgroup(tmp_path, **files)

    assert _quota(root) == quota


@pytest.mark.parametrize(
    ("quota", "cores"), [(1, 1), (99_999, 1), (100_000, 1), (100_001, 2), (10**9, 10_000)]
)
def test_cores_are_the_quota_rounded_up(tmp_path: Path, quota: int, cores: int) -> None:
    """A part of a core counts as one, and never are there more cores than the machine has."""
    root = cgroup(tmp_path, **{"cpu.max": f"{quota} 100000"})

    assert available_cores(root) == min(CPUS, cores)


def test_cores_without_a_quota_are_those_of_the_process(tmp_path: Path) -> None:
    """Without a quota every core of the affinity counts."""
    assert available_cores(tmp_path) == CPUS


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_are_cut_to_the_affinity(tmp_path: Path) -> None:
    """A process that is bound to one core has one core."""
    script = (
        "import os, sys; from pathlib import Path; from container.resources import available_cores;"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "sys.exit(10 + available_cores(Path(sys.argv[1])))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=PROGRAM_DIR, check=False, timeout=60
    )

    assert ended.returncode == 11


@pytest.mark.parametrize(
    ("status", "may"),
    [
        ("CapPrm:\t0\nCapEff:\t00000000a80425fb\n", True),
        ("CapPrm:\t00000000a80425fb\nCapEff:\t0000000000000000\n", False),
        ("CapEff:\t0000000000000080\n", False),
        ("Name:\tpython3\n", True),
    ],
)
def test_root_may_change_user_when_it_has_the_capabilities(
    tmp_path: Path, status: str, may: bool
) -> None:
    """Anybody else may not, and root only as far as the container lets it."""
    file = tmp_path / "status"
    file.write_text(status)

    assert may_change_user(file) == (may and os.geteuid() == 0)
