"""Any body is decoded to rows, or is an error of the caller."""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from container.errors import MalformedPayload
from container.payloads import decoding
from container.payloads.types import Expected
from support.recordio import encode, encode_sparse

NAMES = ["a", "b", "c"]
ROWS = [[5.1, 3.5, -1e5], [1.0, 0.0, 3.0]]
EXPECTED = [
    Expected(3, NAMES),
    Expected(3),
    Expected(3, NAMES, libsvm_base=0),
    Expected(3, ["1", "2", "3"]),
    Expected(1, ["a"]),
    Expected(1),
]
PIECES = [b"1e999", b"[", b"{", b"]", b",", b"null", b"true", b'"', b"\n", b"\r", b"NaN", b"9" * 30]
PIECES += [b"\xef\xbb\xbf", b":", b"-", b"\0", b"\xff", b"(", b"'", b"#", b" ", b"", b'"keys":[0],']


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    """Return what a function writes to a file."""
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def as_parquet(compression: str) -> bytes:
    """Return the rows as Parquet."""
    columns = dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))
    return written(lambda c: parquet.write_table(pa.table(columns), c, compression=compression))


DOCUMENTS = [
    ROWS,
    {"instances": [{"features": row} for row in ROWS]},
    {"instances": [{"data": {"features": {"keys": [0, 2], "shape": [3], "values": [1, 2]}}}]},
    {"dataframe_split": {"columns": NAMES[::-1], "data": ROWS, "index": [0, 1]}},
    {"predictions": [{"a": 1, "b": 2, "c": None}]},
]
BODIES = {
    "text/csv": [b"5.1,3.5,-1e5\n1,,3\n", b"a,b,c\r\n1,2,3\r\n", b'c,b,a\n"1",nan,3'],
    "application/json": [json.dumps(document).encode() for document in DOCUMENTS],
    "application/jsonlines": [b'[1,2,3]\n{"features":[1,2,null]}\n', b'{"a":1,"b":2,"c":NaN}'],
    "application/x-npy": [
        written(lambda content: np.save(content, np.array(ROWS))),
        written(lambda content: np.save(content, np.asfortranarray(ROWS).astype(">f4"))),
    ],
    "text/libsvm": [b"1 1:5 2:3 3:1\n2:1 3:nan\n0\n", b"1:2 3:3 # x\n"],
    "application/x-recordio-protobuf": [
        encode(ROWS, [1, 2]),
        encode_sparse([{0: 1.0, 2: 2.0}, {}], [1, 2], 3),
    ],
    "application/vnd.apache.parquet": [as_parquet("none"), as_parquet("zstd")],
}


@st.composite
def changed(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    """Draw a valid body in which some bytes are replaced, inserted or removed."""
    body = draw(st.sampled_from(bodies))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=2))
        body = body[:start] + piece + body[start + draw(st.integers(0, 3)) :]
    return body


@pytest.mark.parametrize("content_type", BODIES)
@given(data=st.data())
def test_any_bytes_are_rows_or_the_callers_error(content_type: str, data: st.DataObject) -> None:
    """No body makes a decoder fail otherwise, and rows always fit the model."""
    body = data.draw(st.binary(max_size=60) | changed(BODIES[content_type]))
    expected = data.draw(st.sampled_from(EXPECTED))
    mark_bad = data.draw(st.booleans())
    with suppress(MalformedPayload):
        rows = decoding.decode(body, content_type, expected, mark_bad=mark_bad)

        assert rows.features.dtype == np.float32
        assert rows.features.shape[1:] == (expected.n_features,)
        assert len(rows.features) > 0
        assert not np.isinf(rows.features).any()
        assert mark_bad or not rows.bad
        assert all(np.isnan(rows.features[index]).all() for index in rows.bad)


@given(
    lines=st.lists(
        st.sampled_from([b"1,2,3", b"1,x,3", b"4", b'"5",6,7', b"", b"8,,9"]), min_size=1
    )
)
def test_bad_rows_are_those_that_are_refused_alone(lines: list[bytes]) -> None:
    """A row is marked if and only if it would be refused as a body of its own."""
    body = b"\n".join([b"0,0,0", *lines, b"0,0,0"])

    rows = decoding.decode(body, "text/csv", Expected(3), mark_bad=True)

    for index, line in enumerate(lines, start=1):
        try:
            alone = decoding.decode(line, "text/csv", Expected(3)).features[0]
        except MalformedPayload:
            alone = np.full(3, np.nan, dtype=np.float32)
            assert index in rows.bad
        else:
            assert index not in rows.bad
        np.testing.assert_array_equal(rows.features[index], alone)
