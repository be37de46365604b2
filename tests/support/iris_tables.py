"""The Iris table and other tables, as algorithm.py receives them."""

from typing import Any

import numpy as np

from container.data.table import Table
from support.material import LabelledRows


def classes_of(iris: LabelledRows) -> Table:
    """Return the Iris table."""
    return Table(iris.features.astype(np.float32), np.array(iris.labels))


def quantities_of(iris: LabelledRows) -> Table:
    """Return the Iris table with the last feature as a numeric label."""
    return Table(iris.features[:, :3].astype(np.float32), iris.features[:, 3] + 1)


def table_of(labels: list[Any]) -> Table:
    """Return a table with these labels and one feature."""
    features = np.arange(len(labels), dtype=np.float32).reshape(-1, 1)
    return Table(features, np.array(labels))


def weighted(table: Table) -> Table:
    """Return a table whose rows have different weights, some of them 0."""
    weights = np.arange(len(table), dtype=np.float64) % 7
    return Table(table.features, table.labels, weights)
