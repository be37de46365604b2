"""Binary request bodies that the model server refuses."""

import struct
from math import inf

import numpy as np
import pyarrow as pa

from payloads.binaries import ROWS, TABLE, answer, dense, npy, sparse
from payloads.flowers import gzip, parquet
from support import recordio


def bodies() -> list[dict[str, bytes]]:
    """Return request bodies by name."""
    return [_texts(), _arrays(), _headers(), _records(), _tables()]


def _texts() -> dict[str, bytes]:
    return {"gzip.csv": gzip(b"1,2,3\n"), "nested_too_deep.json": b"[" * 20_000}


def _arrays() -> dict[str, bytes]:
    whole = npy(ROWS)
    bodies = {
        "of_objects": _npy_of(
            "{'descr': '|O', 'fortran_order': False, 'shape': (1, 3), }", b"\x80\x04N."
        ),
        "structured": npy(np.zeros(3, [("a", "<f4"), ("b", "<f4")]), dtype="<f4,<f4"),
        "of_texts": npy([["1", "2", "3"]], "<U1"),
        "of_bytes": npy([["1", "2", "3"]], "|S1"),
        "complex": npy(ROWS, "<c16"),
        "of_dates": npy([[1, 2, 3]], "<M8[s]"),
        "three_dimensions": npy([ROWS]),
        "no_dimension": npy(3),
        "four_columns": npy([[1, 2, 3, 4]]),
        "transposed": npy(np.array(ROWS).T),
        "without_rows": npy(np.zeros((0, 3))),
        "infinite": npy([[1, 2, 3], [4, -inf, 6]]),
        "beyond_float32": npy([[1, 2, 3], [4, 5, 1e39]]),
        "cut_off": whole[:-4],
        "with_more_behind": whole + bytes(8),
    }
    return {f"{name}.npy": body for name, body in bodies.items()}


def _npy_of(header: str, content: bytes = b"") -> bytes:
    """Return a file with any header, valid or not."""
    text = header.encode("latin-1").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def _headers() -> dict[str, bytes]:
    fields = "{'descr': '<f8', 'fortran_order': False, 'shape': "
    headers = {
        "huge_shape": fields + "(1000000000000, 3), }",
        "endless_shape": fields + f"({'9' * 40}, 3), }}",
        "negative_shape": fields + "(-1, 3), }",
        "shape_of_code": fields + "(__import__('os').abort(), 3), }",
        "without_shape": "{'descr': '<f8', 'fortran_order': False}",
    }
    bodies = {name: _npy_of(header, bytes(24)) for name, header in headers.items()}
    bodies["long_header"] = _npy_of(fields + "(1, 3), }" + " " * 5000, bytes(24))
    bodies["header_cut_off"] = npy(ROWS)[:40]
    return {f"{name}.npy": body for name, body in bodies.items()}


def _records() -> dict[str, bytes]:
    good = dense(ROWS)
    first = good[: len(good) // 2]
    bodies = {
        "cut_off": good[:-3],
        "cut_off_in_a_header": good + good[:6],
        "wrong_magic": b"\0" + good[1:],
        "no_protobuf": first + recordio.frame(b"\xff\xff\xff\xff"),
        "claims_too_much": first + recordio.MAGIC + struct.pack("<I", 2**29 - 1) + bytes(8),
        "last_part_missing": recordio.frame(b"", 1),
        "first_part_missing": recordio.frame(b"", 3),
        "without_anything": first + recordio.frame(b""),
        "two_values": first + dense([[1, 2]]),
        "four_values": dense([[1, 2, 3, 4]]),
        "wrong_shape": recordio.frame(recordio.record(ROWS[0], [], shape=[4])),
        "infinite": first + dense([[4, inf, 6]]),
        "beyond_float32": dense([[1, 2, 1e39]], "float64_tensor"),
        "key_outside": sparse([{0: 1, 3: 4}]),
        "key_twice": recordio.frame(recordio.record([1, 2], [], keys=[1, 1], shape=[3])),
        "more_keys_than_values": recordio.frame(recordio.record([1], [], keys=[0, 1])),
        "of_text": answer(predicted_label=("bytes", [b"setosa"])),
        "of_two_outputs": answer(
            predicted_label=("int32_tensor", [1]), probability=("float32_tensor", [0.75])
        ),
    }
    return {f"{name}.recordio": body for name, body in bodies.items()}


def _tables() -> dict[str, bytes]:
    good = parquet(pa.table(TABLE))
    tables = {
        "unknown_name": pa.table(TABLE).rename_columns(["hundreds", "tens", "units"]),
        "lacks_a_name": pa.table(TABLE).select(["hundreds", "tens"]),
        "label_beside": pa.table({"label": [0, 1], **TABLE}),
        "name_twice_apart_from_blanks": pa.table([[1], [2], [3]], ["ones", "tens ", "tens"]),
        "name_twice": pa.table([[1], [2], [3]], ["hundreds", "tens", "tens"]),
        "of_two_columns": pa.table(TABLE).select(["hundreds", "tens"]),
        "text": pa.table({**TABLE, "tens": ["2", "5"]}),
        "list": pa.table({**TABLE, "tens": [[2], [5]]}),
        "without_rows": pa.table(TABLE).slice(0, 0),
        "infinite": pa.table({**TABLE, "tens": [2, -inf]}),
        "beyond_float32": pa.table({**TABLE, "tens": [2, 1e39]}),
    }
    bodies = {name: parquet(table) for name, table in tables.items()}
    bodies |= {"cut_off": good[:-20], "cut_off_at_the_start": good[20:]}
    return {f"{name}.parquet": body for name, body in bodies.items()}
