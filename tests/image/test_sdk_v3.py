"""SageMaker Python SDK, version 3, in local mode: examples/model_trainer.py --local."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from support.aws import local_mode
from support.aws.sdk_examples import Examples
from support.containers import Engine, run
from support.material import ROOT, LabelledRows, as_csv

Images = Mapping[str, str]

pytestmark = [pytest.mark.docker, pytest.mark.soak]


@pytest.fixture
def sdk(images: Images, tmp_path: Path, iris: LabelledRows) -> Iterator[Examples]:
    """The SDK in version 3, with the Iris table as training data."""
    with local_mode.running(3, tmp_path, images["full"]) as sdk:
        (tmp_path / "training").mkdir()
        (tmp_path / "training/iris.csv").write_text(iris.training_csv())
        yield sdk


def train(sdk: Examples, image: str, *options: str | Path) -> Path:
    """Run the example, and return the directory with the extracted model.tar.gz."""
    output = sdk.directory / "job"
    output.mkdir()
    ended = sdk.run(
        "model_trainer.py",
        "--local",
        *("--image", image, "--training", sdk.directory / "training", "--output", output),
        *options,
    )
    assert ended.code == 0, ended.out + ended.err
    model = sdk.directory / "model"
    model.mkdir()
    run("tar", "-xf", output / "compressed_artifacts/model.tar.gz", "-C", model)
    return model


@pytest.fixture
def labels(
    iris: LabelledRows, random_features: Callable[[int, int], NDArray[np.float64]]
) -> tuple[str, list[str]]:
    """Rows as CSV, and the labels that scikit-learn predicts for them."""
    features = random_features(500, 3)
    tree = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0)
    tree.fit(iris.features, iris.labels)
    return as_csv(features), tree.predict(features).tolist()


def test_model_trainer_runs_train_without_any_argument(
    sdk: Examples, engine: Engine, images: Images, labels: tuple[str, list[str]]
) -> None:
    """Without SourceCode and the argument `train`, the image trains, and its model serves."""
    rows, expected = labels

    model = train(sdk, images["full"], "--hyperparameter", "max_leaf_nodes=5")

    server = engine.serve(images["full"], model)
    server.await_ready()
    assert server.invoke(rows).lines() == expected


def test_model_trainer_runs_source_code_in_the_image(
    sdk: Examples, engine: Engine, images: Images, labels: tuple[str, list[str]]
) -> None:
    """With SourceCode the user's script trains, and its model_fn serves."""
    rows, expected = labels
    program = sdk.directory / "program/tree.py"
    program.parent.mkdir()
    shutil.copyfile(ROOT / "tests/support/script_mode/scripts/tree.py", program)

    model = train(sdk, images["full"], "--program", program, "--hyperparameter=max_leaf_nodes=5")

    (model / "code").mkdir()
    shutil.copyfile(program, model / "code/inference.py")
    server = engine.serve(images["full"], model)
    server.await_ready()
    assert server.invoke(rows).json() == expected
