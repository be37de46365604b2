"""The histogram engine needs an XGBoost that is in the image: its tests run there."""

import os
import shutil
from collections.abc import Mapping
from importlib.metadata import files
from pathlib import Path

import pytest

from support.containers import Engine
from support.material import ROOT, OptMl, Rows

PURE_PACKAGES = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""What pytest consists of; it is all Python, so that that of the tests runs in the image too."""

pytestmark = pytest.mark.docker


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A directory with pytest, which is not in the image."""
    for name in PURE_PACKAGES:
        for file in files(name) or []:
            if file.suffix != ".pyc" and ".." not in file.parts:
                target = tmp_path / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    return tmp_path


def test_histogram_engine_passes_its_tests_in_the_image(
    engine: Engine, images: Mapping[str, str], packages: Path
) -> None:
    """Nothing is skipped there: XGBoost is new enough."""
    mounts = {packages: "/packages,readonly", ROOT: "/repository,readonly"}
    tests = sorted(ROOT.glob("tests/unit/test_histogram*.py"))
    # Nothing of conftest.py is used: it needs compiled packages that the image has not.
    command = ["python3", "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-q"]

    ended = engine.start(
        images["full"],
        [*command, *(str(Path("/repository") / test.relative_to(ROOT)) for test in tests)],
        mounts,
        [
            "--env=OMP_WAIT_POLICY=passive",
            "--env=PYTHONPATH=/packages:/opt/program:/repository/tests",
            f"--user={os.getuid()}",
        ],
    ).ended()

    assert ended.code == 0, ended.log
    assert " passed" in ended.log
    assert "skipped" not in ended.log


def test_histogram_engine_trains_what_is_served(
    engine: Engine, images: Mapping[str, str], opt_ml: OptMl, iris: Rows
) -> None:
    """A job that asks for it leaves an artifact as any other; the inference image serves it."""
    opt_ml.write("iris.csv", iris.training_csv())
    opt_ml.write_hyperparameters({"engine": "histogram"})

    ended = engine.train(images["full"], opt_ml)

    assert ended.code == 0, ended.log
    container = engine.serve(images["inference"], opt_ml.model)
    container.await_ready()
    assert container.invoke(iris.request_csv()).lines() == iris.labels
