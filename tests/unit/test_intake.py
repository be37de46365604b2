"""Loader: what each host of a job reads, and what all agree on."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container.data import channels
from container.data.dataset import Dataset
from container.data.loading import Loader
from container.data.table import Table
from container.distributed.communicator import ALONE
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths
from container.training import job
from support.fifos import fed, pipe_of
from support.formats import FORMATS
from support.groups import Machine, connected, on_all
from support.material import OptMl, as_csv

SHARDED = {"S3DistributionType": "ShardedByS3Key"}


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """Three hosts that have met."""
    with connected() as found:
        yield found


@pytest.fixture
def shards(tmp_path: Path) -> list[OptMl]:
    """The /opt/ml of three hosts, each of which gets files of its own."""
    found = [OptMl(tmp_path / str(rank)) for rank in range(3)]
    for opt_ml in found:
        opt_ml.configure(training=SHARDED, validation=SHARDED)
    return found


def read(
    machines: list[Machine], found: list[OptMl], **options: Any
) -> list[tuple[Dataset, Dataset | None]]:
    """Return what each host has read."""
    chosen = InputOptions(**options)
    return on_all(
        machines,
        lambda communicator: Loader(chosen, communicator).read(
            Paths(found[communicator.rank].base)
        ),
    )


def refusals_of(machines: list[Machine], found: list[OptMl], **options: Any) -> list[str]:
    """Return what each host says of data that are refused."""

    def refused(communicator: Any) -> str:
        paths = Paths(found[communicator.rank].base)
        with pytest.raises(TrainingDataError) as caught:
            Loader(InputOptions(**options), communicator).read(paths)
        return str(caught.value)

    return on_all(machines, refused)


def rows_in(dataset: Dataset) -> list[list[Any]]:
    """Return the rows of one host, the label first."""
    return [
        [label, *row]
        for batch in dataset.batches()
        for label, row in zip(batch.labels.tolist(), batch.features.tolist(), strict=True)
    ]


def classes_in(dataset: Dataset) -> dict[Any, int]:
    """Return how many rows on all hosts have each label."""
    labels, counts = dataset.classes
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def test_hosts_know_the_labels_of_all(machines: list[Machine], shards: list[OptMl]) -> None:
    """Labels that look like numbers on one host are text where another has text."""
    for opt_ml, content in zip(shards, ["1,5\n2,6\n", "1,7\n", "x,8\nx,9\n"], strict=True):
        opt_ml.write("a.csv", content)

    found = [dataset for dataset, _ in read(machines, shards)]

    assert [rows_in(dataset) for dataset in found] == [
        [["1", 5.0], ["2", 6.0]],
        [["1", 7.0]],
        [["x", 8.0], ["x", 9.0]],
    ]
    for dataset in found:
        assert classes_in(dataset) == {"1": 2, "2": 1, "x": 2}
        assert len(dataset) == 5


def test_host_may_have_nothing(machines: list[Machine], shards: list[OptMl]) -> None:
    """No file, or no directory; it knows the columns of the others all the same."""
    shards[0].channel().mkdir(parents=True)
    shards[1].write("a.csv", "y,b,c\n1,5,6\n2,7,8\n")

    found = [dataset for dataset, _ in read(machines, shards)]

    assert [len(rows_in(dataset)) for dataset in found] == [0, 2, 0]
    for dataset in found:
        assert dataset.schema.feature_names == ["b", "c"]
        assert classes_in(dataset) == {1: 1, 2: 1}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("n_files", [1, 3])
def test_replicated_rows_are_read_once(
    machines: list[Machine], tmp_path: Path, name: str, n_files: int
) -> None:
    """In every format, by whole files where there are enough, else row by row."""
    table = [[float(row % 3), row, 0.5, 3.0, 4.0] for row in range(99)]
    table = [[int(row[0]), *row[1:]] for row in table]
    found = [OptMl(tmp_path / str(rank)) for rank in range(3)]
    for opt_ml in found:
        for number in range(n_files):
            content = FORMATS[name](table[number::n_files])
            opt_ml.write(f"{number}/{name}", content)

    datasets = [dataset for dataset, _ in read(machines, found)]

    shares = [rows_in(dataset) for dataset in datasets]
    assert [len(share) for share in shares] == [33, 33, 33]
    assert sorted(row for share in shares for row in share) == sorted(table)
    assert all(classes_in(dataset) == {0: 33, 1: 33, 2: 33} for dataset in datasets)


def test_numbers_are_described_as_on_one_host(machines: list[Machine], shards: list[OptMl]) -> None:
    """Their mean and deviation are those of all rows."""
    labels: NDArray[np.float64] = np.random.default_rng(0).normal(1e6, 3, 90)
    for rank, opt_ml in enumerate(shards):
        opt_ml.write("a.csv", as_csv([label, 1] for label in labels[rank * rank :: 3]))
    used = np.concatenate([labels[rank * rank :: 3] for rank in range(3)])

    for dataset, _ in read(machines, shards, task="regression"):
        assert dataset.label_moments.mean == pytest.approx(used.mean(), rel=1e-12)
        assert dataset.label_moments.deviation == pytest.approx(used.std())


def test_rows_to_validate_on_may_be_on_one_host(
    machines: list[Machine], shards: list[OptMl]
) -> None:
    """All hosts know of them, and that their labels are those of the training data."""
    for opt_ml in shards:
        opt_ml.write("a.csv", "a,1\nb,2\na,3\n")
    shards[2].write("v.csv", "b,3\n", channel="validation")

    found = [aside for _, aside in read(machines, shards)]

    assert [len(rows_in(aside)) for aside in found if aside is not None] == [0, 0, 1]
    assert all(aside is not None and len(aside) == 1 for aside in found)


def test_rows_may_be_set_aside(machines: list[Machine], shards: list[OptMl]) -> None:
    """Each host sets that part of its rows aside, the same each time."""
    for opt_ml in shards:
        opt_ml.write("a.csv", as_csv([row % 2, row] for row in range(400)))

    first, again = (read(machines, shards, validation_fraction=0.25) for _ in range(2))

    for (learnt, aside), (_, repeated) in zip(first, again, strict=True):
        assert aside is not None
        assert repeated is not None
        assert len(learnt) + len(aside) == 1200
        assert 200 < len(aside) < 400
        assert sorted(rows_in(learnt) + rows_in(aside)) == sorted(
            [row % 2, row] for row in range(400)
        )
        assert rows_in(aside) == rows_in(repeated)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (
            ["a,1\nb,2\n", "a,1,2\nb,1,2\n"],
            "on 127.0.0.2, rows have 3 columns, but those of {0} on",
        ),
        (
            ["y,b\na,1\n", "y,c\na,2\n"],
            "on 127.0.0.2, column 2 is named 'c', but 'b' in {0} on 127.0.0.1",
        ),
        (["y,b\na,1\n", "a,2\n"], "on 127.0.0.2, there is no header, but {0} on 127.0.0.1 has one"),
        (["a,1\nb,1\n", "a\t1\nb\t1\n"], "on 127.0.0.1 is comma-separated text and {1} on 127."),
        (["1,1\n2,1\n", "1.0,1\n2,1\n"], "the labels '1' and '1.0' are one number written in two"),
        (["a,1\nb,\n", "a,2\nb,\n"], "all rows with the label 'b' are empty"),
    ],
)
def test_hosts_with_different_data_say_so(
    machines: list[Machine], shards: list[OptMl], contents: list[str], words: str
) -> None:
    """All of them, in the same words, which name the hosts and what they have."""
    files = [opt_ml.write("a.csv", text) for opt_ml, text in zip(shards, contents, strict=False)]

    (message,) = set(refusals_of(machines, shards))

    assert words.format(*files) in message


def test_hosts_without_any_data_say_so(machines: list[Machine], shards: list[OptMl]) -> None:
    """The failure lists what there is, as on one host."""
    for message in refusals_of(machines, shards):
        assert message.startswith("No host has training data: The channel training ")


def test_error_of_a_file_names_the_host(machines: list[Machine], shards: list[OptMl]) -> None:
    """The others would look for it in vain."""
    file = shards[1].write("a.csv", "a,1\nb,x\n")
    machine = machines[1]

    with pytest.raises(TrainingDataError) as caught:
        Loader(InputOptions(), machine.communicator)._rows(channels.find(Paths(shards[1].base))[0])

    assert str(caught.value).startswith(f"On the host {machine.name}: In {file}, row 2, column 2")


def test_algorithm_for_one_host_refuses_several(opt_ml: OptMl) -> None:
    """It says so at once, and does not learn from a part of the rows."""
    paths = Paths(opt_ml.base)
    paths.resource_config.parent.mkdir(parents=True)
    paths.resource_config.write_text('{"hosts": ["a", "b"], "current_host": "a"}')

    class Alone:
        Hyperparameters = InputOptions

    with pytest.raises(HyperparameterError) as caught:
        job.run(Alone(), paths)  # type: ignore[arg-type]

    assert str(caught.value) == (
        "The job has 2 hosts, and this algorithm can only use one; set the number of instances to "
        "1."
    )


def streamed(opt_ml: OptMl, **options: Any) -> tuple[Any, Any]:
    """Return what a host that keeps nothing in memory reads."""
    return Loader(InputOptions(**options), ALONE, lambda _: True, max_table_bytes=0).read(
        Paths(opt_ml.base)
    )


@pytest.mark.parametrize("name", FORMATS)
def test_rows_beyond_memory_are_those_of_the_table(opt_ml: OptMl, name: str) -> None:
    """In every format, in every pass; and what is known of them is the same."""
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
def test_rows_that_fit_are_a_table(opt_ml: OptMl, may_drop: bool, limit_bytes: int) -> None:
    """So they are where an algorithm needs all of them, however many there are."""
    opt_ml.write("a.csv", "a,1\nb,2\na,3\nb,4\n")

    found, _ = Loader(InputOptions(), ALONE, lambda _: may_drop, limit_bytes).read(
        Paths(opt_ml.base)
    )

    assert isinstance(found, Table)
    assert found.features.tolist() == [[1], [2], [3], [4]]


def test_pipe_has_an_epoch_for_each_pass(opt_ml: OptMl) -> None:
    """A pass that ends early has one too; after one to the end, rows are on the disk."""
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


def test_rows_beyond_memory_may_be_set_aside(opt_ml: OptMl) -> None:
    """Each row is either learnt or validated on, in every pass."""
    opt_ml.write("a.csv", as_csv([row % 2, row] for row in range(1000)))

    learnt, aside = streamed(opt_ml, validation_fraction=0.3)

    assert 200 < len(aside) < 400
    assert sorted(rows_in(learnt) + rows_in(aside)) == sorted([row % 2, row] for row in range(1000))
    assert sum(classes_in(learnt).values()) == len(learnt) == len(rows_in(learnt))


def test_file_that_changes_between_passes_is_refused(opt_ml: OptMl) -> None:
    """A label that nobody knew of is named."""
    file = opt_ml.write("a.csv", "a,1\nb,2\na,3\nb,4\n")
    dataset, _ = streamed(opt_ml)
    file.write_text("a,1\nc,2\n")

    with pytest.raises(TrainingDataError, match="the label 'c' was not there when"):
        rows_in(dataset)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_beyond_memory_are_read_once_more_and_then_kept(opt_ml: OptMl, task: str) -> None:
    """Later passes need no files: labels, weights and missing values are those that there were."""
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
