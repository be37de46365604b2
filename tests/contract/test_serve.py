"""`serve` as the platform starts it: /ping and /invocations through nginx, over HTTP."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from container.formats.media_types import REPLIES
from support.material import LabelledRows, OptMl, as_csv
from support.processes import Server
from support.servers import LoggedServer, serving

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
ROW = b"5.1,3.5,1.4,0.2\n"

Serve = Callable[..., Server]
MakeFeatures = Callable[[int, int], NDArray[np.float64]]


@pytest.fixture(scope="module")
def oracle(iris: LabelledRows) -> DecisionTreeClassifier:
    """Return scikit-learn's own tree on the same rows."""
    return DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)


@pytest.fixture(scope="module")
def server(trained: OptMl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedServer]:
    """Return a server that is ready."""
    with serving(trained, tmp_path_factory.mktemp("serve")) as server:
        server.await_ready()
        yield server


def test_serve_labels_every_row_of_iris_as_scikit_learn(
    server: LoggedServer, iris: LabelledRows, oracle: DecisionTreeClassifier
) -> None:
    """All 150 rows get the labels that DecisionTreeClassifier.predict gives."""
    reply = server.invoke(iris.request_csv())

    assert (reply.status, reply.content_type) == (200, "text/csv")
    assert reply.lines() == oracle.predict(iris.features).tolist()


def test_serve_labels_20000_random_rows_as_scikit_learn(
    server: LoggedServer, random_features: MakeFeatures, oracle: DecisionTreeClassifier
) -> None:
    """Values of any precision, also on thresholds, get the labels of scikit-learn."""
    features = random_features(20_000, 7)

    reply = server.invoke(as_csv(features))

    assert reply.lines() == oracle.predict(features).tolist()


def test_serve_labels_missing_cells_as_scikit_learn(
    server: LoggedServer, random_features: MakeFeatures, oracle: DecisionTreeClassifier
) -> None:
    """An empty cell is a missing value, and is routed as scikit-learn routes it."""
    features = random_features(2_000, 8)
    features[np.random.default_rng(9).random(features.shape) < 0.3] = np.nan
    body = as_csv(["" if np.isnan(cell) else cell for cell in row] for row in features)

    reply = server.invoke(body)

    assert reply.lines() == oracle.predict(features).tolist()


@pytest.mark.parametrize(
    "content_type",
    ["text/csv", "text/csv; charset=utf-8", "TEXT/CSV;charset=UTF-8", "text/csv; header=absent"],
)
def test_serve_accepts_any_parameter_of_the_media_type(
    server: LoggedServer, content_type: str
) -> None:
    """A client may add parameters to text/csv."""
    assert server.invoke("5.1,3.5,1.4,0.2", content_type).body == b"setosa\n"


def test_serve_answers_in_every_format(server: LoggedServer) -> None:
    """The response has the media type without parameters, and the same label."""
    replies = {
        media_type: server.ask("/invocations", ROW, {"Accept": f"{media_type}; charset=utf-8"})
        for media_type in REPLIES
    }

    assert {reply.status for reply in replies.values()} == {200}
    assert all(reply.content_type == name for name, reply in replies.items())
    assert all(b"setosa" in reply.body.replace(b"\0", b"") for reply in replies.values())


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"instances": [{"features": [5.1, 3.5, 1.4, 0.2]}]}'),
        ("application/json; charset=utf-8", b"[[5.1, 3.5, 1.4, 0.2]]"),
        ("application/jsonlines", b'{"features": [5.1, 3.5, 1.4, 0.2]}'),
        ("text/libsvm", b"1:5.1 2:3.5 3:1.4 4:0.2"),
    ],
)
def test_serve_reads_other_formats(server: LoggedServer, content_type: str, body: bytes) -> None:
    """The same row has the same label in every format."""
    assert server.invoke(body, content_type).body == b"setosa\n"


def test_serve_answers_outputs_that_are_asked_for(server: LoggedServer) -> None:
    """The request asks by its Accept header or by the custom attributes of InvokeEndpoint."""
    by_accept = server.ask("/invocations", ROW, {"Accept": "text/csv;output=probability"})
    by_attributes = server.ask("/invocations", ROW, {ATTRIBUTES: "output=probabilities"})

    assert by_accept.body == b"1.0\n"
    assert by_attributes.body == b"1.0,0.0,0.0\n"


@pytest.mark.parametrize("path", ["/ping", "/execution-parameters", "/metrics"])
def test_serve_answers_head_as_get_without_the_body(server: LoggedServer, path: str) -> None:
    """Status and type are the same."""
    get, head = server.ask(path), server.ask(path, method="HEAD")

    assert (head.status, head.content_type) == (200, get.content_type)
    assert head.body == b""


def test_serve_accepts_a_body_of_any_size_without_a_limit(serve: Serve, trained: OptMl) -> None:
    """A limit of 0 means no limit, as for the platform."""
    server = serve(trained, SAGEMAKER_MAX_PAYLOAD_IN_MB="0")
    server.await_ready()

    reply = server.invoke(b"5.1,3.5,1.4,0.2\n" * 200_000)

    assert reply.status == 200
    assert reply.body == b"setosa\n" * 200_000
