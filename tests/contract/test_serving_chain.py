"""The reply of one container is a request of the next, as in inference pipelines."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact.export import Naming
from container.formats.media_types import REPLIES
from container.paths import Paths
from container.settings import Settings
from payloads.replies import rows_of
from payloads.serving_models import Made
from support.apps import create_app

ROWS = np.random.default_rng(1).uniform(0, 10, size=(200, 2)).astype(np.float32)
BODY = "".join(f"{one!r},{other!r}\n" for one, other in ROWS.tolist())
OUTPUTS = ["predicted_label", "probability", "probabilities", "predicted_score"]


@dataclass(frozen=True)
class Link:
    """A model in a chain, and a client of its endpoint."""

    made: Made
    client: FlaskClient


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Made], Link]:
    """Return a function that serves a model."""

    def serve(made: Made) -> Link:
        base_dir = tmp_path_factory.mktemp("link")
        made.save(base_dir / "ml")
        settings = Settings(paths=Paths(base_dir / "ml"), cores=1, workers=1)
        return Link(made, create_app(settings).test_client())

    return serve


@pytest.fixture(scope="module")
def classifier(link: Callable[[Made], Link]) -> Link:
    """The first model in a chain: 2 features, the labels 0, 1 and 7."""
    labels = np.array([0, 1, 7])[(ROWS[:, 0] > 4).astype(int) + (ROWS[:, 1] > 6)]
    noisy = np.where(np.arange(200) % 7 == 0, 7, labels)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    return link(Made(tree.fit(ROWS, noisy), ROWS, Naming()))


@pytest.fixture(scope="module")
def regressor(link: Callable[[Made], Link]) -> Link:
    """The first model in a chain: 2 features, scores from 0 to 10."""
    tree = DecisionTreeRegressor(max_depth=4, random_state=0)
    return link(Made(tree.fit(ROWS, ROWS[:, 0] * ROWS[:, 1] / 10), ROWS, Naming()))


@pytest.fixture(scope="module")
def seconds(link: Callable[[Made], Link]) -> dict[tuple[int, bool], Link]:
    """The second models in a chain: 1 or 3 features, with names and without."""
    random = np.random.default_rng(2)
    found = {}
    for width, has_names in itertools.product((1, 3), (False, True)):
        features = random.choice([1, 10], (2000, 1)) * random.random((2000, width))
        rows = features.astype(np.float32)
        tree = DecisionTreeRegressor(random_state=0).fit(rows, rows @ [1, 20, 400][:width])
        names = ["first", "second", "third"][:width] if has_names else None
        found[width, has_names] = link(Made(tree, rows, Naming(names)))
    return found


def predicted(first: Link, output: str) -> NDArray[np.float32]:
    """Return scikit-learn's predictions for ROWS, shape (n_rows, n_values)."""
    estimator = first.made.estimator
    if output in ("predicted_label", "predicted_score"):
        return np.asarray(estimator.predict(ROWS)[:, np.newaxis], dtype=np.float32)
    shares = estimator.predict_proba(ROWS).astype(np.float32)
    found: NDArray[np.float32]
    found = shares if output == "probabilities" else shares.max(axis=1, keepdims=True)
    return found


@pytest.mark.parametrize("has_names", [False, True], ids=["by_place", "with_names"])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("media_type", REPLIES)
def test_reply_is_a_request_of_another_model(
    classifier: Link,
    regressor: Link,
    seconds: dict[tuple[int, bool], Link],
    media_type: str,
    output: str,
    has_names: bool,
) -> None:
    """Each output in each format is read correctly by a model with as many features."""
    first = regressor if output == "predicted_score" else classifier
    features = predicted(first, output)
    second = seconds[features.shape[1], has_names]

    accept = f"{media_type};output={output}"
    reply = first.client.post(
        "/invocations", data=BODY, content_type="text/csv", headers={"Accept": accept}
    )
    last = second.client.post("/invocations", data=reply.data, content_type=reply.content_type)

    assert last.status_code == 200, last.text
    assert reply.content_type == media_type
    expected = second.made.estimator.predict(features).astype(np.float32)
    assert rows_of("text/csv", last.data) == expected[:, np.newaxis].tolist()


def test_second_models_distinguish_all_predictions(
    classifier: Link, regressor: Link, seconds: dict[tuple[int, bool], Link]
) -> None:
    """The test above would fail if a value, or the order of the probabilities, changed."""
    for output in OUTPUTS:
        features = predicted(regressor if output == "predicted_score" else classifier, output)
        estimator = seconds[features.shape[1], False].made.estimator
        distinct = len(np.unique(features, axis=0))

        assert distinct >= 3
        assert len(np.unique(estimator.predict(features))) == distinct
