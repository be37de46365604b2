"""Measure memory and size: the PSS of all processes, and the size of the images."""

import subprocess
import time
from pathlib import Path

from benchmarks.bench import Bench, announce, interleaved
from benchmarks.clients import post_to_all
from benchmarks.figures import CLASSIC, OURS
from benchmarks.request_bodies import ROWS_4_8_MB
from benchmarks.stacks import BenchmarkError, StackServer

PSS = {
    workers: f"PSS with {workers} worker{'' if workers == 1 else 's'} after large bodies"
    for workers in (1, 2, 8)
}
REST_SECONDS = 10
"""Time to wait until a server has released the memory that it keeps for the next large body."""

FULL_IMAGE = "image that also trains, without its base"
INFERENCE_IMAGE = "inference image without its base"
_TARGETS = {FULL_IMAGE: "full", INFERENCE_IMAGE: "inference"}


def measure(bench: Bench) -> None:
    """Measure the selected figures."""
    for workers, name in PSS.items():
        if bench.results.wants(name):
            announce(name)
            for stack in interleaved((CLASSIC, OURS), bench.effort.few_rounds):
                bench.results.add(name, "MB", stack, _pss_after_load(bench, stack, workers))
    for name, target in _TARGETS.items():
        if bench.images is None:
            bench.results.leave_out(name, "without Docker")
        elif bench.results.wants(name):
            base = image_megabytes(f"{bench.images}-base")
            for stack, image in ((CLASSIC, "classic"), (OURS, target)):
                size = image_megabytes(f"{bench.images}-{image}") - base
                bench.results.add(name, "MB", stack, size)


def _pss_after_load(bench: Bench, stack: str, workers: int) -> float:
    """Return the PSS in MB of a server that has answered large requests and is idle again.

    No other server runs meanwhile: two servers with the same libraries would share pages.
    """
    with bench.all_running(stack, workers=workers) as servers:
        post_to_all(servers[stack], bench.bodies.csv(ROWS_4_8_MB), workers)
        time.sleep(REST_SECONDS)
        return pss_megabytes(servers[stack])


def pss_megabytes(server: StackServer) -> float:
    """Return the sum of the proportional set sizes of all processes of a server.

    Source: https://www.kernel.org/doc/html/latest/filesystems/proc.html (smaps_rollup).
    """
    return sum(_pss_bytes(pid) for pid in server.pids()) / 1e6


def _pss_bytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return 1024 * int(text.split("\nPss:")[1].split()[0])


def image_megabytes(image: str) -> float:
    """Return the size of an image.

    Raises:
        BenchmarkError: the image does not exist.
    """
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise BenchmarkError(f"{image}: {ended.stderr.strip()}")
    return int(ended.stdout) / 1e6
