"""train_local.sh and serve_local.sh with a fake docker client."""

import os
from pathlib import Path

import pytest

from support.clones import Clone, Fake

IDENTITY = ("--user", f"{os.getuid()}:{os.getgid()}")


def with_model(parent: Path) -> Clone:
    """Return a clone with a trained model."""
    clone = Clone(parent)
    (clone.test_dir / "model").mkdir()
    return clone


@pytest.mark.parametrize("arguments", [[], ["one", "two", "three"]], ids=["none", "three"])
@pytest.mark.parametrize("name", ["train_local.sh", "serve_local.sh"])
def test_train_and_serve_local_reject_wrong_arguments(
    tmp_path: Path, name: str, arguments: list[str]
) -> None:
    """No image, or too many arguments, results in the usage and exit code 2, and no container."""
    docker = Fake(tmp_path / "bin", "docker")

    ended = with_model(tmp_path).run(f"local_test/{name}", *arguments, fakes=[docker])

    assert ended.code == 2
    assert ended.err == f"usage: {name} IMAGE [DIRECTORY]\n"
    assert docker.calls() == []


def test_train_local_runs_the_container_as_the_caller(tmp_path: Path) -> None:
    """test_dir is mounted at /opt/ml, and the written files belong to the caller."""
    docker = Fake(tmp_path / "bin", "docker")
    clone = Clone(tmp_path)

    ended = clone.run("local_test/train_local.sh", "decision-trees", fakes=[docker])

    mount = f"type=bind,source={clone.test_dir},target=/opt/ml"
    assert ended.code == 0, ended.err
    assert docker.calls() == [
        ["run", "--rm", *IDENTITY, "--mount", mount, "decision-trees", "train"]
    ]


def test_train_local_finds_its_files_despite_cdpath(tmp_path: Path) -> None:
    """A CDPATH of the caller, which changes the effect and output of cd, has no effect."""
    docker = Fake(tmp_path / "bin", "docker")
    clone = Clone(tmp_path)

    ended = clone.run("local_test/train_local.sh", "image", fakes=[docker], CDPATH=".")

    assert ended.code == 0, ended.err
    assert f"type=bind,source={clone.test_dir},target=/opt/ml" in docker.call("run")


def test_train_local_trains_in_another_directory(tmp_path: Path) -> None:
    """A directory of the caller replaces test_dir, whatever CDPATH is."""
    docker = Fake(tmp_path / "bin", "docker")
    (tmp_path / "a job/input").mkdir(parents=True)

    ended = Clone(tmp_path).run(
        "local_test/train_local.sh", "image", "a job", fakes=[docker], CDPATH="/"
    )

    assert ended.code == 0, ended.err
    assert f"type=bind,source={tmp_path}/a job,target=/opt/ml" in docker.call("run")
    assert {path.name for path in (tmp_path / "a job").iterdir()} == {"input", "model", "output"}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("a job", "source={}/a job/test_dir"),
        ("a,job", '"source={}/a,job/test_dir"'),
        ('a "job"', '"source={}/a ""job""/test_dir"'),
        ("a\njob", '"source={}/a\njob/test_dir"'),
    ],
)
def test_directory_with_any_name_is_mounted(tmp_path: Path, name: str, field: str) -> None:
    """Docker reads the fields of --mount as CSV."""
    docker = Fake(tmp_path / "bin", "docker")
    directory = tmp_path / name / "test_dir"
    (directory / "input").mkdir(parents=True)
    (directory / "model").mkdir()
    clone = Clone(tmp_path)

    for script in ("train_local.sh", "serve_local.sh"):
        assert clone.run(f"local_test/{script}", "image", directory, fakes=[docker]).code == 0

    trained, served = docker.calls()
    source = field.format(tmp_path)
    end = '/model"' if source.endswith('"') else "/model"
    assert f"type=bind,{source},target=/opt/ml" in trained
    assert f"type=bind,{source.rstrip(chr(34))}{end},target=/opt/ml/model,readonly" in served


def test_train_local_reports_a_missing_input(tmp_path: Path) -> None:
    """A directory without a job is named in one sentence; nothing is created or started."""
    docker = Fake(tmp_path / "bin", "docker")

    ended = Clone(tmp_path).run("local_test/train_local.sh", "image", "nowhere", fakes=[docker])

    assert ended.code == 1
    assert ended.err.startswith("train_local: there is no directory nowhere/input; ")
    assert ended.err.count("\n") == 1
    assert docker.calls() == []
    assert not (tmp_path / "nowhere").exists()


def test_train_local_creates_the_directories_of_the_results(tmp_path: Path) -> None:
    """Both exist before the container starts, so that they belong to the caller."""
    clone = Clone(tmp_path)
    results = [clone.test_dir / "model", clone.test_dir / "output"]
    body = '[[ -d "a clone/local_test/test_dir/model" && -d "a clone/local_test/test_dir/output" ]]'

    assert not any(directory.exists() for directory in results)
    ended = clone.run(
        "local_test/train_local.sh", "image", fakes=[Fake(tmp_path / "bin", "docker", body)]
    )

    assert ended.code == 0
    assert all(directory.is_dir() for directory in results)


def test_serve_local_runs_the_container_on_a_read_only_model(tmp_path: Path) -> None:
    """Port 8080 is published only on this machine, and the model is read-only."""
    docker = Fake(tmp_path / "bin", "docker")
    clone = with_model(tmp_path)

    ended = clone.run("local_test/serve_local.sh", "decision-trees", fakes=[docker])

    mount = f"type=bind,source={clone.test_dir}/model,target=/opt/ml/model,readonly"
    assert ended.code == 0, ended.err
    assert docker.calls() == [
        [
            *("run", "--rm", "--publish", "127.0.0.1:8080:8080", *IDENTITY),
            *("--mount", mount, "decision-trees", "serve"),
        ]
    ]


def test_serve_local_serves_another_directory(tmp_path: Path) -> None:
    """The model of the caller's directory is served."""
    docker = Fake(tmp_path / "bin", "docker")
    model = tmp_path / "a job/model"
    model.mkdir(parents=True)

    ended = Clone(tmp_path).run("local_test/serve_local.sh", "image", "a job", fakes=[docker])

    assert ended.code == 0, ended.err
    assert f"type=bind,source={model},target=/opt/ml/model,readonly" in docker.call("run")


def test_serve_local_publishes_another_port(tmp_path: Path) -> None:
    """PORT is the port of this machine; the container's own port does not change."""
    docker = Fake(tmp_path / "bin", "docker")

    ended = with_model(tmp_path).run(
        "local_test/serve_local.sh", "image", fakes=[docker], PORT="8123"
    )

    call = docker.call("run")
    assert ended.code == 0, ended.err
    assert call[call.index("--publish") + 1] == "127.0.0.1:8123:8080"


def test_serve_local_reports_a_missing_model(tmp_path: Path) -> None:
    """Before any training one sentence names train_local.sh, and nothing is started."""
    docker = Fake(tmp_path / "bin", "docker")

    ended = Clone(tmp_path).run("local_test/serve_local.sh", "image", fakes=[docker])

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "run train_local.sh first" in ended.err
    assert docker.calls() == []


@pytest.mark.parametrize("name", ["train_local.sh", "serve_local.sh"])
def test_train_and_serve_local_hand_on_the_exit_code(tmp_path: Path, name: str) -> None:
    """The exit code of the container is that of the script."""
    docker = Fake(tmp_path / "bin", "docker", "exit 3")

    ended = with_model(tmp_path).run(f"local_test/{name}", "image", fakes=[docker])

    assert ended.code == 3
