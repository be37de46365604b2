"""local_test/first_rows.py: rows to send, taken from the table of a job."""

import gzip
import io
import subprocess
import sys

import pyarrow
import pytest
from pyarrow import parquet

from support.material import ROOT, OptMl

TABLE = "price,city,area\n200,Rome,70\n260,Oslo,90\n120,Bern,45\n"


def first_rows(opt_ml: OptMl, table: str | bytes, **hyperparameters: str) -> tuple[int, str, str]:
    """Run the program on a job; return its exit code and output."""
    opt_ml.write("houses.csv", table)
    opt_ml.write_hyperparameters(hyperparameters)
    done = subprocess.run(
        [sys.executable, ROOT / "local_test/first_rows.py", opt_ml.base],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("table", "hyperparameters", "expected"),
    [
        (TABLE, {}, "city,area\nRome,70\nOslo,90\nBern,45\n"),
        (TABLE, {"label": "area"}, "price,city\n200,Rome\n260,Oslo\n120,Bern\n"),
        (TABLE, {"label": "-1"}, "price,city\n200,Rome\n260,Oslo\n120,Bern\n"),
        (TABLE, {"label": "1", "weight": "area"}, "price\n200\n260\n120\n"),
        ("5,1,2\n6,3,4\n", {"label": "2"}, "5,1\n6,3\n"),
        ("a\t1,5\t2\nb\t3,5\t4\n", {}, '"1,5",2\n"3,5",4\n'),
        ("a,1;2\nb,3;4\n", {"delimiter": ";"}, "2\n4\n"),
        ("a\t1\t2\nb\t3\t4\n", {"delimiter": "tab"}, "1,2\n3,4\n"),
        ('\ufefflabel," the, city"\r\n"x\ny",1\r\n', {"label": "label"}, '" the, city"\n1\n'),
        ("area,price\u00a0\n70,200\n", {"label": " price"}, "area\n70\n"),
        ("a,1\n\nb,2\n", {}, "1\n2\n"),
    ],
)
def test_first_rows_leaves_out_the_label_and_the_weight(
    opt_ml: OptMl, table: str, hyperparameters: dict[str, str], expected: str
) -> None:
    """The columns are found as in `train`; the other cells are printed as CSV."""
    assert first_rows(opt_ml, table, **hyperparameters) == (0, expected, "")


def test_first_rows_prints_six_rows_at_most(opt_ml: OptMl) -> None:
    """A large table is not read to its end."""
    table = b"".join(b"a,%d\n" % number for number in range(100_000)) + b"\xff"

    assert first_rows(opt_ml, table) == (0, "0\n1\n2\n3\n4\n5\n", "")


def test_first_rows_reads_gzip_and_parquet(opt_ml: OptMl) -> None:
    """The first bytes of a file determine its format; a missing value of Parquet is left empty."""
    columns = {"price": [200.5, 260.0], "city": ["Rome", None], "area": [70, 90]}
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)

    assert first_rows(opt_ml, file.getvalue()) == (0, "city,area\nRome,70\n,90\n", "")
    assert first_rows(opt_ml, gzip.compress(TABLE.encode()), label="area")[1].startswith(
        "price,city\n200,Rome\n"
    )


@pytest.mark.parametrize(
    "table", [b"\x00\xff\xfe", b"1 1:0.5 2:1\n0 2:3\n"], ids=["binary", "libsvm"]
)
def test_first_rows_reports_an_unsupported_format(opt_ml: OptMl, table: bytes) -> None:
    """One sentence names the file and the formats."""
    code, out, err = first_rows(opt_ml, table)

    assert (code, out) == (1, "")
    assert err.startswith("first_rows: houses.csv is not CSV, TSV or Parquet; ")
    assert err.count("\n") == 1
