"""Load test of `serve` with bodies that describe more than they hold, while others are answered."""

import logging
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from support.amplifying import FORMATS, binaries, repeated
from support.load.connections import Call, Fate, run
from support.load.mixture import Mixture, post
from support.load.observation import StartServe, chance, workers

N_TEXTS = 4
BODY_BYTES = 1_000_000
WORKER_BYTES = 1024 * 2**20
"""Address space that a worker may add: two large requests and a small one with all their copies."""

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.soak


def test_serve_answers_others_while_bodies_amplify(
    start_serve: StartServe, mixture: Mixture
) -> None:
    """With limited memory no worker ends, and every other request is answered rightly."""
    server = start_serve()
    before = workers(server)
    for pid in before:
        most = _address_space(pid) + WORKER_BYTES
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
    done = threading.Event()
    begun = time.monotonic()

    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(run, server.port, _until(done, mixture.small()), 2)
        try:
            tally = run(server.port, iter(list(_amplifying())), 4)
        finally:
            done.set()
        small = others.result()
    logger.info("%s in %.0f s; others: %s", tally, time.monotonic() - begun, small)

    assert set(tally.statuses) <= {200, 400, 413}
    assert not small.but(Fate.RIGHT)
    assert small.counts[Fate.RIGHT] > 0
    assert workers(server) == before
    assert not [line for line in server.lines() if "exception" in line]


def _amplifying() -> Iterator[Call]:
    draw = Random(0)  # noqa: S311 - nothing here is a secret
    for content_type in FORMATS:
        is_text = content_type.startswith("text") or "json" in content_type
        texts = (repeated(content_type, draw, BODY_BYTES) for _ in range(N_TEXTS))
        for body in texts if is_text else binaries(content_type, BODY_BYTES):
            yield Call(*post(body, content_type, Accept="application/json;output=probabilities"))


def _until(done: threading.Event, calls: list[Call]) -> Iterator[Call]:
    draw = chance(0)
    return iter(lambda: None if done.is_set() else draw.choice(calls), None)


def _address_space(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()
