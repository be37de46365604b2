"""Tests of the histogram engine, run in the image because they need its version of XGBoost."""

import os
import shutil
from collections.abc import Mapping
from importlib.metadata import files
from pathlib import Path

import pytest

from support.containers import Engine
from support.material import ROOT, LabelledRows, OptMl

PURE_PACKAGES = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""pytest and its dependencies: pure Python, so that the installed files also work in the image."""

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
    """All tests pass and none is skipped, because the XGBoost of the image is new enough."""
    mounts = {packages: "/packages,readonly", ROOT: "/repository,readonly"}
    tests = sorted(ROOT.glob("tests/unit/test_histogram*.py"))
    # conftest.py is not loaded, because it needs compiled packages that the image does not have.
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


def test_histogram_engine_trains_a_model_that_is_served(
    engine: Engine, images: Mapping[str, str], opt_ml: OptMl, iris: LabelledRows
) -> None:
    """The artifact of the histogram engine is served by the inference image."""
    opt_ml.write("iris.csv", iris.training_csv())
    opt_ml.write_hyperparameters({"engine": "histogram"})

    ended = engine.train(images["full"], opt_ml)

    assert ended.code == 0, ended.log
    container = engine.serve(images["inference"], opt_ml.model)
    container.await_ready()
    assert container.invoke(iris.request_csv()).lines() == iris.labels
