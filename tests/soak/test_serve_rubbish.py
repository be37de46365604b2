"""Fuzz test of `serve` with malformed requests.

`pytest --soak --log-cli-level=INFO tests/soak` logs the number of responses of each status.
"""

import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from support.load.connections import Connection, Fate, Response, flaw_of, read_answers
from support.load.observation import StartServe, workers
from support.load.rubbish import Rubbish

N_RUBBISH = 20_000
N_CONNECTIONS = 8
DOCUMENTED = {200, 400, 404, 405, 406, 408, 413, 414, 415, 431}

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.soak


def test_serve_survives_malformed_requests(start_serve: StartServe) -> None:
    """Each response has a documented status, never 500, and no worker is replaced."""
    server = start_serve()
    before = workers(server)

    senders = [_Sender(server.port, seed) for seed in range(N_CONNECTIONS)]

    begun = time.monotonic()
    with ThreadPoolExecutor(N_CONNECTIONS) as pool:
        list(pool.map(lambda sender: sender.send(N_RUBBISH // N_CONNECTIONS), senders))
    statuses = sum((sender.statuses for sender in senders), Counter[int]())
    logger.info("%s in %.0f s", statuses, time.monotonic() - begun)

    assert not [flaw for sender in senders for flaw in sender.flaws]
    assert workers(server) == before
    assert not [line for line in server.lines() if "exception" in line]
    assert "Traceback" not in server.errors()
    assert server.request("/ping").status == 200


class _Sender:
    """Client that sends malformed requests and judges the responses."""

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._rubbish = Rubbish(seed)
        self.statuses = Counter[int]()
        self.flaws: list[str] = []

    def send(self, count: int) -> None:
        """Send `count` requests; every fourth may not be HTTP and has its own connection."""
        connection = Connection(self._port)
        for number in range(count):
            if number % 4 == 3:
                self._send_unframed()
            elif not self._send_framed(connection):
                connection.close()
                connection = Connection(self._port)
        connection.close()

    def _send_framed(self, connection: Connection) -> bool:
        """Send a request that must be answered; return whether the connection stays open."""
        call = self._rubbish.framed()
        fate, answer = connection.ask(call)
        if answer is None:
            self.flaws.append(f"{fate}: {call}")
            return False
        self._judge(call, answer, has_body=not call.head.startswith(b"HEAD "))
        return not answer.closes

    def _send_unframed(self) -> None:
        wire = self._rubbish.unframed()
        with closing(Connection(self._port)) as connection:
            received = connection.talk(wire)
        if received.startswith(b'{"error"'):
            return  # a request without a version is HTTP/0.9, whose responses have no head
        try:
            for answer in read_answers(received):
                self._judge(wire, answer)
        except ValueError:
            self.flaws.append(f"{Fate.CUT}: {wire!r}: {received!r}")

    def _judge(self, request: object, answer: Response, *, has_body: bool = True) -> None:
        self.statuses[answer.status] += 1
        is_well_formed = answer.status < 400 or not has_body or flaw_of(answer) is None
        if answer.status not in DOCUMENTED or not is_well_formed:
            self.flaws.append(f"{request!r}: {answer}")
