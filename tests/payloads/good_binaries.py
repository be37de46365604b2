"""Binary request bodies that the model server accepts, and its binary replies."""

import struct
from decimal import Decimal
from math import nan
from typing import Any

import numpy as np
import pyarrow as pa

from container.formats.recordio_messages import Record
from payloads.binaries import GAPS, ROWS, TABLE, answer, dense, npy, sparse
from payloads.flowers import parquet
from support import recordio

LEAF: list[float] = [2 / 3, 1 / 3]
"""Probabilities of versicolor and virginica in one leaf of the flowers."""


def bodies() -> list[dict[str, bytes]]:
    """Return request bodies by name; most have the rows 1, 2, 3 and 4, 5, 6."""
    return [_arrays(), _records(), _tables()]


def replies() -> list[dict[str, bytes]]:
    """Return replies by name."""
    return [_array_replies(), _record_replies()]


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
        **{f"{name}.npy": npy(ROWS, dtype) for name, dtype in types.items()},
        "boolean.npy": npy([[1, 0, 1], [0, 0, 1]], "|b1"),
        "fortran_order.npy": npy(np.array(ROWS, order="F")),
        "one_dimension.npy": npy(ROWS[0]),
        "one_dimension_of_one_feature.npy": npy([3, 1, 2]),
        "column.npy": npy([[3], [1], [2]]),
        "nan.npy": npy(GAPS),
        "version_2.npy": npy(ROWS, version=(2, 0)),
        "version_3.npy": npy(ROWS, version=(3, 0)),
        "with_names.npy": npy(ROWS),
    }


def _records() -> dict[str, bytes]:
    first = recordio.record(ROWS[0], [])
    magic = recordio.record([struct.unpack("<f", recordio.MAGIC)[0], 5, 6], [])
    before, after = magic.split(recordio.MAGIC)
    own_key: Any = Record()
    own_key.features["digits"].float32_tensor.values.extend(ROWS[0])
    bodies = {
        "float32": dense(ROWS),
        "with_label": recordio.encode(ROWS, [7, 8]),
        "with_shape": recordio.frame(recordio.record(ROWS[0], [], shape=[3])),
        "under_another_key": recordio.frame(own_key.SerializeToString()),
        "with_nan": dense(GAPS),
        "of_label_alone": answer(probabilities=("float32_tensor", ROWS[0])),
        "sparse_without_shape": sparse([{0: 1, 1: 2}, {2: 6}]),
        "sparse_without_cells": sparse([{}], [3]),
        "sparse_and_dense": recordio.frame(first) + sparse([{1: 5}], [3]),
        "in_parts": recordio.frame(before, 1) + recordio.frame(after, 3) + recordio.frame(first),
    }
    return {f"{name}.recordio": body for name, body in bodies.items()}


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
    blanks = dict(zip(("hundreds ", "tens\u00a0", "\ufeffones"), TABLE.values(), strict=True))
    pandas = pa.table({**TABLE, "__index_level_0__": [8, 9]})
    places = pa.table(moved).rename_columns(["a", "b", "c"])
    return {
        "plain.parquet": parquet(pa.table(TABLE)),
        "blanks_in_names.parquet": parquet(pa.table(blanks)),
        "names_apart_by_blanks.parquet": parquet(pa.table({"x ": [2], "y": [3], "x": [1]})),
        "in_another_order.parquet": parquet(pa.table(moved)),
        "by_place.parquet": parquet(places),
        "with_index_of_pandas.parquet": parquet(pandas),
        "of_row_groups.parquet": parquet(pa.table(TABLE), row_group_size=1),
        "zstd.parquet": parquet(pa.table(TABLE), compression="zstd"),
        **{
            f"{kind}.parquet": parquet(pa.table({**TABLE, "hundreds": cells}))
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
    return {f"{name}.npy": reply for name, reply in replies.items()}


def _record_replies() -> dict[str, bytes]:
    floats = "float32_tensor"
    flowers: list[list[float]] = [[1, 0, 0], [0, *LEAF], [0, 0, 1]]
    names = [b"setosa", b"versicolor", b"virginica"]
    replies = {
        "probabilities": [answer(probabilities=(floats, row)) for row in flowers],
        "score": [answer(predicted_score=(floats, [score])) for score in (123, 456)],
        "labels": [answer(labels=("bytes", names))] * 3,
        "several_outputs": [
            answer(probability=(floats, [share]), predicted_label=("int32_tensor", [code]))
            for share, code in ((59 / 60, 0), (1, 1))
        ],
        "marked_score": [answer(predicted_score=(floats, [123])), recordio.frame(b"")],
    }
    return {f"{name}.recordio": b"".join(reply) for name, reply in replies.items()}
