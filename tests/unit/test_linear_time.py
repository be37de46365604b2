"""Work in proportion to the input: operations are counted, not timed."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.tree import DecisionTreeClassifier

import algorithm
from benchmarks.phases import PHASES
from container.data.columns import HeaderGuess, resolve
from container.data.dataset import Dataset
from container.data.labels import ClassLabels
from container.data.readers.text import csv_header
from container.data.table import Table
from container.payloads import decoding
from container.payloads.types import Expected
from support.operations import calls
from support.training_files import table_of
from trees import quantiles

FEW, MANY = 50, 400


def as_parquet(n_columns: int) -> bytes:
    """Return two rows of numbers, with names."""
    file = io.BytesIO()
    parquet.write_table(pa.table({f"c{index}": [0, 1] for index in range(n_columns)}), file)
    return file.getvalue()


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_phase_makes_calls_in_proportion_to_its_size(name: str, tmp_path: Path) -> None:
    """Eight times the files, columns, rows, classes or leaves take at most eight times the calls.

    The benchmark times the same phases, with sizes up to 100,000.
    """
    counted: list[int] = []
    for size in (FEW, FEW, MANY):  # the first call imports
        directory = tmp_path / str(len(counted))
        directory.mkdir()
        counted.append(calls(PHASES[name](size, directory)).total())

    assert counted[2] < 1.5 * MANY / FEW * counted[1]


class Name(str):
    """Name whose comparisons are counted."""

    n_compared = 0

    def __eq__(self, other: object) -> bool:
        type(self).n_compared += 1
        return str(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(str(self))

    def strip(self, _: str | None = None) -> Self:
        """Return the name itself, so that it stays counted."""
        return self


def test_names_of_columns_are_compared_in_proportion_to_their_number() -> None:
    """A name is not compared with all names before it."""
    Name.n_compared = 0
    resolve(MANY, [Name(f"c{index}") for index in range(MANY)], None, None)

    assert Name.n_compared < 10 * MANY


def test_guesses_of_many_files_are_checked_in_proportion_to_their_number() -> None:
    """The label of each first row is compared with all others at once."""
    labels, names = ClassLabels(), [Name(f"label{number}") for number in range(MANY)]
    labels.add(names, are_text=True)
    Name.n_compared = 0
    csv_header.check_guesses([HeaderGuess(name, is_header=False) for name in names], labels)

    assert Name.n_compared < 10 * MANY


def test_parquet_schema_is_not_made_for_each_column(tmp_path: Path) -> None:
    """The types and names of all columns are converted whenever pyarrow's schema is asked for."""
    body, media_type = as_parquet(MANY), "application/vnd.apache.parquet"
    request = calls(lambda: decoding.decode(body, media_type, Expected(MANY)))
    training = calls(lambda: table_of(tmp_path, body, suffix=".parquet"))

    assert 0 < request["schema_arrow"] < 5
    assert 0 < training["schema_arrow"] < 5


def test_metrics_need_no_probabilities_of_all_rows() -> None:
    """The memory of an evaluation grows with rows and classes, not with their product."""
    size = 1500
    features = np.arange(size, dtype=np.float32)[:, np.newaxis]
    table = Table(features, np.arange(size) // 2)
    tree = DecisionTreeClassifier(splitter="random", max_depth=1, random_state=0)
    tree.fit(table.features, table.labels)
    peaks = [
        _peak(lambda: algorithm.evaluate(tree, table)),
        _peak(lambda: algorithm.evaluate_dataset(tree, Dataset.of_table(table, are_numbers=False))),
    ]

    assert max(peaks) < size * len(tree.classes_)  # of which each takes 8 bytes


def _peak(function: Callable[[], Any]) -> int:
    function()  # imports
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bins_are_written_into_one_sample() -> None:
    """The sample is padded once for all columns."""
    features = np.random.default_rng(0).random((FEW, MANY)).astype(np.float32)
    dataset = Dataset.of_table(Table(features, np.arange(FEW) % 2), are_numbers=False)
    found = calls(lambda: quantiles.reference(dataset, 256))

    assert found["pad"] == 1


def test_sample_of_a_dataset_makes_no_number_of_python() -> None:
    """Wide rows are exchanged as bytes: as Python floats they would take eight times the memory."""
    features = np.random.default_rng(0).random((FEW, 20 * MANY)).astype(np.float32)
    dataset = Dataset.of_table(Table(features, np.arange(FEW) % 2), are_numbers=False)

    assert _peak(lambda: dataset.sample(FEW)) < 5 * features.nbytes
    np.testing.assert_array_equal(dataset.sample(FEW).features, features)
