"""What the container may use of the machine, and how many workers that makes.

The mini-batches of a batch transform: how many at once, and how large.
"""

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from container.errors import SettingsError

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
PROCESS_STATUS = PROC / "self/status"

MEBIBYTE = 1024 * 1024

WORKER_BYTES = 160 * MEBIBYTE
"""What one worker needs beside its model.

Measured on x86-64 with Python 3.11 and the model of the Iris table, as the proportional set size
(Pss in /proc/PID/smaps_rollup) of gunicorn's workers: 65 MiB for one, 46 MiB for each of three; and
152 and 142 MiB when they answer bodies of 6 MiB, the default of batch transform.
"""

MODEL_FACTOR = 13
"""What each worker is given for the model, as times the largest file.

The model is loaded once, before the workers are forked from it: at its peak that takes 10 to 19
times the file, less than two workers are given, and leaves 3 to 7 times, which they share.

Measured as the resident size (VmHWM and VmRSS) over that of the imports, with trees whose largest
file has 5 to 67 MB: 9.8 and 11.8 for classification, 18.5 and 19.0 for regression.
"""

BODY_BUFFER_BYTES = 8 * MEBIBYTE
"""Up to here a body may wait in memory; batch transform sends 6 MB unless told otherwise.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

_WAITING_BODIES = 256  # take a quarter of the memory at most
_LEAST_BUFFER_BYTES = 16 * 1024  # nginx's own default

_UNLIMITED = 2**60  # version 1 of cgroups writes a number near 2**63 where there is no limit

_M_MMAP_MAX = -4  # of malloc.h
_MMAP_MAX = 65536  # what glibc begins with

_TO_CHANGE_USER = 1 << 0 | 1 << 6 | 1 << 7  # CAP_CHOWN, CAP_SETGID, CAP_SETUID


@dataclass(frozen=True)
class Resources:
    """What the container may use of the machine."""

    affinity: int
    """The cores that this process may run on."""

    quota: float | None
    """How many cores' time the cgroup grants; None without a limit."""

    memory: int | None
    """Bytes; None where the system does not tell."""

    @classmethod
    def of_this_process(cls, cgroup_root: Path = CGROUP_ROOT, proc: Path = PROC) -> Self:
        """Ask the system."""
        return cls(
            affinity=_affinity(),
            quota=available_quota(cgroup_root, proc),
            memory=available_memory(cgroup_root, proc),
        )

    @property
    def cores(self) -> int:
        """The affinity, cut to the quota rounded up: with 1.5 cores a second worker has work."""
        if self.quota is None:
            return self.affinity
        return max(1, min(self.affinity, math.ceil(self.quota)))

    def arithmetic(self, worker_bytes: int) -> str:
        """Tell what `worker_count` is made of, for the log."""
        size = f"{worker_bytes // MEBIBYTE} MiB"
        quota = "no quota" if self.quota is None else f"{self.quota:.4g} by quota"
        memory = f"unknown memory for workers of {size}"
        if self.memory is not None:
            held = counted(self.memory // worker_bytes, "worker")
            memory = f"{self.memory // MEBIBYTE} MiB of memory hold {held} of {size}"
        return f"{counted(self.affinity, 'core')} by affinity, {quota}, {memory}"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def worker_count(cores: int, memory: int | None, worker_bytes: int) -> int:
    """Return how many workers have a core each and fit into the memory; at least 1."""
    return cores if memory is None else max(1, min(cores, memory // worker_bytes))


def body_buffer_bytes(memory: int | None) -> int:
    """Return the size up to which the body of a request waits in memory, a larger one in a file."""
    if memory is None:
        return MEBIBYTE
    return max(_LEAST_BUFFER_BYTES, min(BODY_BUFFER_BYTES, memory // 4 // _WAITING_BODIES))


def worker_size(model: Path) -> int:
    """Return the bytes that a worker needs for the model in a directory.

    The largest file is taken as the model: local mode of the SageMaker SDK leaves the archive
    beside what it has unpacked.
    """
    try:
        sizes = [file.stat().st_size for file in model.iterdir()]
    except OSError:  # why there is no model is told when it is loaded
        sizes = []
    return WORKER_BYTES + MODEL_FACTOR * max(sizes, default=0)


def available_quota(cgroup_root: Path = CGROUP_ROOT, proc: Path = PROC) -> float | None:
    """Return the quota in cores, None without one. CPU shares are weights and do not count.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and
    https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us).
    """
    pairs = []
    for cgroup in _cgroups("cpu", cgroup_root, proc):
        v1 = _words(cgroup / "cpu.cfs_quota_us") + _words(cgroup / "cpu.cfs_period_us")
        pairs += [_words(cgroup / "cpu.max"), v1]
    quotas = [
        int(pair[0]) / int(pair[1])
        for pair in pairs
        if len(pair) == 2 and pair[0] not in ("max", "-1")
    ]
    return min(quotas, default=None)


def available_memory(cgroup_root: Path = CGROUP_ROOT, proc: Path = PROC) -> int | None:
    """Return the bytes of memory that the container may use: the least limit, or the machine's.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max) and
    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (memory.limit_in_bytes).
    """
    meminfo = _words(proc / "meminfo")
    limits = []
    if "MemTotal:" in meminfo:
        limits.append(int(meminfo[meminfo.index("MemTotal:") + 1]) * 1024)
    for cgroup in _cgroups("memory", cgroup_root, proc):
        words = _words(cgroup / "memory.max") + _words(cgroup / "memory.limit_in_bytes")
        limits += [int(word) for word in words if word != "max" and int(word) < _UNLIMITED]
    return min(limits, default=None)


@contextmanager
def on_the_heap() -> Iterator[None]:
    """Let glibc take large blocks of memory from its heap meanwhile, as it does small ones.

    Otherwise each has a mapping of its own, all of whose pages the system clears anew: a model is
    loaded in many such blocks, one after the other. Afterwards each has so again, which the system
    gets back as soon as it is free, and not with `give_memory_back`.

    Source: https://man7.org/linux/man-pages/man3/mallopt.3.html (M_MMAP_MAX)
    """
    try:
        limit_mappings = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        yield
        return
    limit_mappings(_M_MMAP_MAX, 0)
    try:
        yield
    finally:
        limit_mappings(_M_MMAP_MAX, _MMAP_MAX)


def give_memory_back() -> None:
    """Give what this process has freed back to the system; glibc keeps some of it otherwise.

    Source: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


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


def _cgroups(controller: str, cgroup_root: Path, proc: Path) -> Iterator[Path]:
    """Yield the directories of the cgroups whose limits hold for this process.

    A limit holds for all cgroups below it. In a container the path that the kernel tells may be
    one of the host; then what is mounted as the root is the container's own cgroup.

    Source: https://man7.org/linux/man-pages/man7/cgroups.7.html (/proc/pid/cgroup).
    """
    yield cgroup_root
    yield cgroup_root / controller
    for line in _lines(proc / "self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        directory = cgroup_root / controller if controllers else cgroup_root
        for part in PurePosixPath(path).parts[1:]:
            directory /= part
            yield directory


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:  # another version of cgroups, or none
        return []


TOGETHER_MEGABYTES = 100
"""What all mini-batches that are under way at once may have.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

DEFAULT_MEGABYTES = 6
"""What the platform gives a mini-batch unless it is told otherwise; source as above."""


def mini_batches(workers: int, concurrent: int, megabytes: int | None) -> tuple[int, int]:
    """Return how many mini-batches may be under way at once, and the MB of each, 0 for no limit.

    Args:
        workers: the worker processes, each of which computes one answer at a time.
        concurrent: what SAGEMAKER_MAX_CONCURRENT_TRANSFORMS says, 0 when it is not set.
        megabytes: what SAGEMAKER_MAX_PAYLOAD_IN_MB says, None when it is not set.

    Raises:
        SettingsError: both are set, and exceed TOGETHER_MEGABYTES together.
    """
    if megabytes is None:
        concurrent = concurrent or min(workers, TOGETHER_MEGABYTES // DEFAULT_MEGABYTES)
        return concurrent, max(1, min(DEFAULT_MEGABYTES, TOGETHER_MEGABYTES // concurrent))
    if concurrent * megabytes > TOGETHER_MEGABYTES:
        raise SettingsError(
            f"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS is {concurrent} and SAGEMAKER_MAX_PAYLOAD_IN_MB "
            f"is {megabytes}, which makes {concurrent * megabytes} MB at once; batch transform "
            f"allows {TOGETHER_MEGABYTES}, so lower one of them."
        )
    megabytes = min(megabytes, TOGETHER_MEGABYTES)
    return concurrent or _fitting(workers, megabytes), megabytes


def _fitting(workers: int, megabytes: int) -> int:
    return min(workers, TOGETHER_MEGABYTES // megabytes) if megabytes else workers
