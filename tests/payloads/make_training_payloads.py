"""Write the binary files below training/: what nobody can write with an editor.

usage: PYTHONPATH=decision_trees:tests python tests/payloads/make_training_payloads.py

The files are part of the repository; tests/contract/test_training_payloads.py compares them with
what is written here.
"""

import bz2
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any

import pyarrow as pa

import recordio
from payloads.flowers import (
    LABELS,
    LENGTHS,
    TEXT,
    WIDTHS,
    gzip,
    of_pandas,
    parquet,
    table,
    zipped,
    zstd,
)

DIRECTORY = Path(__file__).resolve().parent / "training"

FIRST, SECOND = TEXT[:30], TEXT[30:]
DENSE = [[5.5, 3.5], [4.5, 3.0], [6.25, 3.25], [5.75, 2.75]]
CODES = [0, 0, 1, 1]


def payloads() -> dict[str, bytes]:
    """Return all binary files, by their paths below training/."""
    return {
        f"{kind}/{path}": content
        for kind, files in (
            ("accepted", {**_compressed(), **_parquet(), **_recordio()}),
            (
                "rejected",
                {**_encoded(), **_foreign(), **_damaged(), **_bad_parquet(), **_bad_recordio()},
            ),
        )
        for path, content in files.items()
    }


def _compressed() -> dict[str, bytes]:
    return {
        "gzip/train/iris.csv.gz": gzip(TEXT),
        "gzip_with_header/train/iris.csv.gz": gzip(b"species,length,width\n" + TEXT),
        "gzip_without_suffix/train/000": gzip(TEXT),
        "gzip_of_two_members/train/iris.csv.gz": gzip(FIRST) + gzip(SECOND),
        "gzip_and_plain_together/train/a.csv.gz": gzip(FIRST),
        "gzip_of_nothing_beside_semicolons/train/b.csv.gz": gzip(b""),
        "zstd/train/iris.csv.zst": zstd(TEXT),
        "zstd_of_two_frames/train/iris.csv.zst": zstd(FIRST) + zstd(SECOND),
    }


def _parquet() -> dict[str, bytes]:
    plain = parquet(table())
    last = parquet(table().select(["length", "width", "species"]))
    halves = [parquet(table().slice(start, 2)) for start in (0, 2)]
    index = table().append_column("flower", pa.array([7, 8, 9, 10]))
    unnamed = index.rename_columns(["species", "length", "width", "__index_level_0__"])
    counted = {"kind": "range", "name": None, "start": 0, "stop": 4, "step": 1}
    return {
        "parquet/train/iris.parquet": plain,
        "parquet_without_suffix/train/part-00000": plain,
        "parquet_by_content_type/train/iris": plain,
        "parquet_validation_of_csv/train/iris.parquet": plain,
        "parquet_label_last/train/iris.pq": last,
        "parquet_of_many_row_groups/train/iris.parquet": parquet(table(), row_group_size=1),
        "parquet_in_several_files/train/a.parquet": halves[0],
        "parquet_in_several_files/train/b.snappy.parquet": halves[1],
        "parquet_with_index_of_pandas/train/iris.parquet": parquet(of_pandas(index, "flower")),
        "parquet_with_range_index_of_pandas/train/iris.parquet": parquet(
            of_pandas(table(), counted)
        ),
        "parquet_with_unnamed_index_of_pandas/train/iris.parquet": parquet(
            of_pandas(unnamed, "__index_level_0__")
        ),
        "parquet_names_that_begin_alike/train/iris.parquet": parquet(
            pa.table({"y.old": [5, 6, 7, 8], "x.1": WIDTHS, "x": LENGTHS, "y": CODES})
        ),
        "parquet_names_with_points_of_r/train/iris.parquet": parquet(
            table().rename_columns(["Species", "Sepal.Length", "Sepal.Width"])
        ),
        "parquet_features_of_every_type/train/iris.parquet": parquet(_every_type()),
        "parquet_regression_with_weights/train/rows.parquet": parquet(
            pa.table({"y": [1.5, 2.5, 3.5, 4.5], "w": [1, 0, 2, 0.5], "x": [1, 2, 3, 4]})
        ),
        **{
            f"parquet_{name}_labels/train/iris.parquet": parquet(table(labels))
            for name, labels in _labels().items()
        },
        "parquet_text_labels_that_look_like_numbers/train/iris.parquet": parquet(
            table(["1", "1", "2", "2"])
        ),
    }


def _labels() -> dict[str, Any]:
    decimals = [Decimal(text) for text in ("1.00", "1.00", "2.00", "2.00")]
    return {
        "dictionary": pa.array(LABELS).dictionary_encode(),
        "integer": [1, 1, 2, 2],
        "float": [1.0, 1.0, 2.0, 2.0],
        "boolean": [True, True, False, False],
        "decimal": decimals,
    }


def _every_type() -> pa.Table:
    decimals = [Decimal("0.25"), None, Decimal("-1.50"), Decimal("99.99")]
    return pa.table(
        {
            "species": LABELS,
            "int8": pa.array([1, -2, None, 127], pa.int8()),
            "float64": pa.array([1.5, None, 0.1, 1e38], pa.float64()),
            "bool": pa.array([True, False, None, True]),
            "decimal": pa.array(decimals, pa.decimal128(6, 2)),
            "null": pa.nulls(4),
            "uint16": pa.array([65535, 0, 1, 2], pa.uint16()).dictionary_encode(),
        }
    )


def _recordio() -> dict[str, bytes]:
    sparse = [{0: 5.5}, {2: 3.0}, {1: 6.25}, {}]
    dense = recordio.encode(DENSE, CODES)
    wide = recordio.encode(
        DENSE, [0, 0, 7, 7], tensor="float64_tensor", label_tensor="int32_tensor"
    )
    whole = [[5, 3], [-4, 3], [6, 3], [5, 2]]
    gaps = [[nan, 3.5], *DENSE[1:3], [5.75, nan]]
    return {
        "recordio_float32/train/iris.recordio": dense,
        "recordio_float64_with_int32_labels/train/iris.pbr": wide,
        "recordio_int32/train/iris.rec": recordio.encode(whole, CODES, tensor="int32_tensor"),
        "recordio_sparse/train/iris.recordio": recordio.encode_sparse(sparse, CODES, 3),
        "recordio_by_content_type/train/iris": dense,
        "recordio_gzip_without_suffix/train/matrix_0": gzip(dense),
        "recordio_missing_values/train/iris.recordio": recordio.encode(gaps, CODES),
        "recordio_regression/train/iris.recordio": recordio.encode(DENSE, [0.5, -1.5, 2, 1]),
    }


def _encoded() -> dict[str, bytes]:
    text = TEXT.decode()
    return {
        "utf_16_little_endian/train/iris.csv": b"\xff\xfe" + text.encode("utf-16-le"),
        "utf_16_big_endian/train/iris.csv": b"\xfe\xff" + text.encode("utf-16-be"),
        "utf_16_without_mark/train/iris.csv": text.encode("utf-16-le"),
        "latin_1/train/iris.csv": FIRST + "bl\u00fcte,6.3,3.3\n".encode("latin-1"),
        "nul_byte/train/iris.csv": FIRST + b"virginica,6.3\0,3.3\n",
    }


def _foreign() -> dict[str, bytes]:
    """Return the beginnings of files in formats that are not read."""
    sheet = zipped("xl/worksheets/sheet1.xml")
    return {
        "zip/train/iris.zip": zipped("iris.csv"),
        "xlsx/train/iris.xlsx": sheet,
        "xls/train/iris.xls": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16),
        "bz2/train/iris.csv.bz2": bz2.compress(TEXT),
        "xz/train/iris.csv.xz": bytes.fromhex("fd377a585a000004e6d6b446"),
        "npy/train/iris.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (4, 3), }\n",
        "hdf5/train/iris.h5": b"\x89HDF\r\n\x1a\n" + bytes(8),
        "avro/train/iris.avro": b"Obj\x01\x04\x16avro.schema",
        "orc/train/iris.orc": b"ORC\x0a\x00\x00",
        "arrow/train/iris.feather": b"ARROW1\0\0\xff\xff\xff\xff",
        "pickle/train/iris.pkl": b"\x80\x04\x95\x10\0\0\0\0\0\0\0]\x94.",
        "tar/train/iris.tar.gz": gzip(b"iris.csv".ljust(512, b"\0") + TEXT),
    }


def _damaged() -> dict[str, bytes]:
    packed = gzip(TEXT)
    frame = zstd(TEXT)
    return {
        "gzip_cut_off/train/iris.csv.gz": packed[:-12],
        "gzip_with_wrong_checksum/train/iris.csv.gz": packed[:-8] + bytes(4) + packed[-4:],
        "gzip_with_garbage_behind/train/iris.csv.gz": packed + b"setosa,5.1,3.5\n",
        "gzip_in_gzip/train/iris.csv.gz": gzip(packed),
        "gzip_of_parquet/train/iris.parquet.gz": gzip(parquet(table())),
        "copy_compressed_beside_its_original/train/iris.csv.gz": gzip(TEXT),
        "zstd_cut_off/train/iris.csv.zst": frame[:-6],
        "zstd_corrupt/train/iris.csv.zst": frame[:4] + b"\xff" * 8 + frame[12:],
    }


def _bad_parquet() -> dict[str, bytes]:
    whole = parquet(table())
    days = [date(2024, 5, day) for day in (17, 18, 19, 20)]
    columns: dict[str, list[Any] | pa.Array] = {
        "text_feature": ["5,1", "4,9", "6,3", "5,8"],
        "timestamp_feature": [datetime(2024, 5, 17, tzinfo=UTC)] * 4,
        "list_feature": [[5.1, 3.5]] * 4,
        "struct_feature": [{"cm": 5.1}] * 4,
        "infinite_feature": [5.1, 4.9, inf, 5.8],
        "beyond_float32": [5.1, 4.9, -1e39, 5.8],
    }
    labels: dict[str, list[Any] | pa.Array] = {
        "binary_label": [label.encode() for label in LABELS],
        "date_label": days,
        "null_label": [*LABELS[:3], None],
        "nan_label": [1.0, 2.0, nan, 2.0],
    }
    return {
        **_in_parquet({name: table(lengths=cells) for name, cells in columns.items()}),
        **_in_parquet({name: table(cells) for name, cells in labels.items()}),
        **_in_parquet(_bad_tables()),
        "parquet_cut_off/train/iris.parquet": whole[:-20],
        "parquet_cut_off_at_the_start/train/iris.parquet": whole[20:],
        "parquet_named_csv/train/iris.csv": whole,
        "parquet_columns_in_another_order/train/a.parquet": whole,
        "parquet_columns_in_another_order/train/b.parquet": parquet(
            table().select(["species", "width", "length"])
        ),
        "csv_and_parquet/train/b.parquet": whole,
    }


def _bad_tables() -> dict[str, pa.Table]:
    ages = table().append_column("age", pa.array([30, 30, 40, 40]))
    weights = {"weight_null": [1.0, 2.0, None, 1.0], "negative_weight": [1.0, 2.0, -1.0, 1.0]}
    return {
        "of_one_column": table().select(["species"]),
        "without_rows": table().slice(0, 0),
        "names_twice": table().rename_columns(["species", "length", "length"]),
        "unnamed_column": table().rename_columns(["species", "length", ""]),
        "text_label_in_regression": table(),
        "label_is_the_index_of_pandas": of_pandas(ages, "species"),
        "label_nan_as_text": table([*LABELS[:3], "nan"]),
        "label_unknown": table(),
        **{name: table().append_column("w", pa.array(cells)) for name, cells in weights.items()},
    }


def _bad_recordio() -> dict[str, bytes]:
    good = recordio.encode(DENSE, CODES)
    row = recordio.frame(recordio.record([1.0, 2.0], [0]))
    files = {
        "wrong_magic": b"\0" + good[1:],
        "cut_off": good[:-3],
        "without_label": row + recordio.frame(recordio.record([1.0, 2.0], [])),
        "two_labels": row + recordio.frame(recordio.record([1.0, 2.0], [0, 1])),
        "widths_differ": row + recordio.encode([[1, 2, 3]], [1]),
        "infinite": row + recordio.encode([[1, inf]], [1]),
        "no_protobuf": row + recordio.frame(b"\xff\xff\xff\xff"),
        "dense_and_sparse": row + recordio.encode_sparse([{1: 2.0}], [1], 2),
        "key_twice": recordio.frame(recordio.record([1.0, 2.0], [0], keys=[1, 1], shape=[3])),
        "labels_with_fractions": recordio.encode(DENSE, [0.5, 0.5, 1.5, 1.5]),
        "with_weight_hyperparameter": good,
    }
    named = {f"recordio_{name}/train/iris.recordio": file for name, file in files.items()}
    return {**named, "recordio_named_csv/train/iris.csv": good}


def _in_parquet(tables: Mapping[str, pa.Table]) -> dict[str, bytes]:
    return {f"parquet_{name}/train/iris.parquet": parquet(rows) for name, rows in tables.items()}


if __name__ == "__main__":
    for path, content in payloads().items():
        (DIRECTORY / path).parent.mkdir(parents=True, exist_ok=True)
        (DIRECTORY / path).write_bytes(content)
