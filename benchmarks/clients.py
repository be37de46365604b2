"""The clients that make load and measure it: wrk and curl, in processes of their own."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bodies import Body
from benchmarks.stacks import BenchmarkError, Server

_SCRIPT = Path(__file__).resolve().parent / "load.lua"


@dataclass(frozen=True)
class Load:
    """What a server did under a load."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


def load(server: Server, body: Body, connections: int, seconds: int) -> Load:
    """Post a body without a pause on some connections.

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
    told = json.loads(_output(command).splitlines()[-1])
    if told["failures"] or not told["requests"]:
        raise server.failed(f"a load of {body.file.name} failed: {told}")
    return Load(
        requests_per_second=told["requests"] / told["microseconds"] * 1e6,
        p50_milliseconds=told["p50"] / 1000,
        p99_milliseconds=told["p99"] / 1000,
    )


def post_seconds(server: Server, body: Body, reply: Path | None = None) -> float:
    """Post a body once, on a new connection; return the seconds until the whole reply is here.

    Raises:
        BenchmarkError: the status is not 200.
    """
    command = ["curl", "--silent", "--show-error", "--data-binary", f"@{body.file}"]
    command += ["--header", f"Content-Type: {body.content_type}", "--header", "Expect:"]
    command += ["--header", f"Accept: {body.content_type}"]
    command += ["--output", str(reply or "/dev/null"), "--write-out", "%{http_code} %{time_total}"]
    status, seconds = _output([*command, f"http://127.0.0.1:{server.port}/invocations"]).split()
    if status != "200":
        raise server.failed(f"{body.file.name} was answered with status {status}")
    return float(seconds)


def post_to_all(server: Server, body: Body, workers: int) -> None:
    """Post so much at once, three times over, that each worker has its part."""
    at_once = 2 * workers
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: post_seconds(server, body), range(at_once * 3)))


def _output(command: list[str]) -> str:
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise BenchmarkError(f"{command[0]} failed: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout
