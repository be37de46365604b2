"""Distributed training: containers on a network, one core each, train one tree."""

import io
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from artifact import model as artifact
from support.cluster import Cluster
from support.containers import Container, Engine, run
from support.material import ARTIFACT, OptMl, as_csv, soak_only
from support.processes import DEADLINE_SECONDS, Ended, await_condition

SECONDS = DEADLINE_SECONDS
"""Maximum time until all hosts have exited after one has failed."""

NAMES = ("algo-1", "algo-2", "algo-3")
SHARDED = {"S3DistributionType": "ShardedByS3Key"}

pytestmark = pytest.mark.docker


@pytest.fixture
def cluster(engine: Engine, images: Mapping[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """A network for the hosts of a job."""
    cluster = Cluster(engine, images["full"], tmp_path)
    yield cluster
    engine.remove_all()
    cluster.remove()


def table(
    n_rows: int, seed: int = 0, decimals: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return features and labels sorted by label, so that no shard has all labels."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_rows, 5)).round(decimals)
    score = features[:, 0] + features[:, 1] * features[:, 2] + random.normal(0, 0.3, n_rows)
    labels = np.array(["a low one", "high", "mid"])[np.digitize(score, [-0.5, 0.5])]
    order = np.argsort(labels, kind="stable")
    return features[order], labels[order]


def lines_of(features: NDArray[np.float64], labels: NDArray[Any]) -> list[str]:
    """Return the lines of a training file."""
    text = as_csv([label, *row] for label, row in zip(labels, features, strict=True))
    return text.splitlines(keepends=True)


def shards(lines: Sequence[str], n: int) -> list[str]:
    """Return consecutive parts of a file."""
    return ["".join(lines[len(lines) * i // n : len(lines) * (i + 1) // n]) for i in range(n)]


def hosts_of(cluster: Cluster, names: Sequence[str], **given: object) -> dict[str, OptMl]:
    """Return the hosts of a job with these hyperparameters and no data."""
    hosts = {name: cluster.host(name, names) for name in names}
    for opt_ml in hosts.values():
        opt_ml.write_hyperparameters({name: str(value) for name, value in given.items()})
        opt_ml.configure(training=SHARDED, validation=SHARDED)
    return hosts


def metrics_of(hosts: Mapping[str, OptMl]) -> Any:
    """Return the metrics that the first host wrote."""
    return json.loads(hosts[min(hosts)].metrics.read_text())


def await_words(container: Container, words: str) -> None:
    """Wait until the log of a host contains these words."""
    await_condition(lambda: words in run("docker", "logs", container.name), words)


def check_end(hosts: Mapping[str, OptMl], ended: Mapping[str, Ended]) -> None:
    """Check that all hosts have the same tree, and that only the first one has written it."""
    assert [end.code for end in ended.values()] == [0] * len(ended), ended
    if len(hosts) > 1:
        assert len({re.findall("checksum ([0-9a-f]+)", end.log)[0] for end in ended.values()}) == 1
    first, *others = sorted(hosts)
    assert sorted(file.name for file in hosts[first].model.iterdir()) == ARTIFACT
    for name in others:
        assert not hosts[name].model.exists()
        assert not hosts[name].metrics.exists()
    assert not any(opt_ml.failure.exists() for opt_ml in hosts.values())


def check_failures(hosts: Mapping[str, OptMl], ended: Mapping[str, Ended], *words: str) -> None:
    """Check that all hosts failed, with these words in their failure files."""
    for name, end in ended.items():
        assert end.code in (65, 70), end.log
        failure = hosts[name].failure.read_text()
        assert 0 < len(failure) <= 1024
        for word in words:
            assert word in failure
        assert not hosts[name].model.exists() or not list(hosts[name].model.iterdir())


@pytest.mark.parametrize("decimals", [soak_only(1), 3])
def test_hosts_grow_one_tree_from_their_shards(cluster: Cluster, decimals: int) -> None:
    """The tree is as accurate as that of one host, and knows labels that only one host has.

    Features have fewer distinct values than bins, or more.
    """
    features, labels = table(30_000, decimals=decimals)
    validation = lines_of(*table(20_000, seed=1))
    metrics: dict[int, Any] = {}

    for n_hosts in (1, 2, 3):
        names = [f"algo-{n_hosts}-{letter}" for letter in "xyz"[:n_hosts]]
        hosts = hosts_of(cluster, names, engine="histogram", max_depth=6)
        parts = shards(lines_of(features, labels), n_hosts)
        for opt_ml, part in zip(hosts.values(), parts, strict=True):
            opt_ml.write("part.csv", part)
        hosts[names[-1]].write("v.csv", "".join(validation), channel="validation")
        check_end(hosts, cluster.train(hosts))
        metrics[n_hosts] = metrics_of(hosts)
        model = artifact.load(hosts[names[0]].model)
        found = np.array(model.record.labels)[model.predict(features.astype(np.float32))]
        assert (found == labels).mean() == pytest.approx(metrics[n_hosts]["train"]["accuracy"])

    for found in metrics.values():
        assert (found["train"]["rows"], found["validation"]["rows"]) == (30_000, 20_000)
        assert found["train"].keys() == metrics[1]["train"].keys()
        for rows in ("train", "validation"):
            assert found[rows]["accuracy"] == metrics[1][rows]["accuracy"]


@pytest.mark.soak
def test_hosts_grow_one_tree_beyond_memory(cluster: Cluster) -> None:
    """No host keeps its rows in memory, and the metrics equal those of one host with all rows."""
    random = np.random.default_rng(0)
    n_rows, n_features = 72_000, 500  # per host: 144 MB as float32
    parts = []
    for _ in range(2):
        columns = [*random.integers(0, 10, (n_features, n_rows)).astype(np.float32)]
        labels = columns[3] + columns[7] + random.integers(0, 5, n_rows) > 11
        names = ["label", *(f"feature_{number}" for number in range(n_features))]
        parts.append(io.BytesIO())
        parquet.write_table(pa.table([labels.astype(int), *columns], names), parts[-1])
    metrics: dict[int, Any] = {}

    for n_hosts in (1, 2):
        names = [f"algo-{n_hosts}-{letter}" for letter in "xy"[:n_hosts]]
        hosts = hosts_of(cluster, names, engine="histogram", max_depth=3)
        for number, part in enumerate(parts):
            hosts[names[number % n_hosts]].write(f"{number}.parquet", part.getvalue())
        ended = cluster.train(hosts)
        check_end(hosts, ended)
        assert all("are not kept in memory" in end.log for end in ended.values())
        metrics[n_hosts] = metrics_of(hosts)["train"] | {"seconds": None}

    assert metrics[2] == metrics[1]
    assert metrics[2]["rows"] == 2 * n_rows


@pytest.mark.parametrize("n_files", [1, soak_only(4)])
def test_replicated_rows_are_divided(cluster: Cluster, n_files: int) -> None:
    """No row is counted twice, with and without one file for each host."""
    features, _ = table(3000)
    hosts = hosts_of(cluster, NAMES, task="regression", label="1", max_depth=5)
    for opt_ml in hosts.values():
        opt_ml.configure()
        for number, part in enumerate(shards(lines_of(features, np.arange(3000)), n_files)):
            opt_ml.write(f"{number}.csv", part)

    ended = cluster.train(hosts)

    check_end(hosts, ended)
    assert metrics_of(hosts)["train"]["rows"] == 3000
    assert "engine: histogram, for 3 hosts" in ended["algo-2"].log


def test_host_may_have_no_rows(cluster: Cluster) -> None:
    """A host without files, or without a directory, trains with the others; it may be the first."""
    features, labels = table(3000)
    hosts = hosts_of(cluster, NAMES, max_depth=5, class_weight="balanced")
    hosts["algo-1"].channel().mkdir(parents=True)
    hosts["algo-2"].write("all.csv", "".join(lines_of(features, labels)))

    ended = cluster.train(hosts)

    check_end(hosts, ended)
    assert metrics_of(hosts)["train"]["rows"] == 3000
    model = artifact.load(hosts["algo-1"].model)
    found = np.array(model.record.labels)[model.predict(features.astype(np.float32))]
    assert (found == labels).mean() == metrics_of(hosts)["train"]["accuracy"] > 0.7


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,1\nb,x\n", ("On the host algo-2", "other.csv", "row 2")),
        soak_only(
            "a,1,2\nb,3,4\n",
            ("The hosts have different data", "algo-1", "algo-2", "3 columns"),
        ),
    ],
)
def test_bad_data_on_one_host_ends_all(cluster: Cluster, content: str, words: tuple[str]) -> None:
    """The failure files of all hosts name the host, the file and the mistake."""
    hosts = hosts_of(cluster, NAMES)
    for name, opt_ml in hosts.items():
        opt_ml.write("other.csv", content if name == "algo-2" else "a,1\nb,2\n")
    start = time.monotonic()

    ended = cluster.train(hosts)

    assert time.monotonic() - start < SECONDS
    check_failures(hosts, ended, *words)


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ("algo-1", "The first host, algo-1, could not be reached"),
        soak_only("algo-3", "The host algo-3 has not joined"),
    ],
)
def test_host_that_never_comes_ends_all(cluster: Cluster, absent: str, words: str) -> None:
    """The other hosts wait as long as the hyperparameter says, and then fail."""
    hosts = hosts_of(cluster, NAMES, hosts_seconds=8)
    del hosts[absent]
    start = time.monotonic()

    ended = cluster.train(hosts)

    assert time.monotonic() - start < 8 + SECONDS
    check_failures(hosts, ended, words, "8 seconds", "hosts_seconds")


@pytest.mark.parametrize("victim", ["algo-1", soak_only("algo-2")])
def test_host_that_dies_ends_all(cluster: Cluster, victim: str) -> None:
    """The other hosts fail at once, in any phase of the job."""
    hosts = hosts_of(cluster, NAMES)
    for opt_ml in hosts.values():
        opt_ml.configure(training={"TrainingInputMode": "Pipe"})  # never delivers any data
    started = {name: cluster.start(name, opt_ml) for name, opt_ml in hosts.items()}
    for container in started.values():
        await_words(container, "waiting for the other hosts done")
    start = time.monotonic()

    run("docker", "kill", started.pop(victim).name)
    ended = {name: container.ended() for name, container in started.items()}

    assert time.monotonic() - start < SECONDS
    del hosts[victim]
    check_failures(hosts, ended, f"The host {victim} has exited")


def test_exact_engine_is_for_one_host(cluster: Cluster) -> None:
    """The exact engine rejects a job of several hosts and names the alternative."""
    hosts = hosts_of(cluster, NAMES[:2], engine="exact")
    hosts["algo-2"].write("a.csv", "a,1\nb,2\n")

    ended = cluster.train(hosts)

    check_failures(hosts, ended, "The engine exact grows a tree on one host, and the job has 2")
