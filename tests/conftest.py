"""Fixtures and options of all tests; adds the program to the import path."""

import fcntl
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from support import containers
from support.material import PROGRAM_DIR, ROOT, LabelledRows, OptMl, as_csv
from support.processes import Server, cleaned_up, free_port, start, train

sys.path[:0] = [str(PROGRAM_DIR), str(ROOT)]

# A shell that starts a background program makes it and its children ignore these signals, and bash
# cannot trap a signal that was ignored at its start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# Settings and credentials of the user do not reach the programs that the tests start.
for name in [*os.environ]:
    if name.startswith(("AWS_", "MODEL_SERVER_", "SAGEMAKER_", "SM_")):
        del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of tests/run.sh."""
    parser.addoption(
        "--require-docker", action="store_true", help="fail if no Docker engine is available"
    )
    parser.addoption("--soak", action="store_true", help="run the long tests as well")


def pytest_configure(config: pytest.Config) -> None:
    """Generate the same Hypothesis examples in each run, so that only a change can cause a failure.

    Examples have no deadline, because a machine may be slow.
    """
    n_examples = 2000 if config.getoption("--soak") else 100
    hypothesis.settings.register_profile(
        "repeatable",
        derandomize=True,
        max_examples=n_examples,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests for parallel runs, and skip tests that were not requested.

    The tests of a file share fixtures. Tests with containers or a simulated AWS account share an
    engine, images, a registry and environments; those with containers run first because they take
    longest. Tests that measure never run in parallel with others.
    """
    items.sort(key=lambda item: item.get_closest_marker("docker") is None)
    for item in items:
        is_docker = item.get_closest_marker("docker") is not None
        is_alone = is_docker or item.path.name.endswith("_on_aws.py")
        item.add_marker(pytest.mark.xdist_group("containers" if is_alone else item.path.name))
        if item.get_closest_marker("soak") and not config.getoption("--soak"):
            item.add_marker(pytest.mark.skip("runs only with --soak"))
        if item.path.parent.name == "soak" and "PYTEST_XDIST_WORKER" in os.environ:
            item.add_marker(pytest.mark.skip("does not run in parallel: pytest --soak tests/soak"))


@pytest.fixture(autouse=True)
def _cleaned_up() -> Iterator[None]:
    """Stop all programs that the test started, even if it failed."""
    with cleaned_up():
        yield


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An empty directory for sockets, whose path must not exceed 107 characters."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def iris() -> LabelledRows:
    """The Iris table: 150 rows, 4 features, 3 labels."""
    table = load_iris()
    return LabelledRows(table.data, [str(table.target_names[index]) for index in table.target])


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    """An empty /opt/ml directory."""
    return OptMl(tmp_path / "ml")


@pytest.fixture(scope="session")
def random_features() -> Callable[[int, int], NDArray[np.float64]]:
    """Rows around the values of the Iris table; half of the cells are possible thresholds."""

    def make(n_rows: int, seed: int) -> NDArray[np.float64]:
        random = np.random.default_rng(seed)
        features = random.uniform(0, 8, size=(n_rows, 4))
        on_grid = random.random(features.shape) < 0.5
        return np.where(on_grid, np.round(features * 20) / 20, features)

    return make


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """A function that starts a server; the servers are stopped after the test."""
    servers: list[Server] = []

    def start_server(opt_ml: OptMl, **variables: str) -> Server:
        port = free_port()
        variables = {"MODEL_SERVER_WORKERS": "2", "SAGEMAKER_BIND_TO_PORT": str(port)} | variables
        server = Server(start("serve", opt_ml, **variables), port)
        servers.append(server)
        return server

    yield start_server
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, iris: LabelledRows) -> OptMl:
    """An /opt/ml directory with a model of the Iris table; tests must not change it."""
    opt_ml = OptMl(tmp_path_factory.mktemp("trained"))
    opt_ml.write("iris.csv", iris.training_csv())
    ended = train(opt_ml)
    assert ended.code == 0, ended.log
    return opt_ml


@pytest.fixture(scope="session")
def long_table() -> str:
    """A training file that takes seconds to fit, with a large tree."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 50, 20_000)
    features = random.random((20_000, 40)).round(4)
    return as_csv([int(label), *row] for label, row in zip(labels, features, strict=True))


@pytest.fixture(scope="session")
def _only_user_of_the_engine() -> Iterator[None]:
    """Wait until no other run of the tests uses the engine: they share image and host names."""
    with (Path(tempfile.gettempdir()) / "decision-trees-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest, _only_user_of_the_engine: None) -> dict[str, str]:
    """Both images by target, built by build_and_push.sh; skipped without a Docker engine."""
    if not containers.engine_answers():
        _skip(request, "no Docker engine is available")
    names = {target: f"decision-trees-test-{target}" for target in ("full", "inference")}
    for target, name in names.items():
        built = containers.build(name, target)
        if built.code == containers.BUILD_UNAVAILABLE:
            _skip(request, built.log.splitlines()[-1])
        assert built.code == 0, built.log
    return names


def _skip(request: pytest.FixtureRequest, reason: str) -> NoReturn:
    if request.config.getoption("--require-docker"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def engine(images: dict[str, str]) -> Iterator[containers.Engine]:
    """A Docker engine whose containers are removed after the test."""
    engine = containers.Engine()
    yield engine
    engine.remove_all()


@pytest.fixture(scope="session")
def trained_in_image(
    images: dict[str, str], tmp_path_factory: pytest.TempPathFactory, iris: LabelledRows
) -> OptMl:
    """An /opt/ml directory with a model trained in the full image; tests must not change it."""
    opt_ml = OptMl(tmp_path_factory.mktemp("trained-in-image"))
    opt_ml.write("iris.csv", iris.training_csv())
    engine = containers.Engine()
    ended = engine.train(images["full"], opt_ml)
    engine.remove_all()
    assert ended.code == 0, ended.log
    return opt_ml
