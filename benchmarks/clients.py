"""Load clients: run wrk and curl as processes, and return what they measured."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.request_bodies import Body
from benchmarks.stacks import BenchmarkError, StackServer

_SCRIPT = Path(__file__).resolve().parent / "load.lua"


@dataclass(frozen=True)
class Load:
    """Throughput and latency of a server under load."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


def load(server: StackServer, body: Body, connections: int, seconds: int) -> Load:
    """Post a body repeatedly, without a pause, on a number of connections.

    Raises:
        BenchmarkError: a request failed, or none was answered.
    """
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "60s", "--script", str(_SCRIPT)]
    command += [
        f"http://127.0.0.1:{server.port}/invocations",
        "--",
        str(body.file),
        body.content_type,
    ]
    result = json.loads(_output(command).splitlines()[-1])
    if result["failures"] or not result["requests"]:
        raise server.failed(f"a load of {body.file.name} failed: {result}")
    return Load(
        requests_per_second=result["requests"] / result["microseconds"] * 1e6,
        p50_milliseconds=result["p50"] / 1000,
        p99_milliseconds=result["p99"] / 1000,
    )


def post_seconds(server: StackServer, body: Body, reply: Path | None = None) -> float:
    """Post a body once, on a new connection; return the seconds until the response is complete.

    Raises:
        BenchmarkError: the status is not 200.
    """
    command = ["curl", "--silent", "--show-error", "--data-binary", f"@{body.file}"]
    command += ["--header", f"Content-Type: {body.content_type}", "--header", "Expect:"]
    command += ["--header", f"Accept: {body.content_type}"]
    command += ["--output", str(reply or "/dev/null"), "--write-out", "%{http_code} %{time_total}"]
    status, seconds = _output([*command, f"http://127.0.0.1:{server.port}/invocations"]).split()
    if status != "200":
        raise server.failed(f"the response to {body.file.name} has status {status}")
    return float(seconds)


def post_to_all(server: StackServer, body: Body, workers: int) -> None:
    """Post the body often enough, two per worker at once, that each worker receives some."""
    at_once = 2 * workers
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: post_seconds(server, body), range(at_once * 3)))


def _output(command: list[str]) -> str:
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise BenchmarkError(f"{command[0]} failed: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout
