"""Write a training table as CSV or Parquet, depending on the suffix of the file.

usage: python tables.py FILE ROWS COLUMNS
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

BATCH_ROWS = 10_000

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


def rows(n_rows: int, n_columns: int, seed: int) -> Rows:
    """Return features, and labels of 3 classes that a tree can learn partly."""
    random = np.random.default_rng(seed)
    features = random.random((n_rows, n_columns))
    score = features[:, 0] + features[:, 1] * features[:, 2] + random.normal(0, 0.2, n_rows)
    return features, np.digitize(score, [0.5, 0.9])


def write_csv(file: Path, n_rows: int, n_columns: int) -> None:
    """Write the table as CSV: the label first, then the features with all digits of a double."""
    with file.open("w", encoding="ascii") as text:
        for seed, start in enumerate(range(0, n_rows, BATCH_ROWS)):
            features, labels = rows(min(BATCH_ROWS, n_rows - start), n_columns, seed)
            for label, row in zip(labels.tolist(), features.tolist(), strict=True):
                text.write(f"{label},{','.join(map(repr, row))}\n")


def write_parquet(file: Path, n_rows: int, n_columns: int) -> None:
    """Write the same table as Parquet: doubles in one row group, as pandas writes them."""
    parts = [
        rows(min(BATCH_ROWS, n_rows - start), n_columns, seed)
        for seed, start in enumerate(range(0, n_rows, BATCH_ROWS))
    ]
    features = np.concatenate([part[0] for part in parts])
    columns = {"label": np.concatenate([part[1] for part in parts])}
    columns |= {f"feature_{index}": features[:, index] for index in range(n_columns)}
    parquet.write_table(pa.table(columns), file, row_group_size=n_rows)


def main() -> None:
    """Write the table that the arguments describe."""
    file = Path(sys.argv[1])
    write = write_parquet if file.suffix == ".parquet" else write_csv
    write(file, int(sys.argv[2]), int(sys.argv[3]))


if __name__ == "__main__":
    main()
