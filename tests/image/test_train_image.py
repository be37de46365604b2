"""`docker run IMAGE train` as process 1 of a real container."""

import json
import os
import signal
from collections.abc import Mapping

import pytest

from support.containers import Engine, run
from support.formats import FORMATS
from support.material import ARTIFACT, LabelledRows, OptMl
from support.processes import await_condition

Images = Mapping[str, str]

pytestmark = pytest.mark.docker


def test_train_in_a_container_writes_files_that_belong_to_its_user(
    engine: Engine, trained_in_image: OptMl
) -> None:
    """The files are readable by all users, and belong to the user of the container."""
    files = list(trained_in_image.model.iterdir())

    assert sorted(file.name for file in files) == ARTIFACT
    assert all(file.stat().st_uid == os.getuid() for file in files)
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in files)


def test_full_image_trains_without_an_argument(
    engine: Engine, images: Images, opt_ml: OptMl, iris: LabelledRows
) -> None:
    """The SDK's local mode passes no argument, so the image trains by default."""
    opt_ml.write("iris.csv", iris.training_csv())

    ended = engine.start(images["full"], [], {opt_ml.base: "/opt/ml"}).ended()

    assert ended.code == 0
    assert "train:accuracy=1;" in ended.log


@pytest.mark.parametrize("options", [[], ["--network=none"], ["--user=12345:12345"]])
def test_train_needs_neither_network_nor_a_known_user(
    engine: Engine, images: Images, iris: LabelledRows, opt_ml: OptMl, options: list[str]
) -> None:
    """Training works on a read-only root, without a network, as a user without a name."""
    file = opt_ml.write("iris.csv", iris.training_csv())
    tmpfs = ["--tmpfs=/opt/ml/model:mode=1777", "--tmpfs=/opt/ml/output:mode=1777"]
    read_only = ["--read-only", "--tmpfs=/tmp"]

    ended = engine.start(
        images["full"],
        ["train"],
        {file.parent: "/opt/ml/input/data/training,readonly"},
        [*tmpfs, *read_only, *options],
    ).ended()

    assert ended.code == 0, ended.log


@pytest.mark.parametrize("name", ["table.csv.zst", "table.parquet", "table.recordio"])
def test_train_reads_every_format_from_a_read_only_mount(
    engine: Engine, images: Images, opt_ml: OptMl, iris: LabelledRows, name: str
) -> None:
    """The image contains what each format needs; the data are mounted as in FastFile mode."""
    codes = {label: code for code, label in enumerate(dict.fromkeys(iris.labels))}
    rows = zip(iris.labels, iris.features.tolist(), strict=True)
    file = opt_ml.write(name, FORMATS[name]([[codes[label], *row] for label, row in rows]))

    ended = engine.start(
        images["full"], ["train"], {file.parent: "/opt/ml/input/data/train,readonly"}
    ).ended()

    assert ended.code == 0, ended.log
    assert "train:accuracy=1;" in ended.log


def test_train_obeys_a_stop_as_process_1(
    engine: Engine, images: Images, opt_ml: OptMl, long_table: str
) -> None:
    """SIGTERM ends the job within 5 s, during a fit, without SIGKILL (137)."""
    opt_ml.write("long.csv", long_table)
    container = engine.start(images["full"], ["train"], {opt_ml.base: "/opt/ml"})
    await_condition(lambda: "; 40 features" in run("docker", "logs", container.name), "reading")

    ended = container.stop(grace_seconds=5)

    assert ended.code == 128 + signal.SIGTERM
    assert "stopped by a signal" in ended.log
    assert not list(opt_ml.model.glob("*"))


def test_train_reports_a_full_disk(
    engine: Engine, images: Images, opt_ml: OptMl, long_table: str
) -> None:
    """The failure file reports the full disk, and no part of the model is left."""
    file = opt_ml.write("rows.csv", "\n".join(long_table.splitlines()[:3000]))
    script = "train; code=$?; cat /opt/ml/output/failure; ls -A /opt/ml/model; exit $code"

    ended = engine.start(
        images["full"],
        ["bash", "-c", script],
        {file.parent: "/opt/ml/input/data/training,readonly"},
        ["--tmpfs=/opt/ml/model:size=32k"],
    ).ended()

    assert ended.code == os.EX_SOFTWARE
    assert ended.log.splitlines()[-1].startswith("The disk is full")


def test_train_reports_that_memory_ran_out(
    engine: Engine, images: Images, opt_ml: OptMl, iris: LabelledRows
) -> None:
    """A job that the kernel killed leaves a failure file with the likely reason."""
    opt_ml.write("iris.csv", iris.training_csv())
    limit = ["--memory=64m", "--memory-swap=64m"]

    ended = engine.train(images["full"], opt_ml, limit)

    assert ended.code == 128 + signal.SIGKILL
    assert "most likely because it ran out of memory" in opt_ml.failure.read_text()


def test_train_records_the_versions_of_the_image(engine: Engine, trained_in_image: OptMl) -> None:
    """model.json contains the versions of the packages that trained the model."""
    record = json.loads((trained_in_image.model / "model.json").read_text())

    assert set(record["versions"]) >= {"python", "scikit-learn", "onnxruntime", "skl2onnx"}
