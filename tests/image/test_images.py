"""Contents of the images."""

import json
from collections.abc import Mapping

import pytest

from support.containers import Engine, run

Images = Mapping[str, str]

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("target", ["full", "inference"])
def test_image_has_no_leftovers_of_its_build(engine: Engine, images: Images, target: str) -> None:
    """The image has no compiler, pip cache, package list or secret; it keeps pip for scripts."""
    script = (
        "command -v gcc cc g++ make || true; "
        "ls -A /var/lib/apt/lists /root/.cache /tmp /run/secrets 2>/dev/null | grep -v : || true"
    )

    ended = engine.start(images[target], ["bash", "-c", script]).ended()

    assert ended.log.split() == []


@pytest.mark.parametrize("target", ["full", "inference"])
def test_no_file_of_an_image_gives_privileges(engine: Engine, images: Images, target: str) -> None:
    """No file has a set-user-ID or set-group-ID bit, not even those of the base image."""
    found = ["find", "/", "-xdev", "-type", "f", "-perm", "/6000"]

    ended = engine.start(images[target], found).ended()

    assert ended.code == 0
    assert ended.log == ""


def test_inference_image_has_neither_scikit_learn_nor_scipy(engine: Engine, images: Images) -> None:
    """The inference image contains only packages that serving imports."""
    script = (
        "from importlib.util import find_spec; from shutil import which; "
        "names = ('sklearn', 'scipy', 'pandas', 'onnx', 'skl2onnx', 'xgboost', 'pip'); "
        "print([name for name in names if find_spec(name)], which('train'), which('serve'))"
    )

    ended = engine.start(images["inference"], ["python3", "-c", script]).ended()

    assert ended.log == "[] None /opt/program/serve\n"


def test_images_have_default_commands(engine: Engine, images: Images) -> None:
    """Without an argument the full image trains and the inference image serves."""
    configured = {
        target: json.loads(run("docker", "inspect", name))[0]["Config"]
        for target, name in images.items()
    }

    assert configured["full"]["Cmd"] == ["train"]
    assert configured["inference"]["Cmd"] == ["serve"]
    for config in configured.values():
        assert not config["Entrypoint"]
        assert not config["User"]
        label = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"
        assert config["Labels"][label] == "true"


def test_image_runs_a_shell(engine: Engine, images: Images) -> None:
    """`docker run IMAGE bash` starts a shell."""
    ended = engine.start(images["full"], ["bash", "-c", "type -p train serve"]).ended()

    assert ended.log.split() == ["/opt/program/train", "/opt/program/serve"]
