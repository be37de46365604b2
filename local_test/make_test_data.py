"""Write the sample data of local_test from scikit-learn's Iris table.

usage: python local_test/make_test_data.py

leaf_train.csv is the training data: 150 rows, the label first, no header. payload.csv is the body
of a request: every tenth row, without its label.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from sklearn.datasets import load_iris

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write both files."""
    iris = load_iris()
    rows = [row.tolist() for row in iris.data]
    labels = [str(iris.target_names[index]) for index in iris.target]
    labelled = ([label, *row] for label, row in zip(labels, rows, strict=True))
    _write(HERE / "test_dir/input/data/training/leaf_train.csv", labelled)
    _write(HERE / "payload.csv", rows[::10])


def _write(file: Path, rows: Iterable[list[object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
