"""Requests of every kind, with the responses that scikit-learn's tree predicts."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from container.formats.recordio_messages import Record
from support import recordio
from support.load.connections import Call
from support.material import LabelledRows, as_csv

Features = NDArray[np.float64]

LARGEST_BODY_MEGABYTES = 4
"""Limit of the server; one of the requests exceeds it."""

_ROWS = (1, 2, 7, 150, 3_000)
_LARGE_ROWS = (40_000, 80_000)


def post(body: bytes, content_type: str = "text/csv", **headers: str) -> tuple[bytes, bytes]:
    """Return head and body of a request for predictions; `_` in header names stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    head = (
        "POST /invocations HTTP/1.1\r\nHost: load\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{''.join(lines)}\r\n"
    )
    return head.encode(), body


def _json_lines(features: Features) -> bytes:
    return "".join(f"{json.dumps({'features': row})}\n" for row in features.tolist()).encode()


def npy(array: NDArray[Any]) -> bytes:
    """Return an array in the format of numpy.save."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def _libsvm(features: Features) -> bytes:
    lines = (
        " ".join(f"{column}:{cell}" for column, cell in enumerate(row, 1))
        for row in features.tolist()
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _records(features: Features) -> bytes:
    return recordio.encode(features.tolist(), [0.0] * len(features))


BODIES: dict[str, Callable[[Features], bytes]] = {
    "text/csv": lambda features: as_csv(features).encode(),
    "application/json": lambda features: json.dumps({"instances": features.tolist()}).encode(),
    "application/jsonlines": _json_lines,
    "application/x-npy": npy,
    "text/libsvm": _libsvm,
    "application/x-recordio-protobuf": _records,
}
"""Encoders of request bodies by media type."""


def _label_records(labels: Sequence[str]) -> bytes:
    written = []
    for label in labels:
        record: Any = Record()
        record.label["predicted_label"].bytes.value.append(label.encode())
        written.append(recordio.frame(record.SerializeToString()))
    return b"".join(written)


def _rows_of_json(labels: Sequence[str]) -> list[str]:
    return [f'{{"predicted_label":"{label}"}}' for label in labels]


REPLIES: dict[str, Callable[[Sequence[str]], bytes]] = {
    "text/csv": lambda labels: "".join(f"{label}\n" for label in labels).encode(),
    "application/json": lambda labels: (
        f'{{"predictions":[{",".join(_rows_of_json(labels))}]}}\n'.encode()
    ),
    "application/jsonlines": lambda labels: "".join(
        f"{row}\n" for row in _rows_of_json(labels)
    ).encode(),
    "application/x-npy": lambda labels: npy(np.array(labels, dtype="<U10")),
    "application/x-recordio-protobuf": _label_records,
}
"""Encoders of labels by media type of the response; the longest label has 10 letters."""


class Mixture:
    """Requests whose rows have values near those of the Iris table."""

    def __init__(self, iris: LabelledRows, make: Callable[[int, int], Features]) -> None:
        self._oracle = DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)
        self._make = make

    def small(self) -> list[Call]:
        """Return requests of few rows: each Content-Type, each Accept, and probabilities."""
        return [call for rows in _ROWS[:3] for call in self._of_rows(rows)]

    def larger(self) -> list[Call]:
        """Return requests of up to 3,000 rows."""
        return [call for rows in _ROWS[3:] for call in self._of_rows(rows)]

    def large(self) -> list[Call]:
        """Return requests of one to four million bytes, whose bodies wait for `100 Continue`."""
        return [
            self._of_labels(n_rows, content_type, "text/csv", Expect="100-continue")
            for n_rows in _LARGE_ROWS
            for content_type in ("text/csv", "application/x-npy")
        ]

    def _of_rows(self, n_rows: int) -> Iterator[Call]:
        for content_type in BODIES:
            yield self._of_labels(n_rows, content_type, "text/csv")
        for accept in REPLIES:
            yield self._of_labels(n_rows, "text/csv", accept)
        yield self._of_probabilities(n_rows)
        yield self._in_chunks(n_rows)

    def _of_labels(self, n_rows: int, content_type: str, accept: str, **headers: str) -> Call:
        features = self._make(n_rows, n_rows)
        reply = REPLIES[accept](self._oracle.predict(features).tolist())
        body = BODIES[content_type](features)
        return Call(*post(body, content_type, Accept=accept, **headers), reply=reply)

    def _of_probabilities(self, n_rows: int) -> Call:
        features = self._make(n_rows, n_rows + 1)
        table = self._oracle.predict_proba(features).tolist()
        reply = as_csv(table).encode()
        accept = "text/csv;output=probabilities"
        return Call(*post(as_csv(features).encode(), Accept=accept), reply=reply)

    def _in_chunks(self, n_rows: int) -> Call:
        call = self._of_labels(n_rows, "text/csv", "text/csv")
        length = f"Content-Length: {len(call.body)}".encode()
        head = call.head.replace(length, b"Transfer-Encoding: chunked")
        half = len(call.body) // 2
        return Call(head, chunked(call.body[:half], call.body[half:]), reply=call.reply)


def chunked(*parts: bytes) -> bytes:
    """Return a body with chunked transfer coding."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def wrong() -> list[Call]:
    """Return requests that are rejected, with the names of the errors."""
    row = b"5.1,3.5,1.4,0.2\n"
    too_large = (
        b"POST /invocations HTTP/1.1\r\nHost: load\r\nExpect: 100-continue\r\nContent-Length: "
    )
    too_large += b"%d\r\n\r\n" % (LARGEST_BODY_MEGABYTES * 2**20 + 1)
    return [
        Call(*post(b"1,2,3\n"), 400, "MalformedPayload"),
        Call(*post(row + b"a,b,c,d\n"), 400, "MalformedPayload"),
        Call(*post(b""), 400, "MalformedPayload"),
        Call(*post(b"{", "application/json"), 400, "MalformedPayload"),
        Call(*post(row * 3_000 + b"1,2"), 400, "MalformedPayload"),
        Call(*post(row, Accept="image/png"), 406, "NotAcceptable"),
        Call(*post(row, "image/png"), 415, "UnsupportedMediaType"),
        Call(b"GET /nothing HTTP/1.1\r\nHost: load\r\n\r\n", b"", 404, "NotFound"),
        Call(b"GET /invocations HTTP/1.1\r\nHost: load\r\n\r\n", b"", 405, "MethodNotAllowed"),
        Call(too_large, b"", 413, "PayloadTooLarge"),
    ]
