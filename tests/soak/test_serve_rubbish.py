"""A long test of `serve` with requests that nobody would write.

`pytest --soak --log-cli-level=INFO tests/soak` tells how many there were of each status.
"""

import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from support.load.connections import Answer, Connection, Fate, flaw_of, read_answers
from support.load.observation import StartServe, workers
from support.load.rubbish import Rubbish

N_RUBBISH = 20_000
N_CONNECTIONS = 8
DOCUMENTED = {200, 400, 404, 405, 406, 408, 413, 414, 415, 431}

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.soak


def test_serve_survives_requests_that_nobody_would_write(start_serve: StartServe) -> None:
    """Each gets one of the documented statuses, never 500, and no worker is replaced."""
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
    assert '"exception"' not in server.log.read_text()
    assert server.request("/ping").status == 200


class _Sender:
    """Sends rubbish, and keeps what the answers were."""

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._rubbish = Rubbish(seed)
        self.statuses = Counter[int]()
        self.flaws: list[str] = []

    def send(self, count: int) -> None:
        """Send so many requests, one in four on a connection of its own, as it may be no HTTP."""
        connection = Connection(self._port)
        for number in range(count):
            if number % 4 == 3:
                self._send_unframed()
            elif not self._send_framed(connection):
                connection.close()
                connection = Connection(self._port)
        connection.close()

    def _send_framed(self, connection: Connection) -> bool:
        """Send a request that must be answered; return whether the connection goes on."""
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
            return  # without a version the request is HTTP/0.9, whose answers have no head
        try:
            for answer in read_answers(received):
                self._judge(wire, answer)
        except ValueError:
            self.flaws.append(f"{Fate.CUT}: {wire!r}: {received!r}")

    def _judge(self, request: object, answer: Answer, *, has_body: bool = True) -> None:
        self.statuses[answer.status] += 1
        is_told = answer.status < 400 or not has_body or flaw_of(answer) is None
        if answer.status not in DOCUMENTED or not is_told:
            self.flaws.append(f"{request!r}: {answer}")
