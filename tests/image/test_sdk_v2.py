"""SageMaker Python SDK, version 2, in local mode: examples/sagemaker_sdk.py --local."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from support.aws import local_mode
from support.aws.sdk_examples import Examples, logged
from support.clones import ScriptResult
from support.material import LabelledRows, as_csv
from support.processes import free_port

Images = Mapping[str, str]
RandomFeatures = Callable[[int, int], NDArray[np.float64]]

pytestmark = [pytest.mark.docker, pytest.mark.soak]


@pytest.fixture(scope="module")
def sdk(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    """The SDK in version 2, with the Iris table as training data."""
    with local_mode.running(2, tmp_path_factory.mktemp("sdk2"), images["full"]) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def tree(iris: LabelledRows) -> DecisionTreeClassifier:
    """The tree that the example trains, fitted by scikit-learn."""
    return DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)


@pytest.fixture(scope="module")
def few_rows(random_features: RandomFeatures) -> NDArray[np.float64]:
    """Rows to send to the endpoint."""
    return random_features(500, 1)


@pytest.fixture(scope="module")
def ended(
    sdk: Examples, images: Images, iris: LabelledRows, few_rows: NDArray[np.float64]
) -> ScriptResult:
    """A run of the example: training, deployment, predictions, and a MultiRecord transform."""
    (sdk.directory / "training").mkdir()
    (sdk.directory / "training/iris.csv").write_text(iris.training_csv())
    ended = run(sdk, images, few_rows, "realtime", "--strategy=MultiRecord")
    assert ended.code == 0, ended.out + ended.err
    return ended


def run(
    sdk: Examples, images: Images, features: NDArray[np.float64], *options: str
) -> ScriptResult:
    """Run the example with these rows, and transform them."""
    rows = sdk.directory / "rows.csv"
    rows.write_text(as_csv(features))
    return sdk.run(
        "sagemaker_sdk.py",
        "--local",
        *("--image", images["full"], "--port", str(free_port()), "--output", str(sdk.directory)),
        *("--training", str(sdk.directory / "training"), "--rows", str(rows), *options, "batch"),
    )


def transformed(sdk: Examples) -> list[str]:
    """Return the lines that batch transform wrote."""
    return (sdk.directory / "batch/rows.csv.out").read_text().split("\n")[:-1]


@pytest.mark.parametrize("body", ["csv", "json", "npy"])
def test_serializers_receive_the_labels_of_scikit_learn(
    ended: ScriptResult, tree: DecisionTreeClassifier, few_rows: NDArray[np.float64], body: str
) -> None:
    """An endpoint accepts requests of CSVSerializer, JSONSerializer and NumpySerializer."""
    assert logged(ended, f"{body} labels") == [tree.predict(few_rows).tolist()]


def test_custom_attributes_select_the_probabilities_of_scikit_learn(
    ended: ScriptResult, tree: DecisionTreeClassifier, few_rows: NDArray[np.float64]
) -> None:
    """`predict(..., custom_attributes=...)` selects the output, whose numbers are float32."""
    (rows,) = logged(ended, "probabilities")
    answers = [row["probabilities"] for row in rows]

    expected = tree.predict_proba(few_rows).astype(np.float32)
    assert np.array_equal(np.array(answers, dtype=np.float32), expected)


def test_multi_record_transform_writes_the_labels_of_scikit_learn(
    ended: ScriptResult, sdk: Examples, tree: DecisionTreeClassifier, few_rows: NDArray[np.float64]
) -> None:
    """Batch transform with Line and MultiRecord writes exactly one line per row."""
    assert transformed(sdk) == tree.predict(few_rows).tolist()


def test_transform_uses_the_execution_parameters(
    ended: ScriptResult,
    sdk: Examples,
    images: Images,
    tree: DecisionTreeClassifier,
    random_features: RandomFeatures,
) -> None:
    """Without a strategy, local mode reads /execution-parameters and sends mini-batches."""
    features = random_features(500_000, 2)
    model = (sdk.directory / "models/model.tar.gz").as_uri()

    again = run(sdk, images, features, "--model-data", model)

    assert again.code == 0, again.out + again.err
    assert transformed(sdk) == tree.predict(features).tolist()
    assert again.out.count('"path": "/invocations"') > 1


def test_two_instances_train_one_tree(
    ended: ScriptResult,
    sdk: Examples,
    images: Images,
    tree: DecisionTreeClassifier,
    iris: LabelledRows,
) -> None:
    """With `instance_count=2` two hosts train together, and the model is as good."""
    again = run(sdk, images, iris.features, "--instances=2")

    assert again.code == 0, again.out + again.err
    assert again.out.count("engine: histogram, for 2 hosts") == 2
    right = np.array(transformed(sdk)) == iris.labels
    assert right.mean() >= tree.score(iris.features, iris.labels) - 0.003


def test_nothing_is_left_running(ended: ScriptResult, sdk: Examples) -> None:
    """The example stops its endpoint, so that the port is free again."""
    assert (sdk.directory / "models/model.tar.gz").is_file()
    assert local_mode.containers_of(sdk.directory) == []
