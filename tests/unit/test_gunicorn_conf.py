"""gunicorn's worker class and server hooks; tests/contract runs them in `serve`."""

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
from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.http.body import LengthReader
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.http.wsgi import Response

from container.serving.gunicorn_conf import _LargeBody, _OneWrite, _Page, _reply, when_ready
from support.processes import python


@pytest.fixture
def sockets() -> Iterator[tuple[gevent.socket.socket, gevent.socket.socket]]:
    """Yield a connection: the client's end and the worker's end."""
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def post(body: bytes, n_bytes: int | None = None) -> bytes:
    """Return a request whose Content-Length may be more than its body."""
    n_bytes = len(body) if n_bytes is None else n_bytes
    return b"POST /invocations HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (n_bytes, body)


@pytest.mark.parametrize("n_bytes", [9000, 40_000, 20_000_000])
def test_large_body_is_read_whole_and_the_next_request_after_it(
    sockets: tuple[gevent.socket.socket, gevent.socket.socket], n_bytes: int
) -> None:
    """Bytes that arrive with the head or after the body are neither lost nor mixed up."""
    client, worker = sockets
    bodies = [random.Random(seed).randbytes(n_bytes) for seed in range(3)]  # noqa: S311
    sender = gevent.spawn(client.sendall, b"".join(map(post, bodies)))
    requests = RequestParser(Config(), worker, ("", 0))

    found = [_LargeBody(next(requests).body.reader).read(n_bytes) for _ in bodies]

    sender.get()
    assert found == bodies


def test_large_body_ends_where_the_client_closes(
    sockets: tuple[gevent.socket.socket, gevent.socket.socket],
) -> None:
    """Only the received bytes are returned, so the app sees that some are missing."""
    client, worker = sockets
    gevent.spawn(client.sendall, post(b"1,2\n" * 20_000, 1_000_000)).link(lambda _: client.close())
    body = _LargeBody(next(RequestParser(Config(), worker, ("", 0))).body.reader)

    assert body.read(1_000_000) == b"1,2\n" * 20_000
    assert body.read(8192) == b""


def test_content_length_alone_takes_no_memory() -> None:
    """Memory is allocated as the body arrives."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = LengthReader(SocketUnreader(SimpleNamespace(recv_into=lambda _: 0)), 2**30)

    assert _LargeBody(reader).read(2**30) == b""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1e5  # KB


def test_large_body_may_be_read_in_parts(
    sockets: tuple[gevent.socket.socket, gevent.socket.socket],
) -> None:
    """The app of a fork may read a body in any way."""
    client, worker = sockets
    content = random.Random(0).randbytes(100_000)  # noqa: S311 - no secret
    gevent.spawn(client.sendall, post(content))
    body = _LargeBody(next(RequestParser(Config(), worker, ("", 0))).body.reader)

    parts = [body.read(0), body.read(7), body.readline(), body.read(50_000), body.read()]

    assert b"".join(parts) == content
    assert parts[2].endswith(b"\n")


def test_other_requests_run_between_the_pieces_of_a_large_body() -> None:
    """A ping is answered while a body arrives without a pause."""
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
def test_refusal_by_gunicorn_is_a_complete_response_in_json(
    status: int, error: str, message: str
) -> None:
    """It has status, media type, the fields of every error, and closes the connection."""
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
    """Gunicorn writes its page of HTML to the replacement of the socket."""
    page = _Page()

    util.write_error(page, 414, "URI Too Long", "Request Line is too large")

    assert page.status == 414


def test_worker_can_be_stopped_from_its_first_moment() -> None:
    """A SIGTERM between the fork and a worker's own handlers ends it; the block ends there."""
    ended = python(
        "import os, signal\n"
        "from container.serving.gunicorn_conf import on_starting, post_fork\n"
        "def is_blocked():\n"
        "    return signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "def fork(work):\n"
        "    if not (pid := os.fork()):\n"
        "        os._exit(work())\n"
        "    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
        "def stopped_worker():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    post_fork(None, None)\n"
        "def worker_that_forks():\n"
        "    post_fork(None, None)\n"
        "    return fork(is_blocked)\n"
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(1))\n"  # the master's, not a worker's
        "on_starting(None)\n"
        "print(fork(stopped_worker), fork(stopped_worker), fork(worker_that_forks), is_blocked())\n"
    )

    assert (ended.stdout, ended.stderr) == (f"{-signal.SIGTERM} {-signal.SIGTERM} 0 False\n", "")


class CountingArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no annotations
    """Gunicorn's master for three workers, which are counted instead of forked."""

    def __init__(self) -> None:
        self._num_workers = 3
        self.WORKERS: dict[int, None] = {}

    def spawn_worker(self) -> None:
        """Count a worker."""
        self.WORKERS[len(self.WORKERS)] = None


def test_all_workers_are_forked_at_once() -> None:
    """The hook forks the same number of workers as gunicorn does with its pauses."""
    by_gunicorn, by_hook = CountingArbiter(), CountingArbiter()

    by_gunicorn.spawn_workers()
    when_ready(by_hook)

    assert len(by_hook.WORKERS) == len(by_gunicorn.WORKERS) == 3


def test_worker_uses_gevents_sockets_and_reads_no_metadata_of_packages() -> None:
    """Blocking parts of the standard library are replaced; gevent searches for no plugins."""
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
def test_head_of_a_response_is_sent_with_its_body(n_bytes: int) -> None:
    """A worker that is killed after its first write has sent more than a head."""
    sent: list[bytes] = []
    client = SimpleNamespace(sendall=lambda data: sent.append(bytes(data)))
    source = SimpleNamespace(recv=lambda _: b"GET / HTTP/1.1\r\n\r\n")
    request = next(RequestParser(Config(), source, ("", 0)))
    body = bytes(n_bytes)

    joined = _OneWrite(client)
    response = Response(request, joined, Config())
    response.start_response("200 OK", [("Content-Length", str(n_bytes))])
    response.write(body)
    response.close()
    joined.flush()

    head, _, rest = b"".join(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest == body
    assert len(sent[0]) == len(head) + 4 + min(n_bytes, 64 * 1024)
