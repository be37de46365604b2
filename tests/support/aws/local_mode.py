"""Local mode of the SageMaker Python SDK, with real containers on this machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.aws.sdk_examples import Examples, interpreter
from support.containers import run

_NETWORK = "sagemaker-local"  # the SDK's fixed name


@contextmanager
def running(version: int, directory: Path, image: str) -> Iterator[Examples]:
    """Run examples in local mode; remove all containers and all files at the end, even root's."""
    assert shutil.which("docker-compose") is not None, "install Debian's docker-compose"
    had_network = _NETWORK in run("docker", "network", "ls", "--format={{.Name}}").split()
    try:
        yield Examples(interpreter(version), directory)
    finally:
        for name in containers_of(directory, "--all"):
            run("docker", "rm", "--force", name, check=False)
        if not had_network:
            run("docker", "network", "rm", _NETWORK, check=False)
        mount = f"--mount=type=bind,source={directory},target=/made"
        run("docker", "run", "--rm", mount, image, "find", "/made", "-mindepth", "1", "-delete")


def containers_of(directory: Path, *options: str) -> list[str]:
    """Return the containers of the SDK for a directory; with --all, also those that have exited."""
    label = '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}'
    listed = run("docker", "ps", *options, "--format", label).splitlines()
    made_in = [(name, where) for name, _, where in (line.partition(" ") for line in listed)]
    return [name for name, where in made_in if where and Path(where).is_relative_to(directory)]
