"""Quantiles of features: the same rows give the same bins in any order and on any hosts."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from container.data.dataset import Dataset
from container.data.table import Table
from support.host_threads import connected, on_all
from trees import quantiles

N_ROWS = quantiles.SAMPLE_ROWS + 20_000


@pytest.fixture(scope="module")
def table() -> Table:
    """Rows with a feature of many values, one of few, and one with a value of only two rows."""
    random = np.random.default_rng(0)
    features = np.stack(
        [
            random.normal(size=N_ROWS),
            random.integers(0, 5, N_ROWS),
            random.integers(0, 2, N_ROWS),
        ],
        axis=1,
    ).astype(np.float32)
    features[::7, :2] = np.nan
    features[[5, -5], 2] = 9
    return Table(features, np.arange(N_ROWS) % 2)


def in_order(table: Table, order: NDArray[np.intp]) -> Dataset:
    """Return the rows of a table in another order, and so in other batches."""
    return Dataset.of_table(table.take(order), are_numbers=False)


def test_few_values_are_all_there(table: Table) -> None:
    """A feature of few values has a bin for each, also for one that a sample would miss."""
    found = quantiles.reference(Dataset.of_table(table, are_numbers=False), 256)

    values = [column[~np.isnan(column)].tolist() for column in found.T[1:]]
    assert values == [[0, 1, 2, 3, 4], [0, 1, 9]]


def test_many_values_have_the_quantiles_of_all(table: Table) -> None:
    """Bins of a sample are near the quantiles of all rows."""
    found = quantiles.reference(Dataset.of_table(table, are_numbers=False), 256)[:, 0]

    levels = np.linspace(0, 1, 101)
    ranks = np.searchsorted(np.sort(table.features[:, 0]), np.nanquantile(found, levels))
    assert len(found) == quantiles.SAMPLE_ROWS
    np.testing.assert_allclose(ranks / (N_ROWS * 6 / 7), levels, atol=0.01)


def test_order_of_rows_does_not_count(table: Table) -> None:
    """Bins do not depend on the order of rows and the ends of batches."""
    expected = quantiles.reference(Dataset.of_table(table, are_numbers=False), 256)

    found = quantiles.reference(in_order(table, np.random.default_rng(1).permutation(N_ROWS)), 256)

    np.testing.assert_array_equal(found, expected)


def test_number_of_hosts_does_not_count(table: Table) -> None:
    """Each host computes the bins of all rows, also a host without rows."""
    expected = quantiles.reference(Dataset.of_table(table, are_numbers=False), 256)
    parts = [np.arange(0, 30_000), np.arange(30_000, N_ROWS), np.arange(0)]
    shares = [in_order(table, part) for part in parts]

    with connected() as machines:
        found = on_all(
            machines,
            lambda found: quantiles.reference(replace(shares[found.rank], communicator=found), 256),
        )

    for of_host in found:
        np.testing.assert_array_equal(of_host, expected)


@pytest.mark.parametrize("most", [2, 4])
def test_values_that_are_too_many_are_sampled(most: int) -> None:
    """A feature has many values if one batch or all batches together have them."""
    batches = [Table(np.array([[i], [i], [i + 1]], np.float32), np.zeros(3)) for i in range(4)]

    def passes() -> Iterator[Table]:
        return iter(batches)

    dataset = replace(Dataset.of_table(batches[0], are_numbers=False), batches=passes)

    assert sorted(quantiles.reference(dataset, most)[:, 0].tolist()) == [0, 1, 2, 3, 4]
