"""Resources of the container, read from artificial cgroup directories."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.resources import (
    Resources,
    available_memory,
    available_quota,
    body_buffer_bytes,
    may_change_user,
    worker_count,
    worker_size,
)
from support.processes import python

CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
GIB = 1024**3
MIB = 1024**2


def tree(root: Path, **files: str) -> tuple[Path, Path]:
    """Write files by their paths; return the root of the cgroups and /proc."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root / "cgroup", root / "proc"


MEMBER = "proc/self/cgroup"
V1_QUOTA = "cgroup/cpu/cpu.cfs_quota_us"
V1_PERIOD = "cgroup/cpu/cpu.cfs_period_us"
DOCKER_V2 = "0::/system.slice/docker-1.scope\n"
DOCKER_V1 = "12:pids:/docker/1\n5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/x\n"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"cgroup/cpu.max": "max 100000\n"}, None),
        ({"cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"cgroup/cpu.max": "10000 100000\n"}, 0.1),
        ({"cgroup/cpu.max": ""}, None),
        ({V1_QUOTA: "-1\n", V1_PERIOD: "100000\n"}, None),
        ({V1_QUOTA: "250000\n", V1_PERIOD: "100000\n"}, 2.5),
        ({V1_QUOTA: "250000\n"}, None),
        ({"cgroup/cpu.max": "50000 100000\n", V1_QUOTA: "300000\n", V1_PERIOD: "100000\n"}, 0.5),
        ({"cgroup/cpu/cpu.shares": "512\n"}, None),
        (
            {MEMBER: DOCKER_V2, "cgroup/system.slice/docker-1.scope/cpu.max": "200000 100000"},
            2,
        ),
        (
            {
                MEMBER: DOCKER_V2,
                "cgroup/system.slice/docker-1.scope/cpu.max": "200000 100000",
                "cgroup/system.slice/cpu.max": "100000 100000",
            },
            1,
        ),
        ({MEMBER: DOCKER_V1, V1_QUOTA: "300000\n", V1_PERIOD: "100000\n"}, 3),
        (
            {
                MEMBER: DOCKER_V1,
                "cgroup/cpu/docker/1/cpu.cfs_quota_us": "150000",
                "cgroup/cpu/docker/1/cpu.cfs_period_us": "100000",
                "cgroup/cpu/docker/2/cpu.cfs_quota_us": "50000",
                "cgroup/cpu/docker/2/cpu.cfs_period_us": "100000",
            },
            1.5,
        ),
    ],
)
def test_quota_is_the_minimum_of_both_cgroup_versions(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    """Quotas of all cgroups above the process apply, in cores; None without a quota."""
    assert available_quota(*tree(tmp_path, **files)) == quota


MEMINFO = {"proc/meminfo": "MemTotal:        8388608 kB\nMemFree:         1024 kB\n"}
V1_NONE = "9223372036854771712\n"


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({}, None),
        ({"cgroup/memory.max": "max\n"}, None),
        ({"cgroup/memory.max": "1073741824\n"}, GIB),
        ({"cgroup/memory/memory.limit_in_bytes": V1_NONE}, None),
        ({"cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, GIB),
        (MEMINFO, 8 * GIB),
        (MEMINFO | {"cgroup/memory.max": "max\n"}, 8 * GIB),
        (MEMINFO | {"cgroup/memory/memory.limit_in_bytes": V1_NONE}, 8 * GIB),
        (MEMINFO | {"cgroup/memory.max": str(16 * GIB)}, 8 * GIB),
        (MEMINFO | {"cgroup/memory.max": str(2 * GIB)}, 2 * GIB),
        (
            {
                MEMBER: DOCKER_V2,
                "cgroup/system.slice/docker-1.scope/memory.max": str(3 * GIB),
                "cgroup/system.slice/memory.max": str(2 * GIB),
                "cgroup/system.slice/docker-2.scope/memory.max": str(GIB),
            },
            2 * GIB,
        ),
        (
            {
                MEMBER: DOCKER_V1,
                "cgroup/memory/memory.limit_in_bytes": V1_NONE,
                "cgroup/memory/docker/1/memory.limit_in_bytes": str(GIB),
                "cgroup/cpu/docker/1/memory.limit_in_bytes": "1",
            },
            GIB,
        ),
        ({MEMBER: "0::/../../other\n", "cgroup/memory.max": str(GIB)}, GIB),
    ],
)
def test_memory_is_the_lowest_limit(
    tmp_path: Path, files: dict[str, str], memory: int | None
) -> None:
    """Limits of all cgroups above the process and the machine's memory apply."""
    assert available_memory(*tree(tmp_path, **files)) == memory


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [(8, None, 8), (8, 1.5, 2), (8, 2.0, 2), (8, 0.01, 1), (2, 10.0, 2), (1, 1.00001, 1)],
)
def test_cores_are_the_affinity_limited_to_the_quota(
    affinity: int, quota: float | None, cores: int
) -> None:
    """The quota is rounded up to whole cores."""
    assert Resources(affinity, quota, memory=None).cores == cores


def test_resources_without_cgroups(tmp_path: Path) -> None:
    """Without cgroups the cores are those of the affinity, and there are no limits."""
    assert Resources.of_this_process(*tree(tmp_path)) == Resources(CPUS, None, None)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_are_limited_to_the_affinity() -> None:
    """A process that may run on one core has one core."""
    script = (
        "import os, sys; from container.resources import Resources;"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "sys.exit(10 + Resources.of_this_process().cores)"
    )

    ended = python(script)

    assert ended.returncode == 11


@given(st.integers(1, 512), st.integers(0, 2**42), st.integers(1, 2**42))
def test_workers_have_a_core_each_and_fit_into_memory(cores: int, memory: int, size: int) -> None:
    """There is at least one worker, and no core or memory for another one."""
    count = worker_count(cores, memory, size)

    assert 1 <= count <= cores
    assert count == 1 or count * size <= memory
    assert count == cores or (count + 1) * size > memory
    assert worker_count(cores, None, size) == cores


def test_worker_size_depends_on_the_largest_file_of_the_model(tmp_path: Path) -> None:
    """An empty or missing directory leaves the constant part."""
    assert worker_size(tmp_path) == worker_size(tmp_path / "absent") == 160 * MIB

    (tmp_path / "model.json").write_bytes(bytes(10))
    (tmp_path / "model.onnx").write_bytes(bytes(1000))

    assert worker_size(tmp_path) == 160 * MIB + 13 * 1000


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (
            Resources(2, 1.5, GIB),
            "2 cores by affinity, 1.5 by quota, 1024 MiB of memory for 9 workers of 110 MiB",
        ),
        (
            Resources(1, None, 120 * MIB),
            "1 core by affinity, no quota, 120 MiB of memory for 1 worker of 110 MiB",
        ),
        (
            Resources(64, 1 / 3, None),
            "64 cores by affinity, 0.3333 by quota, unknown memory for workers of 110 MiB",
        ),
    ],
)
def test_explanation_has_all_numbers(resources: Resources, expected: str) -> None:
    """The log has every number from which the number of workers is computed."""
    assert resources.explain(110 * MIB) == expected


@pytest.mark.parametrize(
    ("status", "may"),
    [
        ("CapPrm:\t0\nCapEff:\t00000000a80425fb\n", True),
        ("CapPrm:\t00000000a80425fb\nCapEff:\t0000000000000000\n", False),
        ("CapEff:\t0000000000000080\n", False),
        ("Name:\tpython3\n", True),
    ],
)
def test_root_may_change_user_with_capabilities(tmp_path: Path, status: str, may: bool) -> None:
    """Other users may not, and root only with the capabilities of the container."""
    file = tmp_path / "status"
    file.write_text(status)

    assert may_change_user(file) == (may and os.geteuid() == 0)


@pytest.mark.parametrize(
    ("memory", "size"),
    [
        (None, 2**20),
        (64 * GIB, 8 * 2**20),
        (4 * GIB, 4 * 2**20),
        (GIB // 2, 2**19),
        (2**20, 16 * 1024),
    ],
)
def test_buffered_bodies_use_a_quarter_of_the_memory(memory: int | None, size: int) -> None:
    """256 bodies fit into a quarter of the memory; the size has a minimum and a maximum."""
    assert body_buffer_bytes(memory) == size
