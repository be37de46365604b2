"""What the container may use of the machine."""

import math
import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROCESS_STATUS = Path("/proc/self/status")

_TO_CHANGE_USER = 1 << 0 | 1 << 6 | 1 << 7  # CAP_CHOWN, CAP_SETGID, CAP_SETUID


def available_cores(cgroup_root: Path = CGROUP_ROOT) -> int:
    """Return how many cores this process may use: its affinity, cut to the cgroup's quota.

    A quota is rounded up: with 1.5 cores a second worker still has work. CPU shares are only
    weights, so they do not count.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and
    https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us).
    """
    affinity = _affinity()
    quota = _quota(cgroup_root)
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def may_change_user(status: Path = PROCESS_STATUS) -> bool:
    """Say whether this process may start others as another user: root that has its capabilities.

    Source: https://man7.org/linux/man-pages/man7/capabilities.7.html.
    """
    if os.geteuid() != 0:
        return False
    words = _words(status)
    if "CapEff:" not in words:
        return True  # not Linux, where root may do it
    effective = int(words[words.index("CapEff:") + 1], 16)
    return effective & _TO_CHANGE_USER == _TO_CHANGE_USER


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity


def _quota(cgroup_root: Path) -> float | None:
    """Return the quota in cores, None when there is none."""
    v2 = _words(cgroup_root / "cpu.max")
    v1 = _words(cgroup_root / "cpu/cpu.cfs_quota_us") + _words(
        cgroup_root / "cpu/cpu.cfs_period_us"
    )
    for words in (v2, v1):
        if len(words) == 2 and words[0] not in ("max", "-1"):
            return int(words[0]) / int(words[1])
    return None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # another version of cgroups, or none
        return []
