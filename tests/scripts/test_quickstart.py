"""quickstart.sh with fake docker clients and real training and serving."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sklearn.tree import DecisionTreeClassifier

from support.clones import Clone, Fake, ScriptResult, with_environment
from support.material import LabelledRows, as_csv
from support.processes import DEADLINE_SECONDS, await_condition, free_port

SCRIPT = "local_test/quickstart.sh"

NO_ENGINE = "exit 1"

# Fake containers: they run the programs of this machine and this clone.
CONTAINERS = """export PATH=${CLONE}/.venv/bin:${PATH}
export SAGEMAKER_BASE_DIR=${CLONE}/local_test/test_dir SAGEMAKER_BIND_TO_PORT=${PORT}
case "$1 ${!#}" in
    "run train") exec "${CLONE}/decision_trees/train" ;;
    "run serve") exec "${CLONE}/decision_trees/serve" ;;
esac"""


@dataclass(frozen=True)
class Twice:
    """Results of two runs in one clone, and whether the port was closed after each."""

    clone: Clone
    first: ScriptResult
    second: ScriptResult
    port: int


@pytest.fixture(scope="module")
def without_engine(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    """Two runs without a Docker engine."""
    parent = tmp_path_factory.mktemp("quickstart")
    clone, port = with_environment(parent), free_port()
    docker = Fake(parent / "bin", "docker", NO_ENGINE)
    first, second = (clone.run(SCRIPT, fakes=[docker], PORT=str(port)) for _ in range(2))
    return Twice(clone, first, second, port)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port with a listener that never responds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def is_closed(port: int) -> bool:
    """Return whether nothing listens on a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def labelled_payload(iris: LabelledRows) -> str:
    """Return the expected output: each row of payload.csv with its label."""
    oracle = DecisionTreeClassifier(random_state=0)
    labels = oracle.fit(iris.features, iris.labels).predict(iris.features)
    rows = as_csv(iris.features[::10]).splitlines()
    return "".join(f"{row}\t{label}\n" for row, label in zip(rows, labels[::10], strict=True))


def test_quickstart_explains_why_it_uses_no_containers(without_engine: Twice) -> None:
    """The message of build_and_push.sh is passed on, followed by the alternative."""
    out = without_engine.first.out

    assert "quickstart: no containers: build_and_push: no Docker engine answers" in out
    assert "quickstart: using the same programs from a virtual environment" in out


@pytest.mark.parametrize("run", ["first", "second"])
def test_quickstart_predicts_without_an_engine(
    without_engine: Twice, iris: LabelledRows, run: str
) -> None:
    """Each run ends with the labels of all rows of the payload, and the training metrics."""
    ended: ScriptResult = getattr(without_engine, run)

    assert ended.code == 0, ended.err
    assert labelled_payload(iris) in ended.out
    shown = ended.out.split("training metrics:\n")[1].splitlines()
    assert shown[0].startswith("train:accuracy=")
    assert all(line.startswith("train:") for line in shown)


def test_quickstart_leaves_no_server_behind(without_engine: Twice) -> None:
    """After the script nothing listens on the port."""
    assert is_closed(without_engine.port)


def test_quickstart_leaves_the_model_for_serve_local(without_engine: Twice) -> None:
    """The artifact of the last run is where serve_local.sh expects it."""
    assert (without_engine.clone.test_dir / "model/model.onnx").is_file()


def test_quickstart_uses_containers_when_the_image_is_built(
    tmp_path: Path, iris: LabelledRows
) -> None:
    """With an engine, the containers of train_local.sh and serve_local.sh are used."""
    clone, port = with_environment(tmp_path), free_port()
    docker = Fake(tmp_path / "bin", "docker", CONTAINERS)

    ended = clone.run(SCRIPT, fakes=[docker], PORT=str(port), CLONE=str(clone.root))

    programs = [call[-1] for call in docker.calls() if call[0] == "run"]
    assert ended.code == 0, ended.err
    assert "using containers of the image decision-trees" in ended.out
    assert labelled_payload(iris) in ended.out
    assert programs == ["train", "serve"]
    assert is_closed(port)


def test_quickstart_shows_why_the_image_could_not_be_built(tmp_path: Path) -> None:
    """The log of a failed build is printed, and nothing else is tried."""
    docker = Fake(
        tmp_path / "bin", "docker", "if [[ $2 == build ]]; then echo 'step 4 failed'; exit 2; fi"
    )

    ended = Clone(tmp_path).run(SCRIPT, fakes=[docker], PORT=str(free_port()))

    assert ended.code == 1
    assert ended.err == (
        "step 4 failed\n"
        "quickstart: the image could not be built; the output of the build is above.\n"
    )
    assert [call for call in docker.calls() if call[0] == "run"] == []


def test_quickstart_ends_a_failed_build_with_the_mistake_in_algorithm_py(tmp_path: Path) -> None:
    """The line of `train --schema` in the log of the build is repeated at its end."""
    log = "#12 2.1 train: algorithm.py, line 3, raised X; correct it.\\n#12 ERROR: exit code: 65\\n"
    docker = Fake(
        tmp_path / "bin", "docker", f"if [[ $2 == build ]]; then printf '{log}'; exit 2; fi"
    )

    ended = Clone(tmp_path).run(SCRIPT, fakes=[docker], PORT=str(free_port()))

    assert ended.err.splitlines()[-1] == (
        "quickstart: the image could not be built; train: algorithm.py, line 3, raised X; "
        "correct it."
    )


def test_quickstart_works_in_a_clone_with_any_path(tmp_path: Path, iris: LabelledRows) -> None:
    """A comma, quotes, blanks and a line break in the path of the clone change nothing."""
    parent = tmp_path / "a, 'b' \"c\"\nd"
    parent.mkdir()
    docker = Fake(tmp_path / "bin", "docker", "exit 1")

    ended = with_environment(parent).run(SCRIPT, fakes=[docker], PORT=str(free_port()))

    assert ended.code == 0, ended.err
    assert labelled_payload(iris) in ended.out


def test_quickstart_reports_that_the_server_has_exited(tmp_path: Path) -> None:
    """If the server cannot start, the script exits at once and prints the log."""
    body = 'if [[ "$1 ${!#}" == "run serve" ]]; then echo no model; exit 1; fi'
    docker = Fake(tmp_path / "bin", "docker", body)

    ended = Clone(tmp_path).run(SCRIPT, fakes=[docker], PORT=str(free_port()))

    assert ended.code == 1
    assert ended.err == (
        "no model\nquickstart: the server exited before it was ready; its log is above.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_quickstart_stops_the_server_when_it_is_interrupted(
    tmp_path: Path, number: signal.Signals
) -> None:
    """SIGINT or SIGTERM during the start of the server stops the server as well."""
    pid_file = tmp_path / "server.pid"
    body = """if [[ "$1 ${!#}" == "run serve" ]]; then echo $$ >server.pid; exec sleep 600; fi"""
    docker = Fake(tmp_path / "bin", "docker", body)
    with Clone(tmp_path).running(SCRIPT, fakes=[docker], PORT=str(free_port())) as process:
        await_condition(lambda: pid_file.exists() and pid_file.read_text() != "", "a server")
        os.killpg(process.pid, number)
        process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode != 0
    assert not Path(f"/proc/{int(pid_file.read_text())}").exists()


def test_quickstart_stops_when_training_fails(tmp_path: Path) -> None:
    """After a failed training job nothing is served."""
    docker = Fake(tmp_path / "bin", "docker", '[[ "$1 ${!#}" != "run train" ]]')

    ended = Clone(tmp_path).run(SCRIPT, fakes=[docker], PORT=str(free_port()))

    assert ended.code != 0
    assert [call[-1] for call in docker.calls() if call[0] == "run"] == ["train"]


def test_quickstart_reports_a_used_port(tmp_path: Path, silent_port: int) -> None:
    """A used port is reported in one sentence, before anything is built."""
    docker = Fake(tmp_path / "bin", "docker")

    ended = Clone(tmp_path).run(SCRIPT, fakes=[docker], PORT=str(silent_port))

    assert ended.code == 1
    assert ended.err.startswith(f"quickstart: port {silent_port} is already in use; ")
    assert ended.err.count("\n") == 1
    assert docker.calls() == []


def test_quickstart_reports_a_missing_curl(tmp_path: Path) -> None:
    """A missing curl is reported in one sentence, before anything is built."""
    clone = Clone(tmp_path)
    (clone.tools / "curl").unlink()

    ended = clone.run(SCRIPT, PORT=str(free_port()))

    assert ended.code == 1
    assert ended.err == "quickstart: curl is not on PATH; install it.\n"
