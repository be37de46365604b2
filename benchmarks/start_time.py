"""Measure start-up: the time until a process or a container returns 200 for /ping."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import WORKERS, Bench, announce, interleaved
from benchmarks.figures import CLASSIC, OURS
from benchmarks.stacks import Stack, await_ready, free_port, starting

PROCESS = "serve to the first 200"
CONTAINER = "docker run to the first 200"
CONTAINER_FULL = "docker run to the first 200, image that also trains"
_IMAGES = {
    CONTAINER: {CLASSIC: "classic", OURS: "inference"},
    CONTAINER_FULL: {CLASSIC: "classic", OURS: "full"},
}


def measure(bench: Bench) -> None:
    """Start servers, one at a time, and measure the selected figures."""
    if bench.results.wants(PROCESS):
        announce(PROCESS)
        for name in interleaved((CLASSIC, OURS), bench.effort.rounds):
            seconds = start_seconds(bench.stacks[name], bench.base(name))
            bench.results.add(PROCESS, "s", name, seconds)
    for title, targets in _IMAGES.items():
        if bench.images is None:
            bench.results.leave_out(title, "without Docker")
        elif bench.results.wants(title):
            announce(title)
            for name in interleaved((CLASSIC, OURS), bench.effort.rounds):
                seconds = _run_seconds(
                    f"{bench.images}-{targets[name]}", bench.base(name) / "model"
                )
                bench.results.add(title, "s", name, seconds)


def start_seconds(stack: Stack, base: Path) -> float:
    """Return the seconds from the start of `serve` to the first 200."""
    begun = time.monotonic()
    with starting(stack, base, WORKERS) as server:
        server.await_ready()
        return time.monotonic() - begun


def _run_seconds(image: str, model: Path) -> float:
    """Return the seconds from `docker run` to the first 200 on the published port."""
    port = free_port()
    begun = time.monotonic()
    with _container(image, model, port) as client:
        await_ready(port, client)
        return time.monotonic() - begun


@contextmanager
def _container(image: str, model: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a container and yield the process of `docker run`; remove the container at the end."""
    name = f"benchmark-{uuid.uuid4().hex}"
    command = ["docker", "run", "--detach", "--name", name, f"--publish=127.0.0.1:{port}:8080"]
    command += [f"--env=MODEL_SERVER_WORKERS={WORKERS}"]
    command += [f"--mount=type=bind,source={model},target=/opt/ml/model,readonly", image, "serve"]
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield client
    finally:
        client.wait()
        remove = ["docker", "rm", "--force", name]
        subprocess.run(remove, check=False, capture_output=True)
