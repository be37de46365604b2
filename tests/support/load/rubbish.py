"""Malformed requests: with wrong parts, mutilated, or not HTTP at all."""

import io
from collections.abc import Callable
from random import Random

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from support.load.connections import Call
from support.load.mixture import BODIES, chunked, post

_TOKENS = (
    *(b"nan", b"inf", b"1e400", b"-", b'"', b"'", b"{", b"}", b"[", b"]", b":", b",", b"null"),
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n\r\n", b"9" * 40, b"0x1", b" ", b"\t"),
    *(b"\x93NUMPY", b"\x0a\x23\xd7\xce", b"PAR1", b"\xff\xff\xff\xff", b"[" * 2_000, b"#", b"%00"),
)
_METHODS = (
    *("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "M-SEARCH", "get"),
    *("TRACE", "CONNECT", "PRI", "X" * 40),
)
_PATHS = (
    *("/invocations", "/ping", "/metrics", "/execution-parameters", "/", "/invocations/", "//ping"),
    *("/ping?x=%ff", "/%2e%2e/ping", "/../../etc/passwd", "/errors/failed", "*", "http://h/ping"),
    *("/invocations%00", "/%zz", "/é", "/static/x", "/" + "a" * 3_000, "/?" + "b" * 9_000),
)
_HEADERS = (
    *("Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id"),
    *("Content-Encoding", "Range", "If-None-Match", "Cookie", "Upgrade", "X-Request-Id", "TE"),
    *("Accept-Encoding", "Forwarded", "X-Forwarded-For", "Content_Length", "Authorization"),
)
_VALUES = (
    *("text/csv", "application/json;output=probabilities", "application/x-npy", "*/*;q=0", ""),
    *("text/csv;output=labels+probability", "output=probabilities", 'text/csv;output="', "gzip"),
    *("bytes=0-1", "h2c", "image/png, */*;q=0.1", "a" * 3_000, ";" * 500, "\x7f", "é", "\t"),
)


class Rubbish:
    """Generator of malformed requests, repeatable by seed."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)  # noqa: S311 - nothing here is a secret
        self._random = np.random.default_rng(seed)

    def framed(self) -> Call:
        """Return a request whose end HTTP can find, whatever is wrong with it."""
        make: Callable[[], Call] = self._chance.choice(
            [self._with_odd_body, self._with_odd_headers, self._with_odd_line, self._in_chunks]
        )
        return make()

    def unframed(self) -> bytes:
        """Return bytes that may be less than a request, more than one, or none."""
        head, body = self._post()
        make: Callable[[bytes, bytes], bytes] = self._chance.choice(
            [
                lambda _head, _body: self._chance.randbytes(self._chance.randrange(300)),
                lambda head, body: self._mutated(head) + body,
                lambda head, body: head.replace(b"h: ", b"h: " + self._token()) + body,
                lambda head, body: (head + body)[: self._chance.randrange(len(head + body))],
                lambda head, body: head[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + body,
                lambda head, body: self._chunked_head(head) + self._mutated(chunked(body)),
                lambda head, body: head[:-2] + b"X: y\r\n" * 300 + b"\r\n" + body,
                lambda head, body: head[:-2] + b"X: %s\r\n\r\n" % (b"y" * 40_000) + body,
            ]
        )
        return make(head, body)

    def _with_odd_body(self) -> Call:
        return Call(*self._post(self._odd))

    def _with_odd_headers(self) -> Call:
        count = self._chance.randrange(1, 6)
        named = {self._chance.choice(_HEADERS): self._value() for _ in range(count)}
        content_type = self._chance.choice([*BODIES, self._value()])
        return Call(*post(self._body("text/csv"), content_type, **named))

    def _with_odd_line(self) -> Call:
        method, path = self._chance.choice(_METHODS), self._chance.choice(_PATHS)
        line = f"{method} {path} HTTP/1.1\r\nHost: load\r\nContent-Length: 2\r\n\r\n"
        return Call(line.encode(), b"1,")

    def _in_chunks(self) -> Call:
        head, body = self._post(self._odd)
        cuts = sorted(self._chance.choices(range(1, len(body) + 1), k=2))
        parts = [body[: cuts[0]], body[cuts[0] : cuts[1]], body[cuts[1] :]]
        return Call(self._chunked_head(head), chunked(*filter(None, parts)))

    def _chunked_head(self, head: bytes) -> bytes:
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
        lines.insert(1, b"Transfer-Encoding: chunked")
        return b"\r\n".join(lines)

    def _post(self, change: Callable[[bytes], bytes] = bytes) -> tuple[bytes, bytes]:
        content_type = self._chance.choice([*BODIES, "application/x-parquet"])
        return post(change(self._body(content_type)), content_type)

    def _body(self, content_type: str) -> bytes:
        features = self._random.uniform(0, 8, size=(self._chance.randrange(1, 6), 4)).round(2)
        if content_type in BODIES:
            return BODIES[content_type](features)
        columns = {f"column {i}": column for i, column in enumerate(features.T)}
        content = io.BytesIO()
        parquet.write_table(pa.table(columns), content)
        return content.getvalue()

    def _odd(self, body: bytes) -> bytes:
        if self._chance.random() < 0.1:
            return self._chance.randbytes(self._chance.randrange(500))
        return self._mutated(body)

    def _mutated(self, content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(self._chance.randrange(1, 5)):
            at = self._chance.randrange(len(changed) + 1)
            end = at + self._chance.randrange(8)
            kind = self._chance.randrange(4)
            if kind == 0:
                changed[at:end] = b""
            elif kind == 1:
                changed[at:at] = self._token()
            elif kind == 2:
                changed[at:end] = self._chance.randbytes(end - at)
            else:
                changed[at:at] = changed[at : at + 60] * self._chance.randrange(1, 4)
        return bytes(changed)

    def _token(self) -> bytes:
        return self._chance.choice(_TOKENS)

    def _value(self) -> str:
        """Return the value of a header, sometimes with an unusual character in it."""
        value = self._chance.choice(_VALUES)
        if self._chance.random() < 0.3:
            at = self._chance.randrange(len(value) + 1)
            return value[:at] + chr(self._chance.randrange(0x20, 0x250)) + value[at:]
        return value
