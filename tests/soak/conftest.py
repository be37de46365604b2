"""Fixtures of the long tests."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.load.mixture import LARGEST_BODY_MEGABYTES, Mixture
from support.load.observation import LoggedServer, StartServe
from support.material import PROGRAM_DIR, OptMl, Rows
from support.processes import environment, free_port, launch


@pytest.fixture(scope="session")
def mixture(iris: Rows, random_features: Callable[[int, int], NDArray[np.float64]]) -> Mixture:
    """Requests with the right replies."""
    return Mixture(iris, random_features)


@pytest.fixture
def start_serve(trained: OptMl, tmp_path: Path) -> Iterator[StartServe]:
    """Start servers whose log goes to a file, since nobody would read a pipe meanwhile."""
    servers: list[LoggedServer] = []

    def start_server() -> LoggedServer:
        port = free_port()
        variables = {
            "MODEL_SERVER_WORKERS": "2",
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(LARGEST_BODY_MEGABYTES),
        }
        file = tmp_path / f"{port}.log"
        with file.open("w") as log:
            process = launch(
                [PROGRAM_DIR / "serve"],
                env=environment(trained, **variables),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        servers.append(LoggedServer(process, port, file))
        servers[-1].await_ready()
        return servers[-1]

    yield start_server
    for server in servers:
        if server.process.poll() is None:
            server.stop()
