"""build_and_push.sh --build-only with fake docker clients; tests/image builds real images."""

import shlex
from pathlib import Path

import pytest

from support.clones import Clone, Fake, ScriptResult

SCRIPT = "build_and_push.sh"
BUILD_ONLY = ("--build-only", "decision-trees")

UNAVAILABLE = 69
USAGE = """\
usage: build_and_push.sh --build-only IMAGE [--target inference]
       build_and_push.sh IMAGE [--tag T] [--region R] [--platform linux/amd64|linux/arm64]
                         [--target inference] [--immutable] [--dry-run]
"""


def fake_docker(directory: Path, version: str = "28.2.2", **answers: int) -> Fake:
    """Create a fake docker client; `answers` are exit codes of its subcommands, by default 0."""
    codes = {"info": 0, "buildx_version": 0, "image_inspect": 0, "pull": 0, "build": 0} | answers
    return Fake(
        directory,
        "docker",
        f"""case "$1 ${{2-}}" in
        info*) exit {codes["info"]} ;;
        version*) echo {shlex.quote(version)} ;;
        "buildx version") exit {codes["buildx_version"]} ;;
        "image inspect") exit {codes["image_inspect"]} ;;
        pull*) exit {codes["pull"]} ;;
        build*) echo "DOCKER_BUILDKIT=${{DOCKER_BUILDKIT-}}"; exit {codes["build"]} ;;
        esac""",
    )


def sentence(ended: ScriptResult) -> str:
    """Return the only line of a script that cannot build."""
    assert ended.code == UNAVAILABLE
    assert ended.out == ""
    assert ended.err.count("\n") == 1, ended.err
    return ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "the name of the image is missing."),
        ("--build-only", "the name of the image is missing."),
        ("--build-only one two", "there are two images, 'one' and 'two'; give one."),
        ("--build-only decision-trees --target", "--target needs a value after it."),
        ("--build-only decision-trees --push", "there is no option '--push'."),
        ("--build-only decision-trees --tag v1", "--tag has no effect"),
        ("--build-only decision-trees --region eu-central-1", "--region has no effect"),
        ("--build-only decision-trees --platform linux/amd64", "--platform has no effect"),
        ("--build-only decision-trees --immutable", "--immutable has no effect"),
        ("--build-only decision-trees --dry-run", "--dry-run has no effect"),
        ("one two", "there are two images, 'one' and 'two'; give one."),
        ("decision-trees --region", "--region needs a value after it."),
        ("decision-trees --tag ''", "--tag needs a value after it."),
    ],
)
def test_build_and_push_rejects_wrong_arguments(tmp_path: Path, arguments: str, said: str) -> None:
    """Wrong arguments result in a message, the usage and exit code 2, without a call of docker."""
    docker = fake_docker(tmp_path / "bin")

    ended = Clone(tmp_path).run(SCRIPT, *shlex.split(arguments), fakes=[docker])

    first, usage = ended.err.split("\n", 1)
    assert ended.code == 2
    assert first.startswith(f"build_and_push: {said}")
    assert usage == USAGE
    assert docker.calls() == []


def test_build_and_push_shows_its_usage(tmp_path: Path) -> None:
    """--help prints the usage and exits with code 2, without a call of docker."""
    docker = fake_docker(tmp_path / "bin")

    ended = Clone(tmp_path).run(SCRIPT, "--help", fakes=[docker])

    assert ended.code == 2
    assert ended.err == USAGE
    assert docker.calls() == []


def test_build_and_push_reports_a_missing_docker(tmp_path: Path) -> None:
    """Without docker on PATH the script exits with code 69 and one sentence."""
    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY)

    assert "docker is not on PATH" in sentence(ended)


def test_build_and_push_reports_a_missing_engine(tmp_path: Path) -> None:
    """A client without an engine results in exit code 69 and one sentence; nothing is built."""
    docker = fake_docker(tmp_path / "bin", info=1)

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker])

    assert "no Docker engine answers" in sentence(ended)
    assert docker.calls() == [["info"]]


def test_build_and_push_builds_the_clone_with_buildx(tmp_path: Path) -> None:
    """The build command has the target full, the base image, the context, and nothing else."""
    docker = fake_docker(tmp_path / "bin")
    clone = Clone(tmp_path)

    ended = clone.run(SCRIPT, *BUILD_ONLY, fakes=[docker])

    assert ended.code == 0, ended.err
    assert docker.call("buildx", "build") == [
        *("buildx", "build", "--load", "--target", "full", "--tag", "decision-trees"),
        *("--build-arg", "BASE_IMAGE=debian:trixie-slim", str(clone.root)),
    ]


def test_build_and_push_finds_the_clone_despite_cdpath(tmp_path: Path) -> None:
    """A CDPATH of the caller, which changes the effect and output of cd, has no effect."""
    docker = fake_docker(tmp_path / "bin")
    clone = Clone(tmp_path)

    ended = clone.run(SCRIPT, *BUILD_ONLY, fakes=[docker], CDPATH=".")

    assert ended.code == 0, ended.err
    assert docker.call("buildx", "build")[-1] == str(clone.root)


def test_build_and_push_passes_target_and_base_image(tmp_path: Path) -> None:
    """--target and BASE_IMAGE reach the build, whatever the order of the arguments."""
    docker = fake_docker(tmp_path / "bin")

    ended = Clone(tmp_path).run(
        SCRIPT, "--target", "inference", *BUILD_ONLY, fakes=[docker], BASE_IMAGE="mirror/debian:13"
    )

    build = docker.call("buildx", "build")
    assert ended.code == 0, ended.err
    assert build[build.index("--target") + 1] == "inference"
    assert build[build.index("--build-arg") + 1] == "BASE_IMAGE=mirror/debian:13"


@pytest.mark.parametrize("version", ["18.09.1", "20.10.24+dfsg1", "22.06.0-beta.0"])
def test_build_and_push_uses_the_buildkit_of_an_old_client(tmp_path: Path, version: str) -> None:
    """A client older than version 23 builds without buildx, with BuildKit enabled."""
    docker = fake_docker(tmp_path / "bin", version, buildx_version=1)

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker])

    assert ended.code == 0, ended.err
    assert ended.out == "DOCKER_BUILDKIT=1\n"
    assert docker.call("build")[1] == "--target"


def test_build_and_push_uses_the_first_client_that_can_build(tmp_path: Path) -> None:
    """If the first client on PATH has no buildx, an older client further back builds."""
    new = fake_docker(tmp_path / "new", "28.2.2", buildx_version=1)
    old = fake_docker(tmp_path / "old one", "20.10.24+dfsg1", buildx_version=1)

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[new, old])

    assert ended.code == 0, ended.err
    assert [call for call in new.calls() if call[0] == "build"] == []
    assert old.call("build")[-1].endswith("a clone")


@pytest.mark.parametrize("version", ["28.2.2", "17.03.2-ce", "", "unknown-version"])
def test_build_and_push_reports_a_missing_buildx(tmp_path: Path, version: str) -> None:
    """If no client supports BuildKit, the message names the plugin."""
    docker = fake_docker(tmp_path / "bin", version, buildx_version=1)

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker])

    assert "install its plugin buildx" in sentence(ended)


def test_build_and_push_pulls_a_missing_base_image(tmp_path: Path) -> None:
    """A missing base image is pulled before the build."""
    docker = fake_docker(tmp_path / "bin", image_inspect=1)

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker])

    assert ended.code == 0, ended.err
    assert docker.call("pull") == ["pull", "--quiet", "debian:trixie-slim"]


def test_build_and_push_reports_an_unavailable_base_image(tmp_path: Path) -> None:
    """If the base image cannot be pulled, the message names the script that makes it."""
    docker = fake_docker(tmp_path / "bin", image_inspect=1, pull=1)

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker])

    assert "tests/image/make_base.sh" in sentence(ended)
    assert [call for call in docker.calls() if "--tag" in call] == []


def test_build_and_push_passes_the_ca_bundle_as_a_secret(tmp_path: Path) -> None:
    """SSL_CERT_FILE becomes a secret of the build if it is a file, and never a build argument."""
    docker = fake_docker(tmp_path / "bin")
    bundle = tmp_path / "ca bundle.pem"
    bundle.touch()

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker], SSL_CERT_FILE=str(bundle))

    build = docker.call("buildx", "build")
    assert ended.code == 0, ended.err
    assert build[build.index("--secret") + 1] == f"id=ca-bundle,src={bundle}"


def test_build_and_push_ignores_a_missing_ca_bundle(tmp_path: Path) -> None:
    """An SSL_CERT_FILE that does not exist does not stop the build."""
    docker = fake_docker(tmp_path / "bin")

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker], SSL_CERT_FILE="/nowhere.pem")

    assert ended.code == 0, ended.err
    assert "--secret" not in docker.call("buildx", "build")


@pytest.mark.parametrize("code", [1, 17])
def test_build_and_push_returns_the_exit_code_of_the_build(tmp_path: Path, code: int) -> None:
    """The script exits with the exit code of a failed build."""
    docker = fake_docker(tmp_path / "bin", build=code)

    ended = Clone(tmp_path).run(SCRIPT, *BUILD_ONLY, fakes=[docker])

    assert ended.code == code
