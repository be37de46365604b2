"""`docker run IMAGE serve` as process 1 of a real container."""

import io
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet
from sklearn.tree import DecisionTreeClassifier

from container.errors import EXIT_NO_MODEL, PlatformError
from support.containers import Engine
from support.material import LabelledRows, OptMl, as_csv, soak_only
from support.recordio import frame, record

Images = Mapping[str, str]

pytestmark = pytest.mark.docker

NOBODY = 65534


@pytest.mark.parametrize("target", ["full", "inference"])
def test_image_serves_the_labels_of_scikit_learn(
    engine: Engine,
    images: Images,
    trained_in_image: OptMl,
    iris: LabelledRows,
    random_features: Callable[[int, int], NDArray[np.float64]],
    target: str,
) -> None:
    """Both images predict scikit-learn's labels for all 150 rows and 20,000 random ones."""
    container = engine.serve(images[target], trained_in_image.model)
    container.await_ready()
    oracle = DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)
    features = random_features(20_000, 11)

    assert container.invoke(iris.request_csv()).lines() == oracle.predict(iris.features).tolist()
    assert container.invoke(as_csv(features)).lines() == oracle.predict(features).tolist()


@pytest.mark.parametrize(
    "options",
    [
        soak_only(["--user=12345:12345", "--cap-drop=ALL"]),
        ["--user=0:0", "--cap-drop=ALL"],
        soak_only(["--read-only", "--tmpfs=/tmp"]),
        ["--user=12345:12345", "--read-only", "--tmpfs=/tmp", "--shm-size=64k"],
        ["--ipc=none"],  # without /dev/shm
        soak_only(["--cpus=1", "--memory=1g"]),
        ["--cpus=0.5", "--memory=256m"],
    ],
)
def test_image_serves_anywhere(
    engine: Engine, images: Images, trained_in_image: OptMl, options: list[str]
) -> None:
    """Any user, no capabilities, a read-only root or a small container: the image serves."""
    container = engine.serve(images["inference"], trained_in_image.model, options)
    container.await_ready()

    assert container.invoke("5.1,3.5,1.4,0.2").body == b"setosa\n"
    assert container.stop(grace_seconds=5).code == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--read-only", "--tmpfs=/tmp"],
        soak_only(["--cap-drop=ALL"]),
        soak_only(["--cap-drop=ALL", "--cap-add=DAC_OVERRIDE"]),
    ],
)
@pytest.mark.skipif(os.getuid() != 0, reason="the files must belong to root")
def test_image_serves_a_model_that_only_root_can_read(
    engine: Engine, images: Images, trained_in_image: OptMl, opt_ml: OptMl, options: list[str]
) -> None:
    """Files of an archive that was packed with umask 077 are served by a container of root."""
    shutil.copytree(trained_in_image.model, opt_ml.model)
    for path in (opt_ml.model, *opt_ml.model.iterdir()):
        path.chmod(0o700 if path.is_dir() else 0o600)
    container = engine.serve(images["inference"], opt_ml.model, ["--user=0:0", *options])
    container.await_ready()

    assert container.invoke("5.1,3.5,1.4,0.2").body == b"setosa\n"


def test_image_without_a_writable_directory_says_what_to_mount(
    engine: Engine, images: Images, trained_in_image: OptMl
) -> None:
    """With a read-only root and no /tmp the container exits at once, and says what to mount."""
    container = engine.serve(images["inference"], trained_in_image.model, ["--read-only"])

    ended = container.ended()

    assert ended.code == PlatformError.exit_code
    assert "mount one at /tmp" in ended.log
    assert "Traceback" not in ended.log


@pytest.mark.parametrize(("target", "parquet_status"), [("full", 200), ("inference", 415)])
def test_image_accepts_the_formats_of_its_packages(
    engine: Engine, images: Images, trained_in_image: OptMl, target: str, parquet_status: int
) -> None:
    """Both images accept RecordIO-protobuf, and only the image with pyarrow accepts Parquet."""
    container = engine.serve(images[target], trained_in_image.model)
    container.await_ready()
    row = [5.1, 3.5, 1.4, 0.2]
    file = io.BytesIO()
    parquet.write_table(pa.table({str(n): [cell] for n, cell in enumerate(row)}), file)

    records = container.invoke(frame(record(row, [])), "application/x-recordio-protobuf")
    assert (records.status, records.body) == (200, b"setosa\n")
    answer = container.invoke(file.getvalue(), "application/x-parquet")
    assert answer.status == parquet_status


def test_number_of_workers_follows_the_cpu_quota(
    engine: Engine, images: Images, trained_in_image: OptMl
) -> None:
    """A container with a quota of one core runs one worker, whatever the number of cores."""
    container = engine.serve(images["inference"], trained_in_image.model, ["--cpus=1"])
    container.await_ready()

    assert "starting 1 worker: " in container.stop(grace_seconds=5).log


def test_workers_run_as_nobody_when_the_container_is_root(
    engine: Engine, images: Images, trained_in_image: OptMl
) -> None:
    """Only `serve` and nginx's master stay root; the workers of nginx and gunicorn do not."""
    container = engine.serve(images["full"], trained_in_image.model, ["--user=0:0"])
    container.await_ready()

    family = container.processes()

    masters = {uid for pid, uid, line in family if pid == 1 or "nginx: master" in line}
    workers = [uid for _, uid, line in family if "nginx: worker" in line]
    gunicorn = [uid for _, uid, line in family if "gunicorn" in line]
    assert masters == {0}
    assert set(workers) == set(gunicorn) == {NOBODY}


def test_docker_stop_of_an_idle_container_is_clean(
    engine: Engine, images: Images, trained_in_image: OptMl
) -> None:
    """All processes exit within 5 s, the exit code is 0 instead of 137, and the log is JSON."""
    container = engine.serve(images["full"], trained_in_image.model)
    container.await_ready()
    container.invoke("5.1,3.5,1.4,0.2")

    ended = container.stop(grace_seconds=5)

    assert ended.code == 0
    assert "Traceback" not in ended.log
    # nginx writes its own line to standard error for each ping that arrived too early.
    lines = [line for line in ended.log.splitlines() if "upstream timed out" not in line]
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_docker_stop_completes_a_request_in_flight(
    engine: Engine, images: Images, trained_in_image: OptMl
) -> None:
    """A large request that was sent before the stop receives its complete response."""
    container = engine.serve(images["full"], trained_in_image.model)
    container.await_ready()
    n_rows = 400_000
    connection = container.connect()
    connection.request("POST", "/invocations", b"5.1,3.5,1.4,0.2\n" * n_rows)

    ended = container.stop(grace_seconds=25)

    assert connection.getresponse().read() == b"setosa\n" * n_rows
    assert ended.code == 0
    connection.close()


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM"])
def test_killing_gunicorns_master_ends_the_container_with_a_failure(
    engine: Engine, images: Images, trained_in_image: OptMl, signal_name: str
) -> None:
    """If a server dies the container exits, so that the platform replaces it."""
    container = engine.serve(images["full"], trained_in_image.model)
    container.await_ready()
    master = min(pid for pid, _, line in container.processes() if "gunicorn" in line)

    container.kill(master, signal_name)

    assert container.ended().code == (128 + signal.SIGKILL if signal_name == "SIGKILL" else 1)


def test_container_without_a_model_exits_with_its_own_code(
    engine: Engine, images: Images, tmp_path: Path
) -> None:
    """/ping reports the reason for some seconds; then the container exits, and logs it as well."""
    container = engine.serve(images["inference"], tmp_path)

    ended = container.ended()

    assert ended.code == EXIT_NO_MODEL
    assert "/opt/ml/model/model.json cannot be read" in ended.log


def test_serve_needs_no_network(engine: Engine, images: Images, trained_in_image: OptMl) -> None:
    """In a container without a network, /ping returns 200."""
    container = engine.start(
        images["inference"],
        ["serve"],
        {trained_in_image.model: "/opt/ml/model,readonly"},
        ["--network=none"],
    )
    client = (
        "import time, urllib.request\n"
        "for _ in range(300):\n"
        "    try: print(urllib.request.urlopen('http://127.0.0.1:8080/ping').status); break\n"
        "    except OSError: time.sleep(0.1)\n"
    )

    assert container.execute("python3", "-c", client) == "200\n"
