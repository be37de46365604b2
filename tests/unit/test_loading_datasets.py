"""Loading on one host: rows that fit in memory become a table, others a dataset."""

from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from container.data.dataset import Dataset
from container.data.loading import Loader
from container.data.table import Table
from container.distributed.communicator import ALONE
from container.errors import TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths
from support.fifos import fed, pipe_of
from support.formats import FORMATS
from support.material import OptMl, as_csv
from support.training_files import classes_in, rows_in


def streamed(opt_ml: OptMl, **options: Any) -> tuple[Any, Any]:
    """Return the rows of a host that keeps none in memory."""
    loader = Loader(InputOptions(**options), ALONE, lambda _: True, max_table_bytes=0)
    return loader.read(Paths(opt_ml.base))[:2]


@pytest.mark.parametrize("name", FORMATS)
def test_dataset_has_the_rows_of_the_table(opt_ml: OptMl, name: str) -> None:
    """In every format and every pass, rows and counts equal those of the table."""
    table = [[row % 3, row / 2, 0.5, 3.0, 4.0] for row in range(200)]
    for number in range(2):
        opt_ml.write(f"{number}/{name}", FORMATS[name](table[number::2]))

    dataset, _ = streamed(opt_ml)

    assert isinstance(dataset, Dataset)
    assert not dataset.is_in_memory
    assert rows_in(dataset) == rows_in(dataset) == [*table[0::2], *table[1::2]]
    assert classes_in(dataset) == {0: 67, 1: 67, 2: 66}
    assert len(dataset) == 200


@pytest.mark.parametrize(("may_drop", "limit_bytes"), [(False, 0), (True, 16)])
def test_rows_are_a_table_if_they_fit_or_must(
    opt_ml: OptMl, may_drop: bool, limit_bytes: int
) -> None:
    """An algorithm without datasets receives a table of any size."""
    opt_ml.write("a.csv", "a,1\nb,2\na,3\nb,4\n")

    loader = Loader(InputOptions(), ALONE, lambda _: may_drop, limit_bytes)
    found = loader.read(Paths(opt_ml.base))[0]

    assert isinstance(found, Table)
    assert found.features.tolist() == [[1], [2], [3], [4]]


def test_pipe_has_an_epoch_for_each_pass(opt_ml: OptMl) -> None:
    """Each pass reads the next pipe, until a complete one has written the spill file."""
    opt_ml.configure(train={"TrainingInputMode": "Pipe"})
    content = as_csv([row % 2, row] for row in range(90_000)).encode()

    with ExitStack() as stack:
        for epoch in range(3):
            stack.enter_context(fed(pipe_of(opt_ml, "train", epoch), content))
        dataset, _ = streamed(opt_ml)
        beginning = dataset.batches()
        assert len(next(beginning)) < 90_000
        beginning.close()
        for _ in range(2):
            assert sum(map(len, dataset.batches())) == 90_000


def test_rows_of_a_dataset_are_set_aside(opt_ml: OptMl) -> None:
    """In every pass, each row is either for training or for validation."""
    opt_ml.write("a.csv", as_csv([row % 2, row] for row in range(1000)))

    training, aside = streamed(opt_ml, validation_fraction=0.3)

    assert 200 < len(aside) < 400
    rows = rows_in(training) + rows_in(aside)
    assert sorted(rows) == sorted([row % 2, row] for row in range(1000))
    assert sum(classes_in(training).values()) == len(training) == len(rows_in(training))


def test_file_that_changes_between_passes_is_refused(opt_ml: OptMl) -> None:
    """The message names a label that was not there before."""
    file = opt_ml.write("a.csv", "a,1\nb,2\na,3\nb,4\n")
    dataset, _ = streamed(opt_ml)
    file.write_text("a,1\nc,2\n")

    with pytest.raises(TrainingDataError, match="the label 'c' was not there when"):
        rows_in(dataset)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_passes_after_the_first_read_the_spill_file(opt_ml: OptMl, task: str) -> None:
    """Features, labels, weights and missing values are the same without the files."""
    rows = [f"{row % 3},{row},{'' if row % 7 else row},{row % 5}\n" for row in range(1000)]
    file = opt_ml.write("a.csv", "y,b,c,w\n" + "".join(rows))
    dataset, _ = streamed(opt_ml, task=task, weight="w")

    first = list(dataset.batches())
    file.unlink()

    for batch, again in zip(first, dataset.batches(), strict=True):
        np.testing.assert_array_equal(batch.features, again.features)
        np.testing.assert_array_equal(batch.labels, again.labels)
        np.testing.assert_array_equal(batch.weights, again.weights)
        assert batch.labels.dtype == again.labels.dtype
        assert batch.feature_names == again.feature_names == ["b", "c"]
