"""Load generator: connections that send requests without a pause and check every response."""

import io
import json
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import BinaryIO

PATIENCE_SECONDS = 120.0
"""Time after which a server is considered to hang."""

_ANSWER_SECONDS = 0.05
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# nginx first reads this much of a request, so it reads all or nothing of a shorter one. Source:
# https://nginx.org/en/docs/http/ngx_http_core_module.html#client_header_buffer_size
_READ_AT_ONCE = 1024


class Fate(Enum):
    """Result of a request."""

    RIGHT = "the expected response"
    WRONG = "a wrong response"
    UNAVAILABLE = "502, 503 or 504 in JSON"
    EMPTY = "an empty body"
    HTML = "HTML"
    NO_JSON = "an error that is not JSON"
    NO_ANSWER = "no response, although the request was read"
    CUT = "an incomplete response"
    HANG = f"no response in {PATIENCE_SECONDS:.0f} s"
    NOT_READ = "a connection closed before the request was read"
    THROWN_AWAY = "a connection closed after the previous response"
    REFUSED = "no connection"


@dataclass(frozen=True)
class Call:
    """A request and its expected response.

    `head` ends with the empty line. If it contains `Expect: 100-continue`, the body is sent when
    the server asks for it. `reply` is the expected body, or the name of the error in JSON.
    """

    head: bytes
    body: bytes = b""
    status: int = 200
    reply: bytes | str = b""

    def waiting(self) -> "Call":
        """Return the same request; if it is large, its body waits for `100 Continue`."""
        if self.waits or len(self.head) + len(self.body) <= _READ_AT_ONCE:
            return self
        return replace(self, head=self.head[:-2] + b"Expect: 100-continue\r\n\r\n")

    @property
    def waits(self) -> bool:
        """Whether the body waits for `100 Continue`."""
        return b"\r\nExpect: 100-continue\r\n" in self.head


@dataclass(frozen=True)
class Response:
    """HTTP response; the names of the headers are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the server closes the connection after it."""
        return self.headers.get(b"connection", b"").lower() == b"close"


@dataclass(frozen=True)
class Outcome:
    """Request without the expected response, and the times between which it was in flight."""

    fate: Fate
    call: Call
    answer: Response | None
    begun: float
    ended: float

    def __str__(self) -> str:
        found = None if self.answer is None else (self.answer.status, self.answer.body[:200])
        return f"{self.fate.value}: {self.call.head[:300]!r} {self.call.body[:100]!r} -> {found}"


@dataclass
class Tally:
    """Results of many requests."""

    counts: Counter[Fate] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    others: list[Outcome] = field(default_factory=list, repr=False)
    """All requests without the expected response."""

    def add(self, outcome: Outcome) -> None:
        """Count a request."""
        self.counts[outcome.fate] += 1
        if outcome.answer is not None:
            self.statuses[outcome.answer.status] += 1
        if outcome.fate is not Fate.RIGHT:
            self.others.append(outcome)

    def __str__(self) -> str:
        fates = ", ".join(f"{count} with {fate.value}" for fate, count in self.counts.items())
        return f"{fates}; {dict(self.statuses)}"

    def merge(self, other: "Tally") -> None:
        """Add the results of another thread."""
        self.counts += other.counts
        self.statuses += other.statuses
        self.others += other.others

    def but(self, *fates: Fate) -> list[str]:
        """Return the results with another fate than these, for an assertion that there are none."""
        return [str(outcome) for outcome in self.others if outcome.fate not in fates]


class Connection:
    """Connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        """Connect; raises OSError."""
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        # The kernel may assign the port of a server that does not run; this would connect to
        # itself.
        if self._socket.getsockname() == self._socket.getpeername():
            self.close()
            raise ConnectionRefusedError
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")
        self._n_answers = 0
        self._is_asked_for_body = False

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def ask(self, call: Call) -> tuple[Fate, Response | None]:
        """Send a request, read the response and judge it."""
        acknowledged = self._acknowledged()
        self._is_asked_for_body = False
        try:
            self._send(call)
            answer = read_answer(self._stream, has_body=not call.head.startswith(b"HEAD "))
        except TimeoutError:
            return Fate.HANG, None
        except (EOFError, ConnectionError) as error:
            was_read = self._acknowledged() > acknowledged
            return (self._unanswered(call, error) if was_read else Fate.NOT_READ), None
        except ValueError as error:
            return (Fate.EMPTY if error.args == (b"",) else Fate.CUT), None
        self._n_answers += 1
        return judge(call, answer), answer

    def talk(self, wire: bytes) -> bytes:
        """Send bytes that may not be HTTP, close the sending side, and return all received bytes.

        The sending side is closed when a response arrives, or after a short wait: nginx drops a
        request that a worker is processing if the client has closed its side.
        """
        received = bytearray()
        with suppress(ConnectionError):
            self._socket.sendall(wire)
            select.select([self._socket], [], [], _ANSWER_SECONDS)
            self._socket.shutdown(socket.SHUT_WR)
            while part := self._socket.recv(1 << 16):
                received += part
        return bytes(received)

    def _send(self, call: Call) -> None:
        """Send a request; send a waiting body only if the server asks for it."""
        self._socket.sendall(call.head if call.waits else call.head + call.body)
        if not call.waits or self._socket.recv(len(_CONTINUE), socket.MSG_PEEK) != _CONTINUE:
            return
        self._is_asked_for_body = bool(self._stream.read(len(_CONTINUE)))
        self._socket.sendall(call.body)

    def _unanswered(self, call: Call, error: Exception) -> Fate:
        """Classify a request whose connection closed after the server's kernel received it.

        nginx that is shutting down closes a connection after the current response. It discards a
        request that has arrived by then, read or not.

        Source: nginx, ngx_http_request.c (ngx_http_finalize_connection, lingering_close).
        """
        n_bytes = len(call.head) + (0 if call.waits else len(call.body))
        if not self._is_asked_for_body:
            if isinstance(error, ConnectionError) and n_bytes <= _READ_AT_ONCE:
                return Fate.NOT_READ  # unread bytes cause the reset
            if isinstance(error, EOFError) and self._n_answers:
                return Fate.THROWN_AWAY
        return Fate.NO_ANSWER

    def _acknowledged(self) -> int:
        """Return the number of bytes that the server's kernel has acknowledged (tcpi_bytes_acked).

        If the server closes a connection properly, it has read everything: later bytes are not
        acknowledged, and unread bytes cause a reset.

        Source: linux/tcp.h (struct tcp_info), net/ipv4/tcp.c (tcp_close).
        """
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        count: int = struct.unpack_from("Q", info, 120)[0]
        return count


def read_answer(stream: BinaryIO, *, has_body: bool = True) -> Response:
    """Read one response.

    Raises:
        EOFError: the stream has ended.
        ValueError: the response is incomplete, or not HTTP with a length; for an incomplete body
            the argument is the part that was received.
    """
    first = stream.readline()
    if not first:
        raise EOFError
    headers: dict[bytes, bytes] = {}
    while (line := stream.readline()) != b"\r\n":
        name, colon, value = line.partition(b":")
        if not colon:
            raise ValueError("the head", line)
        headers[name.lower()] = value.strip()
    length = int(headers[b"content-length"]) if b"content-length" in headers else None
    if length is None and has_body:
        raise ValueError("no length", headers)
    body = stream.read(length or 0) if has_body else b""
    if has_body and len(body) != length:
        raise ValueError(body)
    return Response(int(first.split()[1]), headers, body)


def read_answers(received: bytes) -> Iterator[Response]:
    """Yield all responses in the received bytes; raises ValueError as `read_answer` does."""
    stream = io.BytesIO(received)
    with suppress(EOFError):
        while True:
            yield read_answer(stream)


def judge(call: Call, answer: Response) -> Fate:
    """Compare a response with the expected one."""
    if (answer.status, answer.body) == (call.status, call.reply):
        return Fate.RIGHT
    flaw = flaw_of(answer) if answer.status >= 400 or not answer.body else Fate.WRONG
    if flaw is not None:
        return flaw
    if answer.status == call.status and json.loads(answer.body)["error"] == call.reply:
        return Fate.RIGHT
    return Fate.UNAVAILABLE if answer.status in (502, 503, 504) else Fate.WRONG


def flaw_of(answer: Response) -> Fate | None:
    """Return the flaw in the form of an error response; None if it is correct JSON."""
    if not answer.body:
        return Fate.EMPTY
    if b"<html" in answer.body.lower():
        return Fate.HTML
    try:
        document = json.loads(answer.body)
    except ValueError:
        return Fate.NO_JSON
    is_json = answer.headers.get(b"content-type") == b"application/json"
    is_error = isinstance(document, dict) and {"error", "message"} <= document.keys()
    return None if is_json and is_error else Fate.NO_JSON


def run(port: int, calls: Iterator[Call], n_connections: int) -> Tally:
    """Send all calls on several connections; a closed connection is opened again.

    A connection that cannot be opened sends no more calls. Several threads share `calls`, so it
    must be an iterator implemented in C, such as a list's iterator, and not a generator.
    """
    total = Tally()
    with ThreadPoolExecutor(n_connections) as pool:
        for tally in pool.map(lambda _: _ask_all(port, calls), range(n_connections)):
            total.merge(tally)
    return total


def _ask_all(port: int, calls: Iterator[Call]) -> Tally:
    tally = Tally()
    connection: Connection | None = None
    for call in calls:
        begun = time.monotonic()
        try:
            connection = connection or Connection(port)
        except OSError:
            tally.add(Outcome(Fate.REFUSED, call, None, begun, time.monotonic()))
            break
        fate, answer = connection.ask(call)
        tally.add(Outcome(fate, call, answer, begun, time.monotonic()))
        if answer is None or answer.closes:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()
    return tally
