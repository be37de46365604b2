"""Script mode: `train` runs the program of the job, as AWS's training toolkit does."""

import json
import os
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from container.script_mode.packages import can_build
from support.material import LabelledRows, OptMl
from support.processes import Ended, python, train
from support.script_mode.sources import PACKAGE, archive_of, write_files

RECORD = """
import json, os, sys
json.dump({"arguments": sys.argv, "directory": os.getcwd(), "variables": dict(os.environ)},
          open(os.environ["SM_MODEL_DIR"] + "/recorded.json", "w"))
"""
"""A program that records its arguments, directory and environment."""

ARGPARSE = """
import argparse, os

if __name__ == '__main__':
    parser = argparse.ArgumentParser()

    # hyperparameters sent by the client are passed as command-line arguments to the script.
    parser.add_argument('--epochs', type=int, default=10)
    parser.add_argument('--batch-size', type=int, default=100)
    parser.add_argument('--learning-rate', type=float, default=0.1)

    # an alternative way to load hyperparameters via SM_HPS environment variable.
    parser.add_argument('--sm-hps', type=str, default=os.environ['SM_HPS'])

    # input data and model directories
    parser.add_argument('--model-dir', type=str, default=os.environ['SM_MODEL_DIR'])
    parser.add_argument('--train', type=str, default=os.environ['SM_CHANNEL_TRAIN'])
    parser.add_argument('--test', type=str, default=os.environ['SM_CHANNEL_TEST'])

    args, _ = parser.parse_known_args()
    with open(os.path.join(args.model_dir, 'args'), 'w') as file:
        file.write(repr([args.epochs, args.batch_size, args.learning_rate, args.sm_hps]))
"""


def recorded(opt_ml: OptMl, ended: Ended) -> dict[str, object]:
    """Return what RECORD has recorded."""
    assert ended.code == 0, ended.log
    assert not opt_ml.failure.exists()
    values: dict[str, object] = json.loads((opt_ml.model / "recorded.json").read_text())
    return values


def test_train_runs_the_program_of_the_variable(opt_ml: OptMl) -> None:
    """It runs in /opt/ml/code with hyperparameters as arguments; the variable takes precedence."""
    write_files(opt_ml.base / "code", {"mine.py": RECORD})
    opt_ml.write_hyperparameters({"sagemaker_program": "other.py", "depth": "5", "v": '"a b"'})

    ended = train(opt_ml, SAGEMAKER_PROGRAM="mine.py")

    values = recorded(opt_ml, ended)
    assert values["arguments"] == ["mine.py", "--depth", "5", "-v", "a b"]
    assert values["directory"] == str(opt_ml.base / "code")


@pytest.mark.parametrize("name", ["mine.py", '"mine.py"', "./mine.py", "sub/mine.py"])
def test_train_runs_the_program_of_the_hyperparameter(opt_ml: OptMl, name: str) -> None:
    """The name may have the quotes of an SDK, and may be in a subdirectory."""
    write_files(opt_ml.base / "code", {"mine.py": RECORD, "sub/mine.py": RECORD})
    opt_ml.write_hyperparameters({"sagemaker_program": name})

    values = recorded(opt_ml, train(opt_ml))

    assert values["arguments"] == [name.strip('"')]


def test_train_runs_the_example_of_argument_parsing(opt_ml: OptMl) -> None:
    """The script of the toolkit's own documentation gets what it asks for."""
    write_files(opt_ml.base / "code", {"train.py": ARGPARSE})
    opt_ml.configure(train={"TrainingInputMode": "File"}, test={"TrainingInputMode": "File"})
    opt_ml.write_hyperparameters(
        {"sagemaker_program": "train.py", "batch-size": "256", "learning-rate": "0.0001"}
    )

    ended = train(opt_ml)

    assert ended.code == 0, ended.log
    hyperparameters = '{"batch-size":256,"learning-rate":0.0001}'
    assert (opt_ml.model / "args").read_text() == repr([10, 256, 0.0001, hyperparameters])


@pytest.mark.parametrize(
    "arguments", ["$(touch pwned)", "`id`", "; exit 3", "'", '"x"', "*", "a  b", "\\", ""]
)
def test_shell_program_receives_its_arguments_unchanged(opt_ml: OptMl, arguments: str) -> None:
    """No shell expands the arguments, and no quote is lost."""
    script = '#!/usr/bin/env bash\nprintf "<%s>" "$0" "$@" > "$SM_MODEL_DIR/args"\n'
    write_files(opt_ml.base / "code", {"run.sh": script})
    opt_ml.write_hyperparameters(
        {"sagemaker_program": "run.sh", "a": "1", "z": json.dumps(arguments)}
    )

    ended = train(opt_ml)

    assert ended.code == 0, ended.log
    assert (opt_ml.model / "args").read_text() == f"<./run.sh><-a><1><-z><{arguments}>"


def test_shell_program_needs_no_first_line(opt_ml: OptMl) -> None:
    """Without `#!`, /bin/sh runs it; it need not be executable."""
    write_files(opt_ml.base / "code", {"run.sh": 'echo "$1" > "$SM_MODEL_DIR/first"\n'})
    opt_ml.write_hyperparameters({"sagemaker_program": "run.sh", "depth": "5"})

    ended = train(opt_ml)

    assert ended.code == 0, ended.log
    assert (opt_ml.model / "first").read_text() == "--depth\n"


def test_python_program_may_have_windows_lines(opt_ml: OptMl) -> None:
    """Python and pip read CRLF; only a shell script with CRLF is refused."""
    files = {"train.py": RECORD.replace("\n", "\r\n"), "requirements.txt": "numpy\r\n"}
    write_files(opt_ml.base / "code", files)

    ended = train(opt_ml, SAGEMAKER_PROGRAM="train.py", PIP_NO_INDEX="1")

    assert recorded(opt_ml, ended)["arguments"] == ["train.py"]


def test_package_is_installed_and_run_as_a_module(opt_ml: OptMl) -> None:
    """A directory with a build system is a package; the program is one of its modules."""
    write_files(opt_ml.base / "code", PACKAGE)
    opt_ml.write_hyperparameters({"sagemaker_program": "flowers.py", "depth": "5"})

    ended = train(opt_ml, PIP_NO_INDEX="1")

    assert ended.code == 0, ended.log
    assert "flowers ['--depth', '5']" in ended.log


@pytest.mark.skipif(not can_build(), reason="the installed setuptools cannot build wheels")
def test_package_of_setup_py_needs_no_network(opt_ml: OptMl) -> None:
    """A build with setup.py uses the installed setuptools."""
    setup = "from setuptools import setup\nsetup(name='flowers', py_modules=['flowers'])\n"
    write_files(opt_ml.base / "code", {"setup.py": setup, "flowers.py": RECORD})
    opt_ml.write_hyperparameters({"sagemaker_program": "flowers"})

    ended = train(opt_ml, PIP_NO_INDEX="1")

    recorded(opt_ml, ended)
    assert "pip: Successfully installed flowers-0.0.0" in ended.log


def test_pyproject_without_a_build_system_is_no_package(opt_ml: OptMl) -> None:
    """Such a pyproject.toml only configures tools."""
    files = {"train.py": RECORD, "pyproject.toml": "[tool.ruff]\nline-length = 100\n"}
    write_files(opt_ml.base / "code", files)
    opt_ml.write_hyperparameters({"sagemaker_program": "train.py"})

    assert recorded(opt_ml, train(opt_ml))["arguments"] == ["train.py"]


def test_requirements_are_installed_first(opt_ml: OptMl) -> None:
    """Only packages that the image lacks are installed, and the image is not changed."""
    program = "import flowers, numpy, sys; sys.stdout.write(flowers.__file__)"
    files = {f"dist/{name}": content for name, content in PACKAGE.items()}
    files |= {"train.py": program, "requirements.txt": "numpy\n./dist\n"}
    write_files(opt_ml.base / "code", files)
    opt_ml.write_hyperparameters({"sagemaker_program": "train.py"})

    ended = train(opt_ml, PIP_NO_INDEX="1")

    assert ended.code == 0, ended.log
    assert "pip: Successfully installed flowers-1.0" in ended.log
    assert python("import flowers").returncode != 0


def test_existing_code_takes_precedence(opt_ml: OptMl) -> None:
    """Files in /opt/ml/code take precedence over a submitted archive, and the log says so."""
    write_files(opt_ml.base / "code", {"train.py": RECORD})
    opt_ml.write_hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://bucket/key.tar.gz"}
    )

    ended = train(opt_ml)

    recorded(opt_ml, ended)
    there = opt_ml.base / "code"
    assert f"{there} already has files, so s3://bucket/key.tar.gz is not fetched" in ended.log


@pytest.mark.parametrize("name", ["sourcedir.tar.gz", "train.py"])
def test_train_takes_code_from_the_channel_code(opt_ml: OptMl, name: str) -> None:
    """The channel has the files themselves, or an archive of them as the SDKs send it."""
    archived = archive_of({"train.py": RECORD})
    opt_ml.write(name, archived if name.endswith("gz") else RECORD, channel="code")
    opt_ml.write_hyperparameters({"sagemaker_program": "train.py"})

    values = recorded(opt_ml, train(opt_ml))

    assert values["directory"] == str(opt_ml.base / "code")


def test_job_ends_with_what_the_program_has_written(opt_ml: OptMl) -> None:
    """The last lines name the directories that the platform keeps."""
    program = (
        "import os\nfor n in 'ab':\n  open(os.environ['SM_MODEL_DIR'] + '/' + n, 'w').write('x')"
    )
    write_files(opt_ml.base / "code", {"train.py": program})

    lines = train(opt_ml, SAGEMAKER_PROGRAM="train.py").log.splitlines()

    assert lines[-2].endswith(f"written to {opt_ml.model}: 2 files, 0.0 MB")
    assert lines[-1].endswith(f"written to {opt_ml.base}/output/data: 0 files, 0.0 MB")


@pytest.mark.parametrize("is_archive", [True, False])
def test_train_takes_code_from_the_submit_directory(
    opt_ml: OptMl, tmp_path: Path, is_archive: bool
) -> None:
    """SAGEMAKER_SUBMIT_DIRECTORY may name an archive or a directory."""
    source = write_files(tmp_path / "source", {"train.py": RECORD})
    if is_archive:
        source = tmp_path / "code.tgz"
        source.write_bytes(archive_of({"train.py": RECORD}))

    ended = train(opt_ml, SAGEMAKER_PROGRAM="train.py", SAGEMAKER_SUBMIT_DIRECTORY=str(source))

    assert recorded(opt_ml, ended)["arguments"] == ["train.py"]


def test_train_fetches_code_from_s3(opt_ml: OptMl) -> None:
    """An archive in S3 is downloaded and unpacked; the message names one that does not exist."""
    import boto3  # the fake S3 is filled with it

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hidden-words"}
        variables = keys | {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "NO_PROXY": "*"}
        s3 = boto3.client(
            "s3",
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="hidden-words",  # noqa: S106 - of a fake
        )
        s3.create_bucket(Bucket="jobs")
        s3.put_object(Bucket="jobs", Key="a b/code.tar.gz", Body=archive_of({"train.py": RECORD}))
        address = "s3://jobs/a b/code.tar.gz"
        opt_ml.write_hyperparameters(
            {"sagemaker_program": "train.py", "sagemaker_submit_directory": address}
        )
        fetched = train(opt_ml, **variables)

        absent = OptMl(opt_ml.base.with_name("absent"))
        opt_ml, absent = absent, opt_ml
        opt_ml.write_hyperparameters(
            {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://jobs/none.tar.gz"}
        )
        ended = train(opt_ml, **variables)
    finally:
        server.stop()

    values = recorded(absent, fetched)
    assert values["variables"]["SM_MODULE_DIR"] == address  # type: ignore[index]
    assert "hidden-words" not in fetched.log
    assert ended.code == os.EX_DATAERR
    assert opt_ml.failure.read_text().startswith(
        "The code at s3://jobs/none.tar.gz cannot be downloaded: An error occurred (404) when "
        "calling the HeadObject operation: Not Found; check that the object exists and that the "
        "role of the job may read it."
    )


def test_train_logs_the_environment_without_secrets(opt_ml: OptMl) -> None:
    """The log has names and values, but only the names of secrets; the program has all values."""
    write_files(opt_ml.base / "code", {"train.py": RECORD})
    opt_ml.write_hyperparameters(
        {"sagemaker_program": "train.py", "api_token": "hidden-1", "nested": '{"password": "h2"}'}
    )

    given = {
        "AWS_SECRET_ACCESS_KEY": "hidden-3",
        "MY_PASSWORD": "hidden-4",
        "PIP_INDEX_URL": "https://me:hidden-5@example.com/simple",
        "COLOUR": "green",
    }

    ended = train(opt_ml, **given)

    variables = recorded(opt_ml, ended)["variables"]
    assert isinstance(variables, dict)
    assert given.items() | {("SM_HP_API_TOKEN", "hidden-1")} <= variables.items()
    assert "hidden-" not in ended.log
    assert "h2" not in ended.log
    for line in [
        "environment: COLOUR=green",
        "environment: SM_HP_API_TOKEN=******",
        'environment: SM_HPS={"api_token":"******","nested":{"password":"******"}}',
        "environment: AWS_SECRET_ACCESS_KEY=******",
        "environment: PIP_INDEX_URL=https://******@example.com/simple",
    ]:
        assert line in ended.log


def test_output_of_a_program_is_complete(opt_ml: OptMl) -> None:
    """Every line of both outputs is logged, in the order of its output."""
    program = (
        "import sys\n"
        "for number in range(20000):\n"
        "    print(f'out {number}')\n"
        "    print(f'err {number}', file=sys.stderr)\n"
    )
    write_files(opt_ml.base / "code", {"train.py": program})
    opt_ml.write_hyperparameters({"sagemaker_program": "train.py"})

    ended = train(opt_ml)

    words = ended.log.split("train.py", 1)[1].replace("out ", "\nout ").replace("err ", "\nerr ")
    for name in ("out", "err"):
        found = [line.strip() for line in words.splitlines() if line.startswith(f"{name} ")]
        assert found == [f"{name} {number}" for number in range(20_000)]


@pytest.mark.parametrize("program", [None, " ", "train.py"])
def test_script_mode_is_imported_only_for_a_program(
    opt_ml: OptMl, iris: LabelledRows, program: str | None
) -> None:
    """Script mode is imported if and only if a program is named, as Python's import times show.

    The variable may be blank, and a hyperparameter may have the name of the key as its value.
    """
    opt_ml.write("iris.csv", iris.training_csv())
    opt_ml.write_hyperparameters({"sagemaker_job_name": "sagemaker_program"})
    write_files(opt_ml.base / "code", {"train.py": ""})
    variables = {} if program is None else {"SAGEMAKER_PROGRAM": program}

    ended = train(opt_ml, PYTHONPROFILEIMPORTTIME="1", **variables)

    assert ended.code == 0, ended.log
    imported = {line.split("|")[-1].strip() for line in ended.log.splitlines() if "|" in line}
    assert ("container.script_mode.training" in imported) == (program == "train.py")
    assert ("container.training.job" in imported) == (program != "train.py")
    assert "boto3" not in imported


def test_script_mode_imports_nothing_heavy(opt_ml: OptMl) -> None:
    """Neither the algorithm nor boto3, pip or venv is loaded before a program starts."""
    program = "import os; print(open(f'/proc/{os.getppid()}/maps').read())"
    write_files(opt_ml.base / "code", {"train.py": program})
    opt_ml.write_hyperparameters({"sagemaker_program": "train.py"})

    ended = train(opt_ml)
    code = "from container.script_mode import training\nimport sys\nprint(*sys.modules)"
    modules = set(python(code).stdout.split())

    assert ended.code == 0, ended.log
    assert "numpy" not in ended.log.split("running the Python program", 1)[1]
    assert {"container.script_mode.training"} <= modules
    assert {"numpy", "boto3", "botocore", "pip", "venv", "algorithm"}.isdisjoint(modules)
