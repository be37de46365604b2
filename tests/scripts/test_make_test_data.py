"""Committed data of local_test, and the program that writes them."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.material import ROOT, LabelledRows

TRAINING = Path("local_test/test_dir/input/data/training/leaf_train.csv")
PAYLOAD = Path("local_test/payload.csv")


def rows_of(file: Path) -> list[list[str]]:
    """Return the rows of a CSV file of this repository."""
    with (ROOT / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that a copy of the program has written."""
    root = tmp_path_factory.mktemp("written")
    program = root / "local_test/make_test_data.py"
    program.parent.mkdir()
    shutil.copy(ROOT / "local_test/make_test_data.py", program)
    subprocess.run([sys.executable, program], check=True, cwd=root.parent)
    return root


@pytest.mark.parametrize("file", [TRAINING, PAYLOAD], ids=lambda file: file.name)
def test_make_test_data_writes_the_committed_files(written: Path, file: Path) -> None:
    """The program writes the files of the repository, byte for byte."""
    assert (written / file).read_bytes() == (ROOT / file).read_bytes()


def test_make_test_data_writes_nothing_else(written: Path) -> None:
    """It writes one training file and one payload."""
    files = {path.relative_to(written) for path in written.rglob("*.csv")}

    assert files == {TRAINING, PAYLOAD}


def test_leaf_train_is_the_iris_table(iris: LabelledRows) -> None:
    """Every label and every number equal those of scikit-learn; the label is first."""
    rows = rows_of(TRAINING)

    assert [row[0] for row in rows] == list(iris.labels)
    assert [[float(cell) for cell in row[1:]] for row in rows] == iris.features.tolist()


def test_payload_is_every_tenth_row_without_its_label(iris: LabelledRows) -> None:
    """The request contains rows of every label."""
    rows = rows_of(PAYLOAD)

    assert [[float(cell) for cell in row] for row in rows] == iris.features[::10].tolist()
    assert set(iris.labels[::10]) == set(iris.labels)
