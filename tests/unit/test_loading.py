"""Loading on several hosts: what each reads, and what all agree on."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import algorithm
from container.data import channels
from container.data.columns import Columns
from container.data.dataset import Dataset
from container.data.labels import Moments
from container.data.loading import Loader
from container.data.table import Description, Schema
from container.distributed.communicator import ALONE
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths
from container.training import job
from support.formats import FORMATS
from support.host_threads import Machine, connected, on_all
from support.material import OptMl, as_csv
from support.pages import blocks
from support.training_files import classes_in, rows_in

SHARDED = {"S3DistributionType": "ShardedByS3Key"}


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """Three connected hosts."""
    with connected() as found:
        yield found


@pytest.fixture
def shards(tmp_path: Path) -> list[OptMl]:
    """The /opt/ml of three hosts with different files."""
    found = [OptMl(tmp_path / str(rank)) for rank in range(3)]
    for opt_ml in found:
        opt_ml.configure(training=SHARDED, validation=SHARDED)
    return found


def read(
    machines: list[Machine], found: list[OptMl], **options: Any
) -> list[tuple[Dataset, Dataset | None]]:
    """Return the rows that each host reads."""
    chosen = InputOptions(**options)
    return on_all(
        machines,
        lambda communicator: Loader(chosen, communicator).read(
            Paths(found[communicator.rank].base)
        )[:2],
    )


GIVEN = "as the hyperparameter label says; "
FIRST = "the first column, because the hyperparameter label is not set; "
TWELVE = range(12)


def test_page_shows_the_line_of_the_log() -> None:
    """The documentation has the description of a table as the log has it."""
    shown = next(block.text for block in blocks() if block.text.startswith("training: label: "))
    columns = Columns(4, ("rooms", "price", "area", "garden"), 1, None)
    moments = Moments(1438, 251.2, 1438 * 83.1**2)
    options = InputOptions(label="price", task="regression")
    described = Description("CSV", 1438, Schema(3, columns), [], moments, {}, options)

    assert shown == f"training: {described}\n"


@pytest.mark.parametrize(
    ("name", "content", "options", "parts"),
    [
        (
            "a.csv",
            "5,x,1,0.5\n6,y,2,1\n7,x,3,1\n",
            {"label": "-3", "weight": "3"},
            [
                f"column index 1, {GIVEN}2 classes: 'x' 2 rows, 'y' 1 row",
                "3 rows, weights: column index 3; 2 features without names",
            ],
        ),
        (
            "a.csv",
            "price,area\n2,1\n4,2\n",
            {"task": "regression", "label": "price"},
            [
                f"column 'price', index 0, {GIVEN}numbers, mean 3, standard deviation 1",
                "2 rows, no weights; 1 feature: 'area'",
            ],
        ),
        (
            "a.libsvm",
            "1 1:2 2:3\n0 1:1\n1 2:1\n",
            {},
            [
                "in each row of libsvm; 2 classes: '1' 2 rows, '0' 1 row",
                "3 rows, no weights; 2 features without names",
            ],
        ),
        (
            "a.csv",
            as_csv([f"c{row:02}", *TWELVE] for row in TWELVE),
            {"header": "absent"},
            [
                f"column index 0, {FIRST}12 classes: "
                + ", ".join(f"'c{row:02}' 1 row" for row in range(10))
                + " and 2 more",
                "12 rows, no weights; 12 features without names",
            ],
        ),
        (
            "a.csv",
            as_csv([["y\n\u001b", *(f"x{n}" for n in TWELVE)], ["a", *TWELVE]]),
            {"header": "present"},
            [
                f"column 'y\\n\\x1b', index 0, {FIRST}1 class: 'a' 1 row",
                "1 row, no weights",
                "12 features: " + ", ".join(f"'x{n}'" for n in range(10)) + " and 2 more",
            ],
        ),
    ],
)
def test_rows_are_described(
    opt_ml: OptMl, name: str, content: str, options: dict[str, Any], parts: list[str]
) -> None:
    """The description has the label, how it was chosen, the largest classes, and the columns."""
    opt_ml.write(name, content)

    found = Loader(InputOptions(**options), ALONE).read(Paths(opt_ml.base))[2]

    assert str(found) == f"label: {'; '.join(parts)}"


def test_description_is_of_all_hosts(machines: list[Machine], shards: list[OptMl]) -> None:
    """Rows and classes are those of all hosts, also if some rows are set aside."""
    for opt_ml, rows in zip(shards, ["a,1\n", "b,1\na,2\n", "a,1\n"], strict=True):
        opt_ml.write("a.csv", "y,x\n" + rows)
    chosen = InputOptions(validation_fraction=0.5)

    found = on_all(
        machines,
        lambda communicator: (
            Loader(chosen, communicator).read(Paths(shards[communicator.rank].base))[2].to_json()
        ),
    )

    assert (
        found
        == [
            {
                "format": "comma-separated text",
                "rows": 4,
                "columns": 2,
                "label": {"index": 0, "name": "y", "chosen_by": "default"},
                "weight": None,
                "classes": {"a": 3, "b": 1},
            }
        ]
        * 3
    )


def refusals_of(machines: list[Machine], found: list[OptMl], **options: Any) -> list[str]:
    """Return the error of each host for data that is refused."""

    def refused(communicator: Any) -> str:
        paths = Paths(found[communicator.rank].base)
        with pytest.raises(TrainingDataError) as caught:
            Loader(InputOptions(**options), communicator).read(paths)
        return str(caught.value)

    return on_all(machines, refused)


def test_hosts_know_the_labels_of_all(machines: list[Machine], shards: list[OptMl]) -> None:
    """Labels that look like numbers on one host are text if another host has text."""
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


def test_host_may_have_no_data(machines: list[Machine], shards: list[OptMl]) -> None:
    """A host without a file, or without a directory, knows the columns of the others."""
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
    """Replicated channels are shared by files if there are enough, otherwise by rows."""
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


def test_label_moments_are_those_of_all_hosts(machines: list[Machine], shards: list[OptMl]) -> None:
    """Mean and deviation of numeric labels equal those of all rows."""
    labels: NDArray[np.float64] = np.random.default_rng(0).normal(1e6, 3, 90)
    for rank, opt_ml in enumerate(shards):
        opt_ml.write("a.csv", as_csv([label, 1] for label in labels[rank * rank :: 3]))
    used = np.concatenate([labels[rank * rank :: 3] for rank in range(3)])

    for dataset, _ in read(machines, shards, task="regression"):
        assert dataset.label_moments.mean == pytest.approx(used.mean(), rel=1e-12)
        assert dataset.label_moments.deviation == pytest.approx(used.std())


def test_validation_rows_may_be_on_one_host(machines: list[Machine], shards: list[OptMl]) -> None:
    """All hosts count them, with the labels of the training data."""
    for opt_ml in shards:
        opt_ml.write("a.csv", "a,1\nb,2\na,3\n")
    shards[2].write("v.csv", "b,3\n", channel="validation")

    found = [aside for _, aside in read(machines, shards)]

    assert [len(rows_in(aside)) for aside in found if aside is not None] == [0, 0, 1]
    assert all(aside is not None and len(aside) == 1 for aside in found)


def test_every_host_sets_rows_aside(machines: list[Machine], shards: list[OptMl]) -> None:
    """Each host sets its part aside, the same rows each time."""
    for opt_ml in shards:
        opt_ml.write("a.csv", as_csv([row % 2, row] for row in range(400)))

    first, again = (read(machines, shards, validation_fraction=0.25) for _ in range(2))

    for (training, aside), (_, repeated) in zip(first, again, strict=True):
        assert aside is not None
        assert repeated is not None
        assert len(training) + len(aside) == 1200
        assert 200 < len(aside) < 400
        assert sorted(rows_in(training) + rows_in(aside)) == sorted(
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
def test_hosts_with_different_data_are_refused(
    machines: list[Machine], shards: list[OptMl], contents: list[str], words: str
) -> None:
    """All hosts report the same message, which names the hosts and the difference."""
    files = [opt_ml.write("a.csv", text) for opt_ml, text in zip(shards, contents, strict=False)]

    (message,) = set(refusals_of(machines, shards))

    assert words.format(*files) in message


def test_hosts_without_any_data_are_refused(machines: list[Machine], shards: list[OptMl]) -> None:
    """The message lists the channels that exist, as on one host."""
    for message in refusals_of(machines, shards):
        assert message.startswith("No host has training data: The channel training ")


def test_error_of_a_file_names_the_host(machines: list[Machine], shards: list[OptMl]) -> None:
    """The message has the name of the host that holds the file."""
    file = shards[1].write("a.csv", "a,1\nb,x\n")
    machine = machines[1]

    with pytest.raises(TrainingDataError) as caught:
        Loader(InputOptions(), machine.communicator).load(channels.find(Paths(shards[1].base))[0])

    assert str(caught.value).startswith(f"On the host {machine.name}: In {file}, row 2, column 2")


def test_algorithm_for_one_host_is_refused_on_several(opt_ml: OptMl) -> None:
    """The job fails immediately, instead of training on a part of the rows."""
    paths = Paths(opt_ml.base)
    paths.resource_config.parent.mkdir(parents=True)
    paths.resource_config.write_text('{"hosts": ["a", "b"], "current_host": "a"}')

    names = ("Hyperparameters", "fit", "evaluate", "describe", "save")
    alone: Any = SimpleNamespace(**{name: getattr(algorithm, name) for name in names})

    with pytest.raises(HyperparameterError) as caught:
        job.run(alone, paths)

    assert str(caught.value) == (
        "The job has 2 hosts, but this algorithm can only use one; set the number of instances to "
        "1."
    )
