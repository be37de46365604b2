"""local_test/first_rows.py: rows to send, taken from the table of a job."""

import subprocess
import sys

import pytest

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
        ("a,1\n\nb,2\n", {}, "1\n2\n"),
    ],
)
def test_first_rows_leaves_out_the_label_and_the_weight(
    opt_ml: OptMl, table: str, hyperparameters: dict[str, str], expected: str
) -> None:
    """They are found as `train` finds them; the other cells are printed as CSV."""
    assert first_rows(opt_ml, table, **hyperparameters) == (0, expected, "")


def test_first_rows_prints_six_rows_at_most(opt_ml: OptMl) -> None:
    """A large table is not read to its end."""
    table = b"".join(b"a,%d\n" % number for number in range(100_000)) + b"\xff"

    assert first_rows(opt_ml, table) == (0, "0\n1\n2\n3\n4\n5\n", "")


def test_first_rows_says_that_a_file_is_no_text(opt_ml: OptMl) -> None:
    """One sentence names the file."""
    code, out, err = first_rows(opt_ml, b"PAR1\x00\xff\xfe")

    assert (code, out) == (1, "")
    assert err == "first_rows: houses.csv is not text; rows to send are taken from CSV only.\n"
