"""build_and_push.sh with a real engine, a real AWS CLI, and a registry under ECR's host name."""

import platform
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from sklearn.tree import DecisionTreeClassifier

from support.aws import registry
from support.aws.registry import HOST, MANIFEST, PASSWORD, REGION, SILENT_REGION, Ecr
from support.clones import Fake, ScriptResult
from support.containers import Engine, run
from support.material import ROOT, LabelledRows, OptMl
from support.processes import await_condition

Clones = Callable[[str], Path]

pytestmark = pytest.mark.docker

UNAVAILABLE = 69
INDEX = "application/vnd.oci.image.index.v1+json"
MACHINE = {"aarch64": "linux/arm64", "arm64": "linux/arm64"}.get(platform.machine(), "linux/amd64")
OTHER = "linux/amd64" if MACHINE == "linux/arm64" else "linux/arm64"

# A small image that builds fast, with the label that SageMaker reads.
SMALL = """\
ARG BASE_IMAGE
FROM scratch AS full
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
COPY content /
"""


@pytest.fixture(scope="module")
def ecr(
    request: pytest.FixtureRequest,
    images: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ecr]:
    """An ECR registry on this machine."""
    if (reason := registry.missing()) is not None:
        if request.config.getoption("--require-docker"):
            pytest.fail(reason)
        pytest.skip(reason)
    with registry.running(tmp_path_factory.mktemp("ecr")) as running:
        yield running


@pytest.fixture
def repository() -> Iterator[str]:
    """Name of a repository that does not exist; its images are removed at the end."""
    name = f"team/test-{uuid.uuid4().hex}"
    yield name
    form = ":{{.Tag}} @{{.Digest}}"
    listed = run("docker", "images", "--digests", "--format", form, f"{HOST}/{name}")
    for reference in set(listed.split()) - {":<none>", "@<none>"}:
        run("docker", "rmi", f"{HOST}/{name}{reference}", check=False)


@pytest.fixture
def small(tmp_path: Path) -> Clones:
    """A function that makes a clone whose image is small and new; its argument is a Dockerfile."""

    def make(dockerfile: str) -> Path:
        clone = tmp_path / f"a clone {uuid.uuid4().hex}"
        clone.mkdir()
        shutil.copy2(ROOT / "build_and_push.sh", clone)
        (clone / "Dockerfile").write_text(dockerfile)
        (clone / "content").write_text(clone.name)
        return clone

    return make


def sentence(ended: ScriptResult, code: int) -> str:
    """Return the last line of a script that exited with this code and printed no URI."""
    assert (ended.code, ended.out) == (code, ""), ended.err
    return ended.err.splitlines()[-1]


def storing(directory: Path, ecr: Ecr, media_type: str, manifest: bytes) -> Path:
    """Return a PATH on which `curl` first replaces the manifest of a tag."""
    file, login, curl = directory / "manifest", directory / "login", shutil.which("curl")
    file.write_bytes(manifest)
    login.write_text(f'user = "AWS:{PASSWORD}"\n')
    body = f"""'{curl}' --silent --show-error --fail --config '{login}' --request PUT \\
        --header 'Content-Type: {media_type}' --data-binary '@{file}' "${{!#}}" || exit
    exec '{curl}' "$@" """
    return Fake(directory / "first", "curl", body).directory


def test_push_brings_to_ecr_an_image_that_trains_and_serves(
    ecr: Ecr, repository: str, engine: Engine, opt_ml: OptMl, iris: LabelledRows, tmp_path: Path
) -> None:
    """The image pulled by the printed digest trains, and serves scikit-learn's labels."""
    pushed = ecr.push(ROOT, repository, "--tag", "v1", "--platform", MACHINE)
    assert pushed.code == 0, pushed.err
    uri = pushed.out.removesuffix("\n")
    tags = ecr.registry.tags(repository)
    for tag in tags:
        run("docker", "rmi", f"{HOST}/{repository}:{tag}", check=False)
    run("docker", "rmi", uri, check=False)
    config = ("docker", "--config", tmp_path)
    run(*config, "login", "--username", "AWS", "--password", PASSWORD, HOST)
    run(*config, "pull", "--quiet", uri)
    opt_ml.write("iris.csv", iris.training_csv())
    trained = engine.train(uri, opt_ml)
    endpoint = engine.serve(uri, opt_ml.model)
    endpoint.await_ready()
    oracle = DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)

    digest = ecr.registry.digest(repository, "latest")
    assert uri == f"{HOST}/{repository}@{digest}"
    assert {"v1", "latest"} <= tags
    assert {ecr.registry.digest(repository, tag) for tag in tags} == {digest}
    assert ecr.registry.is_complete(repository, digest)
    assert trained.code == 0, trained.log
    assert endpoint.invoke(iris.request_csv()).lines() == oracle.predict(iris.features).tolist()


def test_push_creates_a_repository_and_stores_no_password(
    ecr: Ecr, small: Clones, repository: str
) -> None:
    """A dry run only announces the repository; the next run creates it, and saves no password."""
    clone = small(SMALL)
    dry = ecr.push(clone, repository, "--platform", MACHINE, "--dry-run")
    pushed = ecr.push(clone, repository, "--platform", MACHINE)

    made = ecr.repository(repository)
    assert dry.code == 0, dry.err
    assert pushed.code == 0, pushed.err
    assert f"create-repository --region {REGION} --repository-name {repository}" in dry.out
    assert "create-repository" not in pushed.err
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["imageTagMutability"] == "MUTABLE"
    assert not (Path(ecr.variables["HOME"]) / ".docker/config.json").exists()


def test_push_moves_latest_in_an_existing_repository(
    ecr: Ecr, small: Clones, repository: str
) -> None:
    """The second image becomes latest, and the first one keeps its own tag."""
    first = ecr.push(small(SMALL), repository, "--tag", "v1", "--platform", MACHINE)
    second = ecr.push(small(SMALL), repository, "--tag", "v2", "--platform", MACHINE)

    assert (first.code, second.code) == (0, 0), second.err
    assert first.out == f"{HOST}/{repository}@{ecr.registry.digest(repository, 'v1')}\n"
    assert second.out == f"{HOST}/{repository}@{ecr.registry.digest(repository, 'latest')}\n"
    assert first.out != second.out


def test_push_pushes_each_immutable_tag_once(ecr: Ecr, small: Clones, repository: str) -> None:
    """An existing tag is rejected before the build; a new tag is pushed, without latest."""
    options = ("--immutable", "--platform", MACHINE)
    first = ecr.push(small(SMALL), repository, "--tag", "v1", *options)
    again = ecr.push(small(SMALL), repository, "--tag", "v1", *options)
    second = ecr.push(small(SMALL), repository, "--tag", "v2", *options)

    assert (first.code, second.code) == (0, 0), second.err
    assert f"{repository}:v1 cannot be pushed" in sentence(again, UNAVAILABLE)
    assert "exporting" not in again.err
    assert ecr.registry.tags(repository) == {"v1", "v2"}
    assert ecr.repository(repository)["imageTagMutability"] == "IMMUTABLE"


def test_push_reports_a_region_without_a_registry(ecr: Ecr, small: Clones, repository: str) -> None:
    """In a region without a registry nothing is built."""
    ended = ecr.push(small(SMALL), repository, "--region", SILENT_REGION)

    said = sentence(ended, UNAVAILABLE)
    assert "connection refused" in said
    assert "check the region" in said
    assert "exporting" not in ended.err


def test_push_reports_an_expired_login(ecr: Ecr, small: Clones, repository: str) -> None:
    """A password that the registry rejects ends the run before the build."""
    ecr.registry.expire_password()
    ended = ecr.push(small(SMALL), repository)
    ecr.registry.accept_password()

    assert "401 Unauthorized" in sentence(ended, UNAVAILABLE)
    assert "exporting" not in ended.err


def test_push_does_not_push_an_old_image_after_a_failed_build(
    ecr: Ecr, small: Clones, repository: str
) -> None:
    """An existing image of the same name is not pushed."""
    first = ecr.push(small(SMALL), repository, "--platform", MACHINE)
    ended = ecr.push(
        small(SMALL + "COPY absent /\n"), repository, "--tag", "v2", "--platform", MACHINE
    )

    assert first.code == 0, first.err
    assert "so nothing was pushed" in sentence(ended, 1)
    assert ecr.registry.tags(repository) == {"latest"}
    assert first.out == f"{HOST}/{repository}@{ecr.registry.digest(repository, 'latest')}\n"


@pytest.mark.soak
def test_push_fails_when_the_registry_goes_down(ecr: Ecr, repository: str) -> None:
    """A registry that stops during the upload results in no URI and no tag."""
    uploads = f"docker/registry/v2/repositories/{repository}/_uploads/*/data"
    process = ecr.start(ROOT, repository, "--platform", MACHINE, "--target", "inference")
    try:
        await_condition(lambda: any(ecr.registry.storage.glob(uploads)), "the upload of a layer")
        ecr.registry.kill()
        out, err = process.communicate()
    finally:
        ecr.registry.start()

    assert "failed; the reason is above" in sentence(ScriptResult(process.returncode, out, err), 1)
    assert not [*ecr.registry.storage.glob(f"**/{repository}/_manifests/tags/*")]


def test_push_rejects_an_index(ecr: Ecr, small: Clones, repository: str, tmp_path: Path) -> None:
    """A tag that has become an OCI index is reported, and latest is not pushed."""
    manifest = f'{{"schemaVersion": 2, "mediaType": "{INDEX}", "manifests": []}}'.encode()
    first = storing(tmp_path, ecr, INDEX, manifest)
    ended = ecr.push(small(SMALL), repository, "--tag", "v1", "--platform", MACHINE, first=first)

    assert f":v1 was pushed as {INDEX}, which SageMaker rejects" in sentence(ended, 1)
    assert ecr.registry.tags(repository) == {"v1"}


def test_push_rejects_another_platform(
    ecr: Ecr, small: Clones, repository: str, tmp_path: Path
) -> None:
    """A tag that has become an image for another platform is reported, and latest is not moved."""
    other = ecr.push(small(SMALL), repository, "--platform", OTHER)
    manifest, _ = ecr.registry.get(f"/v2/{repository}/manifests/latest")
    first = storing(tmp_path, ecr, MANIFEST, manifest)
    ended = ecr.push(small(SMALL), repository, "--tag", "v1", "--platform", MACHINE, first=first)

    assert other.code == 0, other.err
    assert f"is '{OTHER} true ' instead of '{MACHINE} true '" in sentence(ended, 1)
    assert other.out == f"{HOST}/{repository}@{ecr.registry.digest(repository, 'latest')}\n"


def test_push_rejects_an_image_without_the_label(ecr: Ecr, small: Clones, repository: str) -> None:
    """An image without the label cannot be used in an inference pipeline, so it is rejected."""
    without = "\n".join(line for line in SMALL.splitlines() if not line.startswith("LABEL"))
    ended = ecr.push(small(without), repository, "--tag", "v1", "--platform", MACHINE)

    assert f"is '{MACHINE}  ' instead of" in sentence(ended, 1)
    assert ecr.registry.tags(repository) == {"v1"}
