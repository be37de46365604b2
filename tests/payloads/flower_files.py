"""Binary and compressed training files; most hold the four flowers of flowers.py."""

import bz2
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import inf, nan
from typing import Any

import pyarrow as pa

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
from support import recordio

FIRST, SECOND = TEXT[:30], TEXT[30:]
DENSE = [[5.5, 3.5], [4.5, 3.0], [6.25, 3.25], [5.75, 2.75]]
CODES = [0, 0, 1, 1]


def files() -> list[dict[str, bytes]]:
    """Return files by name: first those that are accepted, then those that are rejected."""
    accepted = [_compressed(), _parquet(), _blanks(), _recordio()]
    return [
        *accepted,
        _wide(),
        _foreign(),
        _damaged(),
        _bad_parquet(),
        _pandas_metadata(),
        _bad_recordio(),
    ]


def _compressed() -> dict[str, bytes]:
    return {
        "plain.csv.gz": gzip(TEXT),
        "header.csv.gz": gzip(b"species,length,width\n" + TEXT),
        "two_members.csv.gz": gzip(FIRST) + gzip(SECOND),
        "first_two.csv.gz": gzip(FIRST),
        "nothing.csv.gz": gzip(b""),
        "plain.csv.zst": zstd(TEXT),
        "two_frames.csv.zst": zstd(FIRST) + zstd(SECOND),
    }


def _parquet() -> dict[str, bytes]:
    plain = parquet(table())
    last = parquet(table().select(["length", "width", "species"]))
    halves = [parquet(table().slice(start, 2)) for start in (0, 2)]
    index = table().append_column("flower", pa.array([7, 8, 9, 10]))
    unnamed = index.rename_columns(["species", "length", "width", "__index_level_0__"])
    counted = {"kind": "range", "name": None, "start": 0, "stop": 4, "step": 1}
    return {
        "plain.parquet": plain,
        "label_last.parquet": last,
        "of_many_row_groups.parquet": parquet(table(), row_group_size=1),
        "first_two.parquet": halves[0],
        "last_two.parquet": halves[1],
        "with_index_of_pandas.parquet": parquet(of_pandas(index, "flower")),
        "with_range_index_of_pandas.parquet": parquet(of_pandas(table(), counted)),
        "with_unnamed_index_of_pandas.parquet": parquet(of_pandas(unnamed, "__index_level_0__")),
        "names_that_begin_alike.parquet": parquet(
            pa.table({"y.old": [5, 6, 7, 8], "x.1": WIDTHS, "x": LENGTHS, "y": CODES})
        ),
        "names_with_points_of_r.parquet": parquet(
            table().rename_columns(["Species", "Sepal.Length", "Sepal.Width"])
        ),
        "features_of_every_type.parquet": parquet(_every_type()),
        **_booleans(),
        **_in_parquet({"rings": _rings(), **_gaps()}),
        "regression_with_weights.parquet": parquet(
            pa.table({"y": [1.5, 2.5, 3.5, 4.5], "w": [1, 0, 2, 0.5], "x": [1, 2, 3, 4]})
        ),
        **{f"{name}_labels.parquet": parquet(table(labels)) for name, labels in _labels().items()},
        "text_labels_that_look_like_numbers.parquet": parquet(table(["1", "1", "2", "2"])),
    }


def _blanks() -> dict[str, bytes]:
    """Return tables with blanks at the ends of names and labels."""
    labels = [" setosa", " setosa", "virginica\t", "virginica\t"]
    return _in_parquet(
        {
            "names_with_blanks": table().rename_columns(
                ["species ", "\ufefflength", "width\u00a0"]
            ),
            "names_of_years_with_blanks": table().rename_columns(["species", "2019 ", "2020"]),
            "labels_with_blanks": table(labels),
            "index_with_blanks": of_pandas(
                table().append_column("flower ", pa.array([7, 8, 9, 10])), "flower "
            ),
        }
    )


def _booleans() -> dict[str, bytes]:
    """Return a table with a column of booleans, and one with numbers in its place."""
    species, bills = ["chinstrap", "adelie", "gentoo", "adelie"], [44.2, 39.0, None, 40.7]
    tagged = {"booleans": [False, True, True, False], "numbers_beside_booleans": [2.5, 1, 0, 1]}
    return {
        f"{name}.parquet": parquet(
            pa.table({"species": species, "bill_mm": bills, "tagged": cells})
        )
        for name, cells in tagged.items()
    }


def _gaps() -> dict[str, pa.Table]:
    """Return tables with other missing values, rows without label, and rows without any value."""
    species: list[str | None] = ["chinstrap", "adelie", "gentoo"]
    return {
        "na_numbers": pa.table(
            {"species": species, "bill_mm": [44.2, -999, 40.1], "mass_g": [-999, 4128, -999]}
        ),
        "missing_labels": pa.table(
            {"species": [*species[:2], None, "NA", "gentoo"], "bill_mm": [44.2, 39.0, 40, 41, 42.7]}
        ),
        "trailing_rows": pa.table(
            {
                "species": [*species, None, None],
                "bill_mm": [44.2, 39.0, None, None, None],
                "mass_g": [4097, None, 4252, None, None],
            }
        ),
    }


def _rings() -> pa.Table:
    return pa.table(
        {
            "species": ["chinstrap", "adelie", "gentoo"],
            "ring": ["R1000", "R1001", "R1002"],
            "bill_mm": [44.2, 39.0, None],
            "mass_g": [4097, 4128, 4252],
            "ringed_on": [date(2018, 4, 10), None, date(2016, 3, 18)],
        }
    )


def _pandas_metadata() -> dict[str, bytes]:
    """Return tables whose metadata of pandas is not as pandas writes it."""
    texts = {
        "nested_too_deep": '{"index_columns": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "cut_off": '{"index_columns": [',
    }
    return _in_parquet(
        {
            f"metadata_{name}": table().replace_schema_metadata({"pandas": text})
            for name, text in texts.items()
        }
    )


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
        "float32.recordio": dense,
        "float64_with_int32_labels.recordio": wide,
        "int32.recordio": recordio.encode(whole, CODES, tensor="int32_tensor"),
        "sparse.recordio": recordio.encode_sparse(sparse, CODES, 3),
        "float32.recordio.gz": gzip(dense),
        "missing_values.recordio": recordio.encode(gaps, CODES),
        "regression.recordio": recordio.encode(DENSE, [0.5, -1.5, 2, 1]),
    }


def _wide() -> dict[str, bytes]:
    header = b"species," + b"x" * 2000
    return {"name_of_2000_letters.csv": header + b"\nsetosa,5.1\nvirginica,wide\n"}


def _foreign() -> dict[str, bytes]:
    """Return files in formats that are not read."""
    return {
        "csv.zip": zipped("iris.csv"),
        "sheet.xlsx": zipped("xl/worksheets/sheet1.xml"),
        "plain.csv.bz2": bz2.compress(TEXT),
        "csv.tar.gz": gzip(b"iris.csv".ljust(512, b"\0") + TEXT),
    }


def _damaged() -> dict[str, bytes]:
    packed = gzip(TEXT)
    frame = zstd(TEXT)
    return {
        "cut_off.csv.gz": packed[:-12],
        "wrong_checksum.csv.gz": packed[:-8] + bytes(4) + packed[-4:],
        "garbage_behind.csv.gz": packed + b"setosa,5.1,3.5\n",
        "gzip.csv.gz": gzip(packed),
        "plain.parquet.gz": gzip(parquet(table())),
        "cut_off.csv.zst": frame[:-6],
        "corrupt.csv.zst": frame[:4] + b"\xff" * 8 + frame[12:],
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
        "cut_off.parquet": whole[:-20],
        "cut_off_at_the_start.parquet": whole[20:],
        "width_before_length.parquet": parquet(table().select(["species", "width", "length"])),
    }


def _bad_tables() -> dict[str, pa.Table]:
    ages = table().append_column("age", pa.array([30, 30, 40, 40]))
    weights = {"weight_null": [1.0, 2.0, None, 1.0], "negative_weight": [1.0, 2.0, -1.0, 1.0]}
    return {
        "of_one_column": table().select(["species"]),
        "without_rows": table().slice(0, 0),
        "names_twice": table().rename_columns(["species", "length", "length"]),
        "name_of_blanks": table().rename_columns(["species", "length", " "]),
        "names_apart_by_blanks": table().rename_columns(["species", "length", "length "]),
        "labels_apart_by_blanks": table(["setosa", "setosa ", *LABELS[2:]]),
        "unnamed_column": table().rename_columns(["species", "length", ""]),
        "label_is_the_index_of_pandas": of_pandas(ages, "species"),
        "label_nan_as_text": table([*LABELS[:3], "nan"]),
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
    }
    return {f"{name}.recordio": file for name, file in files.items()}


def _in_parquet(tables: Mapping[str, pa.Table]) -> dict[str, bytes]:
    return {f"{name}.parquet": parquet(rows) for name, rows in tables.items()}
