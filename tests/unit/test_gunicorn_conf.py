"""What gunicorn's workers do beside gunicorn; tests/contract has them at work."""

import http.client
import io
import json
import random
import resource
import signal
import socket
from collections.abc import Iterator
from http import HTTPStatus
from types import SimpleNamespace

import gevent
import gevent.socket
import pytest
from gunicorn.config import Config
from gunicorn.http.body import LengthReader
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

from container.serving.gunicorn_conf import _LargeBody, _OneWrite, _Page, _reply, when_ready
from support.processes import python


@pytest.fixture
def sockets() -> Iterator[tuple[gevent.socket.socket, gevent.socket.socket]]:
    """A connection: the client's end, and the worker's."""
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def post(body: bytes, n_bytes: int | None = None) -> bytes:
    """Return a request; its head may promise more bytes than there are."""
    n_bytes = len(body) if n_bytes is None else n_bytes
    return b"POST /invocations HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (n_bytes, body)


@pytest.mark.parametrize("n_bytes", [9000, 40_000, 20_000_000])
def test_large_body_is_read_whole_and_the_next_request_after_it(
    sockets: tuple[gevent.socket.socket, gevent.socket.socket], n_bytes: int
) -> None:
    """Neither what came together with the head nor what follows the body is lost or mixed up."""
    client, worker = sockets
    bodies = [random.Random(seed).randbytes(n_bytes) for seed in range(3)]  # noqa: S311
    sender = gevent.spawn(client.sendall, b"".join(map(post, bodies)))
    requests = RequestParser(Config(), worker, ("", 0))

    found = [_LargeBody(next(requests).body.reader).read(n_bytes) for _ in bodies]

    sender.get()
    assert found == bodies


def test_large_body_whose_client_goes_ends_there(
    sockets: tuple[gevent.socket.socket, gevent.socket.socket],
) -> None:
    """What has come is returned, and no byte more: the app sees that some are missing."""
    client, worker = sockets
    gevent.spawn(client.sendall, post(b"1,2\n" * 20_000, 1_000_000)).link(lambda _: client.close())
    body = _LargeBody(next(RequestParser(Config(), worker, ("", 0))).body.reader)

    assert body.read(1_000_000) == b"1,2\n" * 20_000
    assert body.read(8192) == b""


def test_length_that_is_only_promised_takes_no_memory() -> None:
    """Room is made as the body comes: what does not come costs nothing."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = LengthReader(SocketUnreader(SimpleNamespace(recv_into=lambda _: 0)), 2**30)

    assert _LargeBody(reader).read(2**30) == b""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1e5  # KB


def test_large_body_may_be_read_in_parts(
    sockets: tuple[gevent.socket.socket, gevent.socket.socket],
) -> None:
    """An app of one's own may read as it likes."""
    client, worker = sockets
    content = random.Random(0).randbytes(100_000)  # noqa: S311 - no secret
    gevent.spawn(client.sendall, post(content))
    body = _LargeBody(next(RequestParser(Config(), worker, ("", 0))).body.reader)

    parts = [body.read(0), body.read(7), body.readline(), body.read(50_000), body.read()]

    assert b"".join(parts) == content
    assert parts[2].endswith(b"\n")


def test_others_have_their_turn_between_the_pieces_of_a_large_body() -> None:
    """A ping is answered while a body keeps coming without a pause."""
    content = io.BytesIO(bytes(100_000))
    client = SimpleNamespace(recv_into=lambda place: content.readinto(place[:1000]))
    body = _LargeBody(LengthReader(SocketUnreader(client), 100_000))
    missing_at_ping: list[int] = []
    gevent.spawn(lambda: missing_at_ping.append(body.reader.length))

    body.read(100_000)

    assert missing_at_ping == [99_000]


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (
            400,
            "BadRequest",
            "The request cannot be read (Bad Request); correct its address or headers.",
        ),
        (
            431,
            "RequestHeaderFieldsTooLarge",
            (
                "The request cannot be read (Request Header Fields Too Large); correct its "
                "address or headers."
            ),
        ),
        (
            500,
            "InternalServerError",
            "The request could not be answered; the reason is in the log.",
        ),
    ],
)
def test_refusal_of_gunicorn_is_a_whole_reply_in_json(
    status: int, error: str, message: str
) -> None:
    """A client reads status, type and the fields of every error, and that no more comes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(_reply(HTTPStatus(status)))
        response = http.client.HTTPResponse(theirs)
        response.begin()
        body = json.loads(response.read())

    assert response.status == status
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Connection"] == "close"
    assert list(body) == ["error", "message", "row", "column", "request_id"]
    assert (body["error"], body["message"]) == (error, message)


def test_status_is_read_from_the_page_of_gunicorn() -> None:
    """Its page of HTML goes nowhere else."""
    page = _Page()

    page.sendall(b"HTTP/1.1 414 Request-URI Too Long\r\nConnection: close\r\n\r\n<html></html>")

    assert page.status == 414


def test_worker_can_be_stopped_from_its_first_moment() -> None:
    """A SIGTERM between the fork and a worker's own handlers ends it, the first and later ones."""
    ended = python(
        "import os, signal\n"
        "from types import SimpleNamespace\n"
        "from container.serving.gunicorn_conf import post_fork, when_ready\n"
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(1))\n"  # the master's, not a worker's
        "codes = []\n"
        "def spawn_worker():\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        post_fork(arbiter, None)\n"
        "        os._exit(0)\n"
        "    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "arbiter = SimpleNamespace(num_workers=2, spawn_worker=spawn_worker)\n"
        "when_ready(arbiter)\n"
        "arbiter.spawn_worker()\n"
        "print(codes)\n"
    )

    assert (ended.stdout, ended.stderr) == (f"{3 * [-signal.SIGTERM]}\n", "")


def test_all_workers_are_forked_at_once() -> None:
    """There are as many as the settings say when gunicorn begins to look for missing ones."""
    ages: list[int] = []

    when_ready(SimpleNamespace(num_workers=3, spawn_worker=lambda: ages.append(len(ages))))

    assert ages == [0, 1, 2]


def test_worker_takes_gevents_sockets_and_reads_no_metadata_of_packages() -> None:
    """What blocks in the standard library is replaced, and no plugin is looked for."""
    ended = python(
        "import sys\n"
        "from container.serving.gunicorn_conf import Worker\n"
        "worker = Worker.__new__(Worker)\n"
        "worker.sockets = []\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0])))\n"
        "worker.patch()\n"
        "import socket, time\n"
        "assert socket.socket.__module__.startswith('gevent')\n"
        "assert time.sleep.__module__.startswith('gevent')\n"
        "assert opened\n"
        "assert not [name for name in opened if 'entry_points' in name]\n"
    )

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("n_bytes", [0, 1, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_head_of_a_reply_leaves_with_its_body(n_bytes: int) -> None:
    """A worker that is killed after the first write has sent more than a head."""
    sent: list[bytes] = []
    head, body = b"HTTP/1.1 200 OK\r\n\r\n", bytes(n_bytes)
    reply = _OneWrite(SimpleNamespace(sendall=lambda data: sent.append(bytes(data))))

    reply.sendall(head)
    assert not sent
    if body:
        reply.sendall(body)
    reply.flush()

    assert b"".join(sent) == head + body
    assert len(sent[0]) == len(head) + min(n_bytes, 64 * 1024)
