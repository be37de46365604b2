"""quickstart.sh with a table and hyperparameters of the user, and real training and serving."""

import json
import os
import signal
from pathlib import Path

import pytest
from sklearn.tree import DecisionTreeRegressor

from support.clones import Clone, Fake, ScriptResult, with_environment
from support.processes import DEADLINE_SECONDS, Endpoint, free_port

SCRIPT = "local_test/quickstart.sh"

TABLE = "my houses.csv"
HOUSES = """\
rooms,price,area,garden
3,200.5,70.5,1
4,260,90,0
2,120,45,0
5,400,130,1
3,210,75,0
4,300,100,1
"""
NO_TABLE = "there is no file a=b; to set a hyperparameter, write --hyperparameter a=b"
OPTIONS = ("--hyperparameter", "label=price", "--hyperparameter=task=regression")

# Fake containers run the programs of this machine; `python3 -` reads the mounted directory.
CONTAINERS = """export PATH=${CLONE}/.venv/bin:${PATH}
export SAGEMAKER_BASE_DIR=${CLONE}/local_test/own_dir SAGEMAKER_BIND_TO_PORT=${PORT}
case "$1 ${!#}" in
    "run train") exec "${CLONE}/decision_trees/train" ;;
    "run serve") exec "${CLONE}/decision_trees/serve" ;;
    "run /opt/ml") exec python - "${SAGEMAKER_BASE_DIR}" ;;
esac"""


def no_engine(parent: Path) -> Fake:
    """Return a docker client without an engine."""
    return Fake(parent / "bin", "docker", "exit 1")


def clone_and_table(parent: Path) -> Clone:
    """Return a clone, and write a table to the directory from which its scripts are called."""
    (parent / TABLE).write_text(HOUSES, encoding="utf-8")
    return with_environment(parent)


def predicted_prices() -> list[str]:
    """Return the expected output: the first rows without their price, and scikit-learn's prices."""
    rows = [[float(cell) for cell in line.split(",")] for line in HOUSES.splitlines()[1:]]
    features = [[rooms, area, garden] for rooms, _, area, garden in rows]
    tree = DecisionTreeRegressor(random_state=0).fit(features, [row[1] for row in rows])
    request = ["rooms,area,garden", "3,70.5,1", "4,90,0", "2,45,0", "5,130,1", "3,75,0"]
    answers = ["prediction", *(str(price) for price in tree.predict(features).tolist())]
    return [f"{row}\t{answer}" for row, answer in zip(request, answers, strict=False)]


def shown(ended: ScriptResult) -> list[str]:
    """Return the lines with rows and predictions."""
    return ended.out.split("and its label:\n")[1].split("quickstart:")[0].splitlines()


def test_quickstart_trains_on_a_table_of_the_user(tmp_path: Path) -> None:
    """The job is in own_dir, test_dir is unchanged, and predictions and metrics are printed."""
    clone = clone_and_table(tmp_path)

    ended = clone.run(SCRIPT, TABLE, *OPTIONS, fakes=[no_engine(tmp_path)], PORT=str(free_port()))

    own = clone.local_test / "own_dir"
    assert ended.code == 0, ended.err
    assert shown(ended) == predicted_prices()
    results, metrics = ended.out.split("quickstart: training metrics:\n")
    assert metrics.startswith("train:rmse=0;\n")
    assert results.splitlines()[-1] == (
        "quickstart: training: label: column 'price', index 1, as the hyperparameter label says; "
        "numbers, mean 248.417, standard deviation 87.593; 6 rows, no weights; 3 features: "
        "'rooms', 'area', 'garden'"
    )
    given = json.loads((own / "input/config/hyperparameters.json").read_text())
    assert given == {"label": "price", "task": "regression"}
    assert (own / "input/data/training" / TABLE).read_text() == HOUSES
    assert (own / "model/model.json").is_file()
    assert not (clone.test_dir / "model").exists()


def test_quickstart_trains_on_a_table_of_the_user_in_containers(tmp_path: Path) -> None:
    """With an engine the result is the same, and every container mounts own_dir."""
    clone = clone_and_table(tmp_path)
    docker = Fake(tmp_path / "bin", "docker", CONTAINERS)

    ended = clone.run(
        SCRIPT, TABLE, *OPTIONS, fakes=[docker], PORT=str(free_port()), CLONE=str(clone.root)
    )

    calls = [call for call in docker.calls() if call[0] == "run"]
    own = f"source={clone.local_test}/own_dir"
    assert ended.code == 0, ended.err
    assert shown(ended) == predicted_prices()
    assert [call[-1] for call in calls] == ["train", "/opt/ml", "serve"]
    assert all(own in call[call.index("--mount") + 1] for call in calls)


def test_quickstart_sets_hyperparameters_without_a_table(tmp_path: Path) -> None:
    """They apply to the flowers; metrics of rows set aside for validation are printed as well."""
    weights = '{"setosa": 1, "versicolor": 2, "virginica": 2}'
    options = ("max_depth=9", f"class_weight={weights}", "max_depth=1", "validation_fraction=0.2")
    clone = with_environment(tmp_path)

    ended = clone.run(
        SCRIPT,
        *(word for option in options for word in ("--hyperparameter", option)),
        fakes=[no_engine(tmp_path)],
        PORT=str(free_port()),
    )

    assert ended.code == 0, ended.err
    record = json.loads((clone.local_test / "own_dir/model/model.json").read_text())
    chosen = record["training"]["hyperparameters"]
    assert (chosen["max_depth"], chosen["class_weight"]) == (1, json.loads(weights))
    assert len(shown(ended)) == 15
    metrics = ended.out.split("training metrics:\n")[1]
    assert {line.split(":")[0] for line in metrics.splitlines()} == {"train", "validation"}


def test_quickstart_prints_the_reason_of_a_failed_training(tmp_path: Path) -> None:
    """The last line is the message of the failure file; the exit code is that of `train`."""
    clone = clone_and_table(tmp_path)

    ended = clone.run(
        SCRIPT,
        TABLE,
        "--hyperparameter=label=prise",
        fakes=[no_engine(tmp_path)],
        PORT=str(free_port()),
    )

    assert ended.code == 65
    last = ended.err.splitlines()[-1]
    assert last.startswith("quickstart: training failed: ")
    assert last.endswith("'prise', which is not a column; did you mean 'price'?")


def test_quickstart_keeps_serving_until_it_is_stopped(tmp_path: Path) -> None:
    """With --serve the server runs after the results are printed, until the script is stopped."""
    clone, endpoint = clone_and_table(tmp_path), Endpoint(free_port())
    options = (TABLE, *OPTIONS, "--serve")

    with clone.running(
        SCRIPT, *options, fakes=[no_engine(tmp_path)], PORT=str(endpoint.port)
    ) as process:
        assert process.stdout is not None
        said = any("predict.sh FILE" in line for line in process.stdout)
        answer = endpoint.invoke("4,90,0\n").lines()
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=DEADLINE_SECONDS)

    assert said
    assert answer == ["260.0"]
    assert process.returncode == 128 + signal.SIGINT
    assert not endpoint.answers()


def test_quickstart_shows_why_the_server_rejects_the_rows(tmp_path: Path) -> None:
    """The response of the server is printed, and the server is stopped."""
    docker = Fake(tmp_path / "bin", "docker", '[[ "$1 ${!#}" != "run serve" ]] || exec sleep 600')
    body = 'if [[ $* == *invocations* ]]; then echo "row 1 is bad"; exit 22; fi'
    curl = Fake(tmp_path / "bin", "curl", body)

    ended = Clone(tmp_path).run(SCRIPT, fakes=[docker, curl], PORT=str(free_port()))

    assert ended.code == 1
    assert ended.err.startswith("row 1 is bad\nquickstart: the server rejected the rows of ")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["no such.csv"], 1, "there is no file no such.csv; give the path of your table."),
        (["a clone"], 1, "a clone is a directory; give the path of one file."),
        (["a=b"], 1, "there is no file a=b; to set a hyperparameter, write --hyperparameter a=b"),
        (
            [TABLE, "a=b"],
            1,
            "there is no file a=b; to set a hyperparameter, write --hyperparameter a=b",
        ),
        ([TABLE, TABLE], 2, f"there are two tables, '{TABLE}' and '{TABLE}'; give one."),
        (["--lable=price"], 2, "there is no option '--lable=price'."),
        (["--hyperparameter"], 2, "--hyperparameter needs NAME=VALUE after it."),
        (["--hyperparameter", "label"], 2, "--hyperparameter needs NAME=VALUE, not 'label'."),
        (["--hyperparameter", "=5"], 2, "--hyperparameter needs NAME=VALUE, not '=5'."),
    ],
)
def test_quickstart_reports_wrong_arguments(
    tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    """One sentence says what is wrong; wrong syntax has the usage and exit code 2 as well."""
    docker = Fake(tmp_path / "bin", "docker")
    clone = Clone(tmp_path)
    (tmp_path / TABLE).write_text(HOUSES, encoding="utf-8")

    ended = clone.run(SCRIPT, *arguments, fakes=[docker])

    first, *usage = ended.err.splitlines()
    assert (ended.code, first) == (code, f"quickstart: {sentence}")
    assert [line.split()[0] for line in usage[:1]] == (["usage:"] if code == 2 else [])
    assert docker.calls() == []


def test_quickstart_explains_its_options(tmp_path: Path) -> None:
    """--help prints the usage with all options, and nothing is built."""
    docker = Fake(tmp_path / "bin", "docker")

    ended = Clone(tmp_path).run(SCRIPT, "--help", fakes=[docker])

    assert ended.code == 2
    assert ended.err.startswith(
        "usage: quickstart.sh [TABLE] [--hyperparameter NAME=VALUE]... [--serve]\n"
    )
    assert {"TABLE", "--hyperparameter", "--serve"} <= set(ended.err.split())
    assert docker.calls() == []
