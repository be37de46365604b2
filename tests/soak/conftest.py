"""Fixtures of the long tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from numpy.typing import NDArray

from support.load.mixture import LARGEST_BODY_MEGABYTES, Mixture
from support.load.observation import StartServe
from support.material import LabelledRows, OptMl
from support.servers import LoggedServer, serving


@pytest.fixture(scope="session")
def mixture(
    iris: LabelledRows, random_features: Callable[[int, int], NDArray[np.float64]]
) -> Mixture:
    """Requests with the expected responses."""
    return Mixture(iris, random_features)


@pytest.fixture
def start_serve(trained: OptMl, tmp_path: Path) -> Iterator[StartServe]:
    """A function that starts a server and waits until it is ready."""
    limit = {"SAGEMAKER_MAX_PAYLOAD_IN_MB": str(LARGEST_BODY_MEGABYTES)}
    with ExitStack() as servers:

        def start_server() -> LoggedServer:
            directory = Path(mkdtemp(dir=tmp_path))
            server = servers.enter_context(serving(trained, directory, **limit))
            server.await_ready()
            return server

        yield start_server
