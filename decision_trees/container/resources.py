"""Resources of the container: cores, memory, and the numbers that `serve` derives from them."""

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from container.errors import SettingsError

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
PROCESS_STATUS = PROC / "self/status"
MEBIBYTE = 1024 * 1024

WORKER_BYTES = 160 * MEBIBYTE
"""Memory that one worker needs in addition to its model.

Measured on x86-64 with Python 3.11 and the model of the Iris table as the proportional set size
(Pss): 65 MiB for one worker, 46 MiB for each of three; with bodies of 6 MiB 152 and 142 MiB.
"""

MODEL_FACTOR = 13
"""Memory that one worker needs for the model, as a multiple of the largest file.

The model is loaded once, before the fork: at its peak this takes 10 to 19 times the file, less than
the memory of two workers; afterwards 3 to 7 times, which the workers share. Measured as VmHWM and
VmRSS above the imports, for 5 to 67 MB: 9.8 and 11.8 (classification), 18.5 and 19.0 (regression).
"""

CONCURRENT_BODIES = 2
"""Maximum number of large bodies in a worker's memory: one is read while another is computed."""

_WORKING_BYTES = 64 * MEBIBYTE
"""Part of WORKER_BYTES that is left to requests."""

_MIN_REQUEST_BYTES = 16 * MEBIBYTE
UNKNOWN_REQUEST_BYTES = 2048 * MEBIBYTE

BODY_BUFFER_BYTES = 8 * MEBIBYTE
"""Maximum size of a request body that is buffered in memory; batch transform sends 6 MB by default.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

CONCURRENT_MEGABYTES = 100
"""Maximum size of all concurrent mini-batches of a batch transform; source as above."""

MINI_BATCH_MEGABYTES = 6
"""The platform's default size of a mini-batch; source as above."""

_BUFFERED_BODIES = 256  # use at most a quarter of the memory
_MIN_BUFFER_BYTES = 16 * 1024  # nginx's own default

_UNLIMITED = 2**60  # cgroups of version 1 have a limit near 2**63 if there is none

_HAS_AFFINITY = hasattr(os, "sched_getaffinity")  # macOS has none

_M_MMAP_MAX = -4  # of malloc.h
_DEFAULT_MMAP_MAX = 65536  # of glibc

_TO_CHANGE_USER = 1 << 0 | 1 << 6 | 1 << 7  # CAP_CHOWN, CAP_SETGID, CAP_SETUID


@dataclass(frozen=True)
class Resources:
    """Resources that the container may use."""

    affinity: int
    """Number of cores that this process may run on."""

    quota: float | None
    """CPU time that the cgroup grants, in cores; None without a limit."""

    memory: int | None
    """Memory in bytes; None if it is unknown."""

    @classmethod
    def of_this_process(cls, cgroup_root: Path = CGROUP_ROOT, proc: Path = PROC) -> Self:
        """Read the resources from the system."""
        return cls(
            affinity=len(os.sched_getaffinity(0)) if _HAS_AFFINITY else os.cpu_count() or 1,
            quota=available_quota(cgroup_root, proc),
            memory=available_memory(cgroup_root, proc),
        )

    @property
    def cores(self) -> int:
        """The affinity, limited to the quota rounded up: 1.5 cores keep a second worker busy."""
        if self.quota is None:
            return self.affinity
        return max(1, min(self.affinity, math.ceil(self.quota)))

    def explain(self, worker_bytes: int) -> str:
        """Return the numbers behind `worker_count`, for the log."""
        size = f"{worker_bytes // MEBIBYTE} MiB"
        quota = "no quota" if self.quota is None else f"{self.quota:.4g} by quota"
        memory = f"unknown memory for workers of {size}"
        if self.memory is not None:
            fitting = counted(self.memory // worker_bytes, "worker")
            memory = f"{self.memory // MEBIBYTE} MiB of memory for {fitting} of {size}"
        return f"{counted(self.affinity, 'core')} by affinity, {quota}, {memory}"


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural unless the number is 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def worker_count(cores: int, memory: int | None, worker_bytes: int) -> int:
    """Return the number of workers that have a core each and fit into memory; at least 1."""
    return cores if memory is None else max(1, min(cores, memory // worker_bytes))


def request_bytes(memory: int | None, workers: int, worker_bytes: int) -> int:
    """Return the memory that one request may take, if every worker computes CONCURRENT_BODIES."""
    if memory is None:
        return UNKNOWN_REQUEST_BYTES
    free = memory // workers - worker_bytes + _WORKING_BYTES
    return max(_MIN_REQUEST_BYTES, free // CONCURRENT_BODIES)


def body_buffer_bytes(memory: int | None) -> int:
    """Return the maximum size of a body that is buffered in memory and not in a file."""
    if memory is None:
        return MEBIBYTE
    return max(_MIN_BUFFER_BYTES, min(BODY_BUFFER_BYTES, memory // 4 // _BUFFERED_BODIES))


def worker_size(model: Path) -> int:
    """Return the bytes that a worker needs for the model in a directory.

    The largest file counts as the model: local mode of the SageMaker SDK leaves the archive there.
    """
    try:
        sizes = [file.stat().st_size for file in model.iterdir()]
    except OSError:  # reported when the model is loaded
        sizes = []
    return WORKER_BYTES + MODEL_FACTOR * max(sizes, default=0)


def mini_batches(workers: int, concurrent: int, megabytes: int | None) -> tuple[int, int]:
    """Return the number of concurrent mini-batches, and the maximum MB of each (0: no limit).

    Args:
        workers: the number of workers, each of which computes one response at a time.
        concurrent: SAGEMAKER_MAX_CONCURRENT_TRANSFORMS, 0 if it is not set.
        megabytes: SAGEMAKER_MAX_PAYLOAD_IN_MB, None if it is not set.

    Raises:
        SettingsError: both are set, and their product exceeds CONCURRENT_MEGABYTES.
    """
    if megabytes is None:
        concurrent = concurrent or min(workers, CONCURRENT_MEGABYTES // MINI_BATCH_MEGABYTES)
        return concurrent, max(1, min(MINI_BATCH_MEGABYTES, CONCURRENT_MEGABYTES // concurrent))
    if concurrent * megabytes > CONCURRENT_MEGABYTES:
        raise SettingsError(
            f"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS is {concurrent} and SAGEMAKER_MAX_PAYLOAD_IN_MB "
            f"is {megabytes}, which makes {concurrent * megabytes} MB at once; batch transform "
            f"allows {CONCURRENT_MEGABYTES}, so lower one of them."
        )
    megabytes = min(megabytes, CONCURRENT_MEGABYTES)
    fitting = CONCURRENT_MEGABYTES // megabytes if megabytes else workers
    return concurrent or min(workers, fitting), megabytes


def available_quota(cgroup_root: Path = CGROUP_ROOT, proc: Path = PROC) -> float | None:
    """Return the CPU quota in cores, None without one. CPU shares are weights and do not count.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and
    https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us).
    """
    pairs = []
    for cgroup in _cgroups("cpu", cgroup_root, proc):
        v1 = _words(cgroup / "cpu.cfs_quota_us") + _words(cgroup / "cpu.cfs_period_us")
        pairs += [_words(cgroup / "cpu.max"), v1]
    limited = [pair for pair in pairs if len(pair) == 2 and pair[0] not in ("max", "-1")]
    return min((int(quota) / int(period) for quota, period in limited), default=None)


def available_memory(cgroup_root: Path = CGROUP_ROOT, proc: Path = PROC) -> int | None:
    """Return the available memory in bytes: the lowest limit, or the memory of the machine.

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


def give_memory_back() -> None:
    """Return freed memory to the system, of which glibc otherwise keeps a part.

    Source: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def may_change_user(status: Path = PROCESS_STATUS) -> bool:
    """Return whether this process may start others as another user: root with its capabilities.

    Source: https://man7.org/linux/man-pages/man7/capabilities.7.html.
    """
    if os.geteuid() != 0:
        return False
    words = _words(status)
    if "CapEff:" not in words:
        return True  # root on a system other than Linux
    effective = int(words[words.index("CapEff:") + 1], 16)
    return effective & _TO_CHANGE_USER == _TO_CHANGE_USER


def _cgroups(controller: str, cgroup_root: Path, proc: Path) -> Iterator[Path]:
    """Yield the directories of the cgroups whose limits apply to this process.

    A limit applies to all cgroups below it. In a container the kernel may report a path of the
    host; the container's own cgroup is then mounted as the root.

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
