"""Write the binary files below serving/: what nobody can write with an editor.

usage: PYTHONPATH=decision_trees:tests python tests/payloads/make_serving_payloads.py

The files are part of the repository; tests/contract/test_serving_payloads.py compares them with
what is written here.
"""

import struct
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import recordio
from container.formats.aialgs import Record
from payloads.bad_binaries import rejected
from payloads.binaries import GAPS, ROWS, TABLE, answer, dense, npy, sparse
from payloads.flowers import parquet

DIRECTORY = Path(__file__).resolve().parent / "serving"

LEAF: list[float] = [2 / 3, 1 / 3]
"""What one leaf of the flowers says of versicolor and virginica."""


def payloads() -> dict[str, bytes]:
    """Return all binary files, by their paths below serving/."""
    accepted = {**_arrays(), **_records(), **_tables(), **_array_replies(), **_record_replies()}
    return {
        f"{kind}/{path}": content
        for kind, files in (("accepted", accepted), ("rejected", rejected()))
        for path, content in files.items()
    }


def _arrays() -> dict[str, bytes]:
    types = {
        "float16": "<f2",
        "float32": "<f4",
        "float64": "<f8",
        "float64_big_endian": ">f8",
        "int8": "|i1",
        "int16_big_endian": ">i2",
        "int32": "<i4",
        "int64": "<i8",
        "uint8": "|u1",
        "uint64": "<u8",
    }
    return {
        **{f"npy_{name}/body.npy": npy(ROWS, dtype) for name, dtype in types.items()},
        "npy_boolean/body.npy": npy([[1, 0, 1], [0, 0, 1]], "|b1"),
        "npy_fortran_order/body.npy": npy(np.array(ROWS, order="F")),
        "npy_one_dimension/body.npy": npy(ROWS[0]),
        "npy_one_dimension_of_one_feature/body.npy": npy([3, 1, 2]),
        "npy_column/body.npy": npy([[3], [1], [2]]),
        "npy_nan/body.npy": npy(GAPS),
        "npy_version_2/body.npy": npy(ROWS, version=(2, 0)),
        "npy_version_3/body.npy": npy(ROWS, version=(3, 0)),
        "npy_with_names/body.npy": npy(ROWS),
    }


def _records() -> dict[str, bytes]:
    first = recordio.record(ROWS[0], [])
    magic = recordio.record([struct.unpack("<f", recordio.MAGIC)[0], 5, 6], [])
    before, after = magic.split(recordio.MAGIC)
    own_key: Any = Record()
    own_key.features["digits"].float32_tensor.values.extend(ROWS[0])
    bodies = {
        "float32": dense(ROWS),
        "float64": dense(ROWS, "float64_tensor"),
        "int32": dense(ROWS, "int32_tensor"),
        "with_label": recordio.encode(ROWS, [7, 8]),
        "with_shape": recordio.frame(recordio.record(ROWS[0], [], shape=[3])),
        "under_another_key": recordio.frame(own_key.SerializeToString()),
        "with_nan": dense(GAPS),
        "of_label_alone": answer(probabilities=("float32_tensor", ROWS[0])),
        "sparse": sparse([{0: 1, 2: 3}, {2: 6, 1: 5}], [3]),
        "sparse_without_shape": sparse([{0: 1, 1: 2}, {2: 6}]),
        "sparse_without_cells": sparse([{}], [3]),
        "sparse_and_dense": recordio.frame(first) + sparse([{1: 5}], [3]),
        "in_parts": recordio.frame(before, 1) + recordio.frame(after, 3) + recordio.frame(first),
    }
    return {f"recordio_{name}/body.recordio": body for name, body in bodies.items()}


def _tables() -> dict[str, bytes]:
    moved = {name: TABLE[name] for name in ("ones", "hundreds", "tens")}
    decimals = [Decimal("1.00"), Decimal("4.00")]
    kinds: dict[str, list[Any] | pa.Array] = {
        "int8": pa.array([1, 4], pa.int8()),
        "float32": pa.array([1, 4], pa.float32()),
        "decimal": pa.array(decimals, pa.decimal128(5, 2)),
        "null": pa.array([None, 4.0]),
        "nan": pa.array([nan, 4.0]),
        "dictionary": pa.array([1, 4]).dictionary_encode(),
    }
    pandas = pa.table({**TABLE, "__index_level_0__": [8, 9]})
    places = pa.table(moved).rename_columns(["a", "b", "c"])
    return {
        "parquet/body.parquet": parquet(pa.table(TABLE)),
        "parquet_in_another_order/body.parquet": parquet(pa.table(moved)),
        "parquet_by_place/body.parquet": parquet(places),
        "parquet_with_index_of_pandas/body.parquet": parquet(pandas),
        "parquet_of_row_groups/body.parquet": parquet(pa.table(TABLE), row_group_size=1),
        "parquet_zstd/body.parquet": parquet(pa.table(TABLE), compression="zstd"),
        **{
            f"parquet_{kind}/body.parquet": parquet(pa.table({**TABLE, "hundreds": cells}))
            for kind, cells in kinds.items()
        },
    }


def _array_replies() -> dict[str, bytes]:
    two_thirds, third = (float(np.float32(share)) for share in LEAF)
    flowers: list[list[float]] = [[1, 0, 0], [0, two_thirds, third], [0, 0, 1]]
    replies = {
        "label": npy(["setosa", "versicolor", "virginica"], "<U10"),
        "integer_label": npy([0, 1], "<i8"),
        "probability": npy([1, two_thirds, 1], "<f4"),
        "probabilities": npy(flowers, "<f4"),
        "score": npy([123, 456], "<f4"),
        "labels": npy([["setosa", "versicolor", "virginica"]] * 3, "<U10"),
        "several_outputs": npy([[0, np.float32(59 / 60)], [1, 1]], "<f8"),
        "marked_score": npy([123, nan], "<f4"),
        "marked_label": npy(["setosa", "", "virginica"], "<U10"),
        "marked_integer_label": npy([0, nan], "<f8"),
    }
    return {f"accept_npy_{name}/reply.npy": reply for name, reply in replies.items()}


def _record_replies() -> dict[str, bytes]:
    floats = "float32_tensor"
    flowers: list[list[float]] = [[1, 0, 0], [0, *LEAF], [0, 0, 1]]
    names = [b"setosa", b"versicolor", b"virginica"]
    replies = {
        "label": [answer(predicted_label=("bytes", [name])) for name in names],
        "integer_label": [answer(predicted_label=("int32_tensor", [code])) for code in (0, 1)],
        "probability": [answer(probability=(floats, [max(row)])) for row in flowers],
        "probabilities": [answer(probabilities=(floats, row)) for row in flowers],
        "score": [answer(predicted_score=(floats, [score])) for score in (123, 456)],
        "labels": [answer(labels=("bytes", names))] * 3,
        "several_outputs": [
            answer(probability=(floats, [share]), predicted_label=("int32_tensor", [code]))
            for share, code in ((59 / 60, 0), (1, 1))
        ],
        "marked_score": [answer(predicted_score=(floats, [123])), recordio.frame(b"")],
    }
    return {
        f"accept_recordio_{name}/reply.recordio": b"".join(reply) for name, reply in replies.items()
    }


if __name__ == "__main__":
    for path, content in payloads().items():
        (DIRECTORY / path).parent.mkdir(parents=True, exist_ok=True)
        (DIRECTORY / path).write_bytes(content)
