"""Builds, pushes and verification by build_and_push.sh IMAGE; tests/image uses a real registry."""

import subprocess
from pathlib import Path

import pytest

from support.aws.fake_ecr import DIGEST, DOCKER_MANIFEST, MISSING, REGISTRY, URI, FakeEcr, sentence
from support.clones import Clone

OUTPUT = "type=docker,oci-mediatypes=false"
BUILD = ["buildx", "build", "--output", OUTPUT, "--provenance=false", "--sbom=false"]
ASK = "aws ecr get-login-password --region eu-central-1"
BASE = "--build-arg BASE_IMAGE=debian:trixie-slim"
NEW = "--image-scanning-configuration scanOnPush=true --image-tag-mutability MUTABLE"


def commit_all(clone: Clone) -> str:
    """Commit a clone to a new git repository, and return the short hash of the commit."""
    clone.provide("git")
    git = ["git", "-C", str(clone.root), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "--no-gpg-sign", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    shown = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True
    )
    return shown.stdout.strip()


def test_push_prints_only_the_uri_with_its_digest(tmp_path: Path) -> None:
    """The output is only the URI, which a script may pass to an estimator."""
    ended = FakeEcr(tmp_path).push(Clone(tmp_path))

    assert ended.code == 0, ended.err
    assert ended.out == f"{URI}@{DIGEST}\n"


def test_push_builds_for_sagemaker_without_attestations(tmp_path: Path) -> None:
    """The build command has linux/amd64, Docker's media types, the tags, and nothing else."""
    ecr = FakeEcr(tmp_path)
    clone = Clone(tmp_path)

    ended = ecr.push(clone, "--tag", "v1")

    assert ended.code == 0, ended.err
    assert ecr.docker.call("buildx", "build") == [
        *BUILD,
        *("--target", "full", "--platform", "linux/amd64"),
        *("--tag", f"{URI}:v1", "--tag", f"{URI}:latest"),
        *(*BASE.split(), str(clone.root)),
    ]


def test_push_builds_the_given_target_and_platform(tmp_path: Path) -> None:
    """--target and --platform reach the build, and the pushed image must be for that platform."""
    ecr = FakeEcr(tmp_path, found="linux/arm64 true ")

    ended = ecr.push(Clone(tmp_path), "--target", "inference", "--platform", "linux/arm64")

    build = ecr.docker.call("buildx", "build")
    assert ended.code == 0, ended.err
    assert build[build.index("--target") + 1] == "inference"
    assert build[build.index("--platform") + 1] == "linux/arm64"


def test_push_keeps_an_existing_repository(tmp_path: Path) -> None:
    """An existing repository is not created again."""
    ecr = FakeEcr(tmp_path)

    ended = ecr.push(Clone(tmp_path))

    assert ended.code == 0, ended.err
    assert [call for call in ecr.aws.calls() if call[1] == "create-repository"] == []


def test_push_creates_a_missing_repository(tmp_path: Path) -> None:
    """A new repository is scanned on push, and its tags are mutable by default."""
    ecr = FakeEcr(tmp_path, describe=MISSING)

    ended = ecr.push(Clone(tmp_path))

    assert ended.code == 0, ended.err
    assert ecr.aws.call("ecr", "create-repository") == [
        *("ecr", "create-repository", "--region", "eu-central-1"),
        *("--repository-name", "decision-trees"),
        *NEW.split(),
    ]


def test_push_does_not_push_latest_to_an_immutable_repository(tmp_path: Path) -> None:
    """`latest` could be pushed only once, so only the given tag is pushed."""
    ecr = FakeEcr(tmp_path, describe=MISSING, taken="404 text/plain")

    ended = ecr.push(Clone(tmp_path), "--immutable", "--tag", "v1")

    create = ecr.aws.call("ecr", "create-repository")
    assert ended.code == 0, ended.err
    assert create[-1] == "IMMUTABLE"
    assert ecr.pushed() == [f"{URI}:v1"]


def test_push_pushes_latest_to_a_repository_that_excludes_it(tmp_path: Path) -> None:
    """IMMUTABLE_WITH_EXCLUSION allows tags such as latest to move."""
    ecr = FakeEcr(tmp_path, describe="echo IMMUTABLE_WITH_EXCLUSION")

    ended = ecr.push(Clone(tmp_path), "--immutable", "--tag", "v1")

    assert ended.code == 0, ended.err
    assert ecr.pushed() == [f"{URI}:v1", f"{URI}:latest"]


@pytest.mark.parametrize("changed", [False, True])
def test_push_tags_and_labels_the_commit(tmp_path: Path, changed: bool) -> None:
    """The short hash is a tag and a label of the image, with -dirty if the clone has changes."""
    clone = Clone(tmp_path)
    commit = commit_all(clone)
    if changed:
        (clone.root / "new").touch()
        commit += "-dirty"
    ecr = FakeEcr(tmp_path, found=f"linux/amd64 true {commit}")

    ended = ecr.push(clone, "--tag", "v1")

    build = ecr.docker.call("buildx", "build")
    assert ended.code == 0, ended.err
    assert ecr.pushed() == [f"{URI}:{commit}", f"{URI}:v1", f"{URI}:latest"]
    assert build[build.index("--label") + 1] == f"org.opencontainers.image.revision={commit}"


def test_push_pushes_each_tag_once(tmp_path: Path) -> None:
    """--tag latest adds no second tag."""
    ecr = FakeEcr(tmp_path)

    ended = ecr.push(Clone(tmp_path), "--tag", "latest")

    assert ended.code == 0, ended.err
    assert ecr.pushed() == [f"{URI}:latest"]


def test_push_does_not_change_the_login_of_the_user(tmp_path: Path) -> None:
    """The password is passed on stdin to a temporary configuration that has the user's contexts."""
    own = tmp_path / "own"
    (own / "contexts/meta").mkdir(parents=True)
    (own / "config.json").write_text('{"credsStore": "desktop"}')
    ecr = FakeEcr(tmp_path, context="colima")

    ended = ecr.push(Clone(tmp_path), DOCKER_CONFIG=str(own), TMPDIR=str(tmp_path))

    calls = [word for fake in (ecr.docker, ecr.aws, ecr.curl) for c in fake.calls() for word in c]
    assert ended.code == 0, ended.err
    assert (ecr.login / "password").read_text() == "a-password"
    assert (ecr.login / "config.json").read_text() == f'{{"auths": {{"{REGISTRY}": {{}}}}}}\n'
    assert (ecr.login / "contexts/meta").is_dir()
    assert (ecr.login / "context").read_text() == "colima\n"
    assert (own / "config.json").read_text() == '{"credsStore": "desktop"}'
    assert not any("a-password" in word for word in calls)
    assert list(tmp_path.glob("tmp.*")) == []


@pytest.mark.parametrize("code", [1, 17])
def test_push_pushes_nothing_after_a_failed_build(tmp_path: Path, code: int) -> None:
    """The script exits with the code of the build, and an old image of the same name is kept."""
    ecr = FakeEcr(tmp_path, build=f"exit {code}")

    ended = ecr.push(Clone(tmp_path), "--platform", "linux/arm64")

    said = sentence(ended, code)
    assert "the build for linux/arm64 on an engine of x86_64 failed" in said
    assert "exec format error" in said
    assert ecr.pushed() == []


def test_push_stops_at_the_first_tag_that_fails(tmp_path: Path) -> None:
    """After a failed push no other tag is pushed, and no URI is printed."""
    ecr = FakeEcr(tmp_path, push="exit 1")

    ended = ecr.push(Clone(tmp_path), "--tag", "v1")

    assert f"the push of {URI}:v1 failed" in sentence(ended, 1)
    assert ecr.pushed() == [f"{URI}:v1"]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({"manifest": "200 application/vnd.oci.image.index.v1+json"}, "oci.image.index.v1+json"),
        ({"manifest": "200 application/vnd.oci.image.manifest.v1+json"}, "oci.image.manifest"),
        (
            {"manifest": "200 application/vnd.docker.distribution.manifest.list.v2+json"},
            "manifest.list.v2+json",
        ),
        ({"manifest": "404 text/plain"}, "the registry returned 404 for it; do not"),
        ({"manifest": "000 "}, "the registry returned nothing (curl: (6) no such host) for it; do"),
        ({"pull": "exit 1"}, "cannot be pulled"),
        ({"found": "linux/arm64 true "}, "'linux/arm64 true ' instead of 'linux/amd64 true '"),
        ({"found": "linux/amd64  "}, "'linux/amd64  ' instead of 'linux/amd64 true '"),
        ({"found": "linux/amd64 true f00ba45"}, "'linux/amd64 true f00ba45' instead of"),
    ],
)
def test_push_rejects_an_unusable_image_in_the_registry(
    tmp_path: Path, answers: dict[str, str], found: str
) -> None:
    """An image that SageMaker would reject is reported without its URI, and latest is unchanged."""
    ecr = FakeEcr(tmp_path, **answers)

    ended = ecr.push(Clone(tmp_path), "--tag", "v1")

    assert found in sentence(ended, 1)
    assert ecr.pushed() == [f"{URI}:v1"]


def test_push_accepts_a_media_type_with_parameters(tmp_path: Path) -> None:
    """A charset after the media type does not matter."""
    ended = FakeEcr(tmp_path, manifest=f"200 {DOCKER_MANIFEST}; charset=utf-8").push(
        Clone(tmp_path)
    )

    assert ended.code == 0, ended.err


def test_dry_run_prints_every_command_and_changes_nothing(tmp_path: Path) -> None:
    """Each printed line can be pasted; only commands that read are run, for values in the lines."""
    ecr = FakeEcr(tmp_path, describe=MISSING)
    clone = Clone(tmp_path)

    ended = ecr.push(clone, "--dry-run", "--tag", "v1")

    command = " ".join(BUILD).replace(",", "\\,")
    build = f"env DOCKER_BUILDKIT=1 {ecr.docker.path} {command} --target full"
    context = str(clone.root).replace(" ", "\\ ")
    assert ended.code == 0, ended.err
    assert ecr.changes() == []
    assert ended.out.splitlines() == [
        f"{ASK} | docker login --username AWS --password-stdin {REGISTRY}",
        f"aws ecr create-repository --region eu-central-1 --repository-name decision-trees {NEW}",
        f"{build} --platform linux/amd64 --tag {URI}:v1 --tag {URI}:latest {BASE} {context}",
        f"{ecr.docker.path} push {URI}:v1",
        f"{ecr.docker.path} push {URI}:latest",
    ]
