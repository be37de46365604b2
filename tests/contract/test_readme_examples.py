"""Commands of the README that train and serve, run in a copy of the clone.

A fake docker client runs the programs of this machine on the mounted directories.
"""

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

from support.clones import Clone, Fake, with_environment
from support.material import ROOT, LabelledRows
from support.pages import README, blocks, commands
from support.processes import Endpoint, await_condition, free_port, launch

NO_ENGINE = "exit 1"
PROGRAMS = r"""
export PATH=${CLONE}/.venv/bin:${PATH}
export SAGEMAKER_BIND_TO_PORT=${PORT} SAGEMAKER_BASE_DIR=${CLONE}/mounted
[[ $1 == run ]] || exit 0
rm -rf -- "${SAGEMAKER_BASE_DIR}"
attach() {
    local target=${SAGEMAKER_BASE_DIR}${2#/opt/ml}
    mkdir -p -- "$(dirname -- "${target}")"
    ln -s -- "$1" "${target}"
}
until [[ $1 == decision-trees ]]; do
    case $1 in
        -e) export "$2" ;;
        -v) IFS=: read -r source target _ <<<"$2" && attach "${source}" "${target}" ;;
        --mount) IFS=,= read -r _ _ _ source _ target _ <<<"$2" && attach "${source}" "${target}" ;;
    esac
    shift
done
exec "${CLONE}/decision_trees/$2" "${@:3}"
"""
"""Fake docker client: `run` mounts directories by symbolic links, and every build succeeds."""

HOUSES = "price,rooms,area\n200.5,3,70.5\n260,4,90\n120,2,45\n400,5,130\n210,3,75\n300,4,100\n"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone with its virtual environment."""
    return with_environment(tmp_path)


def output(clone: Clone, commands: Sequence[str], docker: str = PROGRAMS) -> str:
    """Run commands as a user types them, and return their output."""
    fake = Fake(clone.root / "fakes", "docker", docker)
    here = {"PORT": str(free_port()), "CLONE": str(clone.root)}
    ended = clone.run_commands("\n".join(commands), fakes=[fake], **here)
    assert ended.code == 0, ended.out + ended.err
    return ended.out


def served(clone: Clone, commands: Sequence[str], rows: LabelledRows) -> list[str]:
    """Run commands that start a server, and return its predictions."""
    fake, endpoint = Fake(clone.root / "fakes", "docker", PROGRAMS), Endpoint(free_port())
    path = os.pathsep.join(map(str, [fake.directory, clone.tools]))
    process = launch(
        ["bash", "-euc", "\n".join(commands)],
        cwd=clone.root,
        env={"PATH": path, "PORT": str(endpoint.port), "CLONE": str(clone.root)},
    )
    await_condition(lambda: process.poll() is not None or endpoint.answers(), "a server")
    assert process.poll() is None, f"the commands ended with {process.returncode}"
    endpoint.await_ready()
    answer: list[str] = endpoint.invoke(rows.request_csv()).json()
    return answer


def python(title: str) -> str:
    """Return the Python block in a section of the README."""
    (found,) = (
        b.text for b in blocks() if (b.page, b.section, b.language) == (README, title, "python")
    )
    return found


def predictions(out: str) -> list[str]:
    """Return the labels that quickstart.sh prints."""
    shown = out.partition("and its label:\n")[2].partition("\nquickstart:")[0]
    return [line.split("\t")[1] for line in shown.splitlines()]


@pytest.mark.parametrize("docker", [NO_ENGINE, PROGRAMS], ids=["without engine", "with engine"])
def test_example_algorithm_is_tried_with_two_commands(
    clone: Clone, iris: LabelledRows, docker: str
) -> None:
    """The forest trains on the flowers, and predicts scikit-learn's labels."""
    forest = RandomForestClassifier(random_state=0).fit(iris.features, iris.labels)

    out = output(clone, commands(README, "Bring an algorithm"), docker)

    assert predictions(out) == forest.predict(iris.features[::10]).tolist()
    assert "train:score=" in out


def test_a_table_of_the_user_is_trained_on(clone: Clone) -> None:
    """The named column is predicted from the other columns, as a number."""
    (clone.root / "houses.csv").write_text(HOUSES, encoding="utf-8")
    rows = np.loadtxt(HOUSES.splitlines()[1:], delimiter=",")
    tree = DecisionTreeRegressor(random_state=0).fit(rows[:, 1:], rows[:, 0])

    out = output(clone, commands(README, "Train on your CSV"), NO_ENGINE)

    header, *prices = predictions(out)
    assert header == "prediction"
    assert list(map(float, prices)) == tree.predict(rows[: len(prices), 1:]).tolist()


def test_readme_shows_the_script_as_it_is() -> None:
    """The block is the whole file."""
    file = ROOT / "examples/scripts/logistic_regression.py"

    assert python("Bring a script") == file.read_text(encoding="utf-8")


def test_script_trains_and_serves(clone: Clone, iris: LabelledRows) -> None:
    """The served labels are those of the script's estimator."""
    model = LogisticRegression(max_iter=1000).fit(iris.features, iris.labels)

    answer = served(clone, commands(README, "Bring a script"), iris)

    assert answer == model.predict(iris.features).tolist()


def write_fitted_model(clone: Clone, iris: LabelledRows) -> SVC:
    """Write my_model/ as in the README, and return the estimator."""
    model = SVC().fit(iris.features, iris.labels)
    code = clone.root / "my_model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(python("Bring a fitted model"), encoding="utf-8")
    joblib.dump(model, code.parent / "model.joblib")
    return model


def test_fitted_model_is_served(clone: Clone, iris: LabelledRows) -> None:
    """The script loads a model that was fitted elsewhere; the predictions are the same."""
    model = write_fitted_model(clone, iris)

    answer = served(clone, commands(README, "Bring a fitted model"), iris)

    assert answer == model.predict(iris.features).tolist()


def test_fitted_model_is_packed_for_sagemaker(clone: Clone, iris: LabelledRows) -> None:
    """model.tar.gz has its files at the top level; SageMaker extracts it to /opt/ml/model."""
    write_fitted_model(clone, iris)
    clone.provide("tar", "gzip")

    output(clone, commands("docs/script-mode.md", "A model that is already fitted"))

    with tarfile.open(clone.root / "model.tar.gz") as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    assert {"model.joblib", "code/inference.py"} <= names
