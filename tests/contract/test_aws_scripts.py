"""Scripts for AWS's scikit-learn container train and serve here unchanged."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import pytest

from support.material import ROOT, LabelledRows, OptMl
from support.processes import train
from support.servers import serving

SCRIPTS = ROOT / "tests/support/script_mode/scripts"


def write_channels(opt_ml: OptMl, iris: LabelledRows, *channels: str) -> None:
    """Write the Iris table to each channel, as the platform does."""
    for channel in channels:
        opt_ml.write("iris.csv", iris.training_csv(), channel)
    opt_ml.configure(**{channel: {"TrainingInputMode": "File"} for channel in channels})


def run_training(
    opt_ml: OptMl, code: Path, program: str, hyperparameters: Mapping[str, str]
) -> str:
    """Train with a program in /opt/ml/code; return the log."""
    copied = opt_ml.base / "code"
    if code.is_dir():
        shutil.copytree(code, copied)
    else:
        copied.mkdir(parents=True)
        shutil.copy(code, copied)
    opt_ml.write_hyperparameters(hyperparameters)
    ended = train(opt_ml, SAGEMAKER_PROGRAM=program)
    assert ended.code == 0, ended.log
    return ended.log


def test_example_of_argument_parsing_trains_and_serves(
    opt_ml: OptMl, iris: LabelledRows, tmp_path: Path
) -> None:
    """It receives arguments, directories and SM_HPS, and serves JSON with its own functions."""
    write_channels(opt_ml, iris, "training", "testing")
    hyperparameters = {"epochs": "50", "batch-size": "32", "learning-rate": "0.001"}
    hyperparameters |= {"communicator": '"pure_nccl"'}
    run_training(opt_ml, SCRIPTS / "arguments.py", "arguments.py", hyperparameters)
    report = json.loads((opt_ml.base / "output/data/report.json").read_text())

    with serving(opt_ml, tmp_path / "log", SAGEMAKER_PROGRAM="arguments.py") as server:
        server.await_ready()
        good = server.invoke(json.dumps({"rows": iris.features.tolist()}), "application/json")
        bad = server.invoke(iris.request_csv())

    assert report["batch-size"] == 32
    assert report["accuracy"] > 0.8
    assert {answer["label"] for answer in good.json()["answers"]} == set(iris.labels)
    assert bad.status == 500
    assert bad.json()["message"] == (
        "input_fn of arguments.py raised ValueError; the traceback is in the log."
    )


def test_script_with_only_model_fn_trains_and_serves(
    opt_ml: OptMl, iris: LabelledRows, tmp_path: Path
) -> None:
    """The labels equal those of the saved estimator, in the formats of AWS's container."""
    write_channels(opt_ml, iris, "train")
    run_training(opt_ml, SCRIPTS / "tree.py", "tree.py", {"max_leaf_nodes": "30"})
    shutil.rmtree(opt_ml.base / "code")
    shutil.copytree(SCRIPTS, opt_ml.model / "code", ignore=shutil.ignore_patterns("pipe*", "arg*"))
    expected: list[Any] = joblib.load(opt_ml.model / "model.joblib").predict(iris.features).tolist()
    headers = {"Content-Type": "application/json", "Accept": "text/csv"}

    with serving(opt_ml, tmp_path / "log") as server:
        server.await_ready()
        as_json = server.invoke(iris.request_csv())
        as_csv = server.request("/invocations", json.dumps(iris.features.tolist()), headers)

    assert as_json.json() == expected
    assert (as_csv.content_type, as_csv.lines()) == ("text/csv", expected)


@pytest.mark.parametrize("archived", [True, False])
def test_pipeline_with_transform_fn_trains_and_serves(
    opt_ml: OptMl, iris: LabelledRows, tmp_path: Path, archived: bool
) -> None:
    """A module next to the script is found, in a directory and in sourcedir.tar.gz."""
    write_channels(opt_ml, iris, "flowers")
    code = SCRIPTS / "pipeline"
    run_training(opt_ml, code, "train_and_serve.py", {"C": "0.5"})
    shutil.rmtree(opt_ml.base / "code")
    if archived:
        code = Path(shutil.make_archive(str(tmp_path / "sourcedir"), "gztar", code))
    variables = {"SAGEMAKER_PROGRAM": "train_and_serve.py"}
    variables |= {"SAGEMAKER_SUBMIT_DIRECTORY": str(code)}

    with serving(opt_ml, tmp_path / "log", **variables) as server:
        server.await_ready()
        reply = server.invoke(iris.request_csv())

    rows = [[float(cell) for cell in line.split(",")] for line in reply.lines()]
    assert (reply.status, reply.content_type, len(rows)) == (200, "text/csv", 150)
    assert all(abs(sum(row) - 1) < 0.001 for row in rows)
    assert rows[0][0] > 0.9
