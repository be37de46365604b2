"""Load on a server: many connections that ask without a pause, and verify every reply."""

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
"""Whoever waits longer for a byte has met a server that hangs."""

_ANSWER_SECONDS = 0.05
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# nginx reads this much of a new request at first, so of a shorter one all or nothing.
# Source: https://nginx.org/en/docs/http/ngx_http_core_module.html#client_header_buffer_size
_READ_AT_ONCE = 1024


class Fate(Enum):
    """What became of a request."""

    RIGHT = "the right answer"
    WRONG = "a wrong answer"
    UNAVAILABLE = "502, 503 or 504 in JSON"
    EMPTY = "an empty body"
    HTML = "HTML"
    NO_JSON = "an error that is not told in JSON"
    NO_ANSWER = "no answer, though the request was read"
    CUT = "a part of an answer"
    HANG = f"no answer in {PATIENCE_SECONDS:.0f} s"
    NOT_READ = "a connection that was closed before the request was read"
    THROWN_AWAY = "a connection that was closed after the answer before"
    REFUSED = "no connection"


@dataclass(frozen=True)
class Call:
    """A request, and the reply that is right.

    `head` ends with the empty line. With `Expect: 100-continue` in it, the body follows once the
    server asks for it. `reply` is the body, or of an error the name in JSON.
    """

    head: bytes
    body: bytes = b""
    status: int = 200
    reply: bytes | str = b""

    def waiting(self) -> "Call":
        """Return the same request, whose body waits for the server's word if it is large."""
        if self.waits or len(self.head) + len(self.body) <= _READ_AT_ONCE:
            return self
        return replace(self, head=self.head[:-2] + b"Expect: 100-continue\r\n\r\n")

    @property
    def waits(self) -> bool:
        """Whether the body waits for the server's word."""
        return b"\r\nExpect: 100-continue\r\n" in self.head


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP; the names of the headers are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return self.headers.get(b"connection", b"").lower() == b"close"


@dataclass(frozen=True)
class Outcome:
    """A request whose answer was not right, with the moments between which it was under way."""

    fate: Fate
    call: Call
    answer: Answer | None
    begun: float
    ended: float

    def __str__(self) -> str:
        told = None if self.answer is None else (self.answer.status, self.answer.body[:200])
        return f"{self.fate.value}: {self.call.head[:300]!r} {self.call.body[:100]!r} -> {told}"


@dataclass
class Tally:
    """What became of many requests."""

    counts: Counter[Fate] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    others: list[Outcome] = field(default_factory=list, repr=False)
    """All that were not answered right."""

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
        """Count what another has counted."""
        self.counts += other.counts
        self.statuses += other.statuses
        self.others += other.others

    def but(self, *fates: Fate) -> list[str]:
        """Return what has met another fate than these, for an assertion that it is empty."""
        return [str(outcome) for outcome in self.others if outcome.fate not in fates]


class Connection:
    """A connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        """Connect; raises OSError."""
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        # A port that nobody listens on may be given to us, and then we talk to ourselves.
        if self._socket.getsockname() == self._socket.getpeername():
            self.close()
            raise ConnectionRefusedError
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")
        self._n_answers = 0
        self._is_asked_for_body = False

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, call: Call) -> tuple[Fate, Answer | None]:
        """Send a request, read its answer and judge it."""
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
        """Send bytes that need not be HTTP, end our side, and return all that comes back.

        Our side ends when there is an answer, or hardly will be: nginx answers nobody whose side
        has ended while a worker is at it.
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
        """Send a request; of one that waits, the body only when the server asks for it."""
        self._socket.sendall(call.head if call.waits else call.head + call.body)
        if not call.waits or self._socket.recv(len(_CONTINUE), socket.MSG_PEEK) != _CONTINUE:
            return
        self._is_asked_for_body = bool(self._stream.read(len(_CONTINUE)))
        self._socket.sendall(call.body)

    def _unanswered(self, call: Call, error: Exception) -> Fate:
        """Say what the end of a connection means for a request that its kernel has taken.

        nginx that is to end closes a connection after the answer that is under way. A request
        that is there at that moment already is thrown away, read or not.

        Source: nginx, ngx_http_request.c (ngx_http_finalize_connection, lingering_close).
        """
        n_bytes = len(call.head) + (0 if call.waits else len(call.body))
        if not self._is_asked_for_body:
            if isinstance(error, ConnectionError) and n_bytes <= _READ_AT_ONCE:
                return Fate.NOT_READ  # a connection is reset for the sake of unread bytes
            if isinstance(error, EOFError) and self._n_answers:
                return Fate.THROWN_AWAY
        return Fate.NO_ANSWER

    def _acknowledged(self) -> int:
        """Return how many bytes the other side's kernel has taken (tcpi_bytes_acked).

        A connection that the server closes properly has been read to its end: what came after
        that is not acknowledged, and unread bytes make it reset the connection.

        Source: linux/tcp.h (struct tcp_info), net/ipv4/tcp.c (tcp_close).
        """
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        count: int = struct.unpack_from("Q", info, 120)[0]
        return count


def read_answer(stream: BinaryIO, *, has_body: bool = True) -> Answer:
    """Read one answer.

    Raises:
        EOFError: there is none.
        ValueError: it is not whole, or it is no HTTP with a length; of a body that is not whole
            the argument is what there is of it.
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
    return Answer(int(first.split()[1]), headers, body)


def read_answers(received: bytes) -> Iterator[Answer]:
    """Yield all answers in what a server has sent; raises ValueError as `read_answer` does."""
    stream = io.BytesIO(received)
    with suppress(EOFError):
        while True:
            yield read_answer(stream)


def judge(call: Call, answer: Answer) -> Fate:
    """Say what an answer is worth."""
    if (answer.status, answer.body) == (call.status, call.reply):
        return Fate.RIGHT
    flaw = flaw_of(answer) if answer.status >= 400 or not answer.body else Fate.WRONG
    if flaw is not None:
        return flaw
    if answer.status == call.status and json.loads(answer.body)["error"] == call.reply:
        return Fate.RIGHT
    return Fate.UNAVAILABLE if answer.status in (502, 503, 504) else Fate.WRONG


def flaw_of(answer: Answer) -> Fate | None:
    """Return what is wrong with the form of an error; None for one that is told in JSON."""
    if not answer.body:
        return Fate.EMPTY
    if b"<html" in answer.body.lower():
        return Fate.HTML
    try:
        told = json.loads(answer.body)
    except ValueError:
        return Fate.NO_JSON
    is_json = answer.headers.get(b"content-type") == b"application/json"
    is_error = isinstance(told, dict) and {"error", "message"} <= told.keys()
    return None if is_json and is_error else Fate.NO_JSON


def run(port: int, calls: Iterator[Call], n_connections: int) -> Tally:
    """Send every call on one of the connections; each is opened again when it was closed.

    A connection that cannot be opened again ends its part. Several threads draw from `calls`, so
    it must be an iterator of C, such as that of a list: no generator.
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
