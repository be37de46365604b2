"""`serve` as the platform starts it: /ping and /invocations through nginx, over HTTP."""

import http.client
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from material import OptMl, Rows, as_csv
from processes import Server, await_condition

Serve = Callable[..., Server]
MakeFeatures = Callable[[int, int], NDArray[np.float64]]


@pytest.fixture(scope="module")
def oracle(iris: Rows) -> DecisionTreeClassifier:
    """scikit-learn's own tree on the same rows."""
    return DecisionTreeClassifier(random_state=0).fit(iris.features, iris.labels)


@pytest.fixture
def server(serve: Serve, trained: OptMl) -> Server:
    """A server that is ready."""
    server = serve(trained)
    server.await_ready()
    return server


def test_serve_labels_every_row_of_iris_as_scikit_learn(
    server: Server, iris: Rows, oracle: DecisionTreeClassifier
) -> None:
    """All 150 rows get the labels that DecisionTreeClassifier.predict gives."""
    reply = server.invoke(iris.request_csv())

    assert (reply.status, reply.content_type) == (200, "text/csv")
    assert reply.lines() == oracle.predict(iris.features).tolist()


def test_serve_labels_20000_random_rows_as_scikit_learn(
    server: Server, random_features: MakeFeatures, oracle: DecisionTreeClassifier
) -> None:
    """Values of any precision, and on the thresholds, get the labels of scikit-learn."""
    features = random_features(20_000, 7)

    reply = server.invoke(as_csv(features))

    assert reply.lines() == oracle.predict(features).tolist()


def test_serve_labels_missing_cells_as_scikit_learn(
    server: Server, random_features: MakeFeatures, oracle: DecisionTreeClassifier
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
def test_serve_takes_any_parameter_of_the_media_type(server: Server, content_type: str) -> None:
    """text/csv is read with whatever parameters a client adds."""
    assert server.invoke("5.1,3.5,1.4,0.2", content_type).body == b"setosa\n"


def test_serve_answers_a_chunked_body(server: Server) -> None:
    """A body without a length, as batch transform may send it, is read to its end."""
    connection = server.connect()
    connection.request(
        "POST", "/invocations", iter([b"5.1,3.5,", b"1.4,0.2\n"]), {"Content-Type": "text/csv"}
    )

    reply = connection.getresponse()

    assert reply.read() == b"setosa\n"
    connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_serve_answers_a_ping_with_an_empty_body(server: Server, method: str) -> None:
    """/ping is 200 and empty, however it is asked."""
    reply = server.request("/ping", method=method)

    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status", "error"),
    [
        ("POST", "/invocations", "1,2,3\n", "text/csv", 400, "MalformedPayload"),
        ("POST", "/invocations", "", "text/csv", 400, "MalformedPayload"),
        ("POST", "/invocations", "a,b,c,d\n", "text/csv", 400, "MalformedPayload"),
        ("POST", "/invocations", "\0\1\2", "text/csv", 400, "MalformedPayload"),
        ("POST", "/invocations", "{}", "image/png", 415, "UnsupportedMediaType"),
        (
            "POST",
            "/invocations",
            "1,2,3,4",
            "text/csv; charset=utf-16",
            415,
            "UnsupportedMediaType",
        ),
        ("GET", "/invocations", None, "text/csv", 405, "MethodNotAllowed"),
        ("DELETE", "/ping", None, "text/csv", 405, "MethodNotAllowed"),
        ("GET", "/", None, "text/csv", 404, "NotFound"),
        ("GET", "/" + "x" * 20_000, None, "text/csv", 414, "UriTooLong"),
    ],
)
def test_serve_answers_a_malformed_request_in_json(
    server: Server,
    method: str,
    path: str,
    body: str | None,
    content_type: str,
    status: int,
    error: str,
) -> None:
    """What a caller has done wrong is said in JSON: never HTML, never a traceback."""
    reply = server.request(path, body, {"Content-Type": content_type}, method)

    assert reply.status == status
    assert set(reply.json()) == {"error", "message"}
    assert reply.json()["error"] == error
    assert len(reply.body) < 2048


def test_serve_answers_rubbish_instead_of_http_in_json(server: Server) -> None:
    """Bytes that are no HTTP get a reply too."""
    connection = server.connect()
    connection.connect()
    assert connection.sock is not None
    connection.sock.sendall(b"\x16\x03\x01 no http\r\n\r\n")

    reply = http.client.HTTPResponse(connection.sock)
    reply.begin()

    assert reply.status == 400
    assert json.loads(reply.read())["error"] == "BadRequest"
    connection.close()


@pytest.mark.parametrize(
    ("path", "headers", "status", "error"),
    [
        ("/invocations", {"Content-Type": "\x7f"}, 400, "BadRequest"),
        ("/invocations?" + "x" * 5000, {}, 414, "URITooLong"),
    ],
)
def test_serve_answers_in_json_where_gunicorn_refuses(
    server: Server, path: str, headers: dict[str, str], status: int, error: str
) -> None:
    """What nginx lets through and gunicorn does not read is told in JSON as well."""
    reply = server.request(path, "1,2,3,4", headers)

    assert reply.status == status
    assert reply.json()["error"].lower().endswith(error.lower())


def test_serve_refuses_a_body_over_the_limit(serve: Serve, trained: OptMl) -> None:
    """A body that is too large is 413, with the limit and the setting that raises it."""
    server = serve(trained, SAGEMAKER_MAX_PAYLOAD_IN_MB="1")
    server.await_ready()

    reply = server.invoke(b"1,2,3,4\n" * 200_000)

    assert reply.status == 413
    assert reply.json()["error"] == "PayloadTooLarge"
    assert "1048576 bytes" in reply.json()["message"]
    assert "SAGEMAKER_MAX_PAYLOAD_IN_MB" in reply.json()["message"]


def test_serve_refuses_a_ping_over_the_limit(serve: Serve, trained: OptMl) -> None:
    """What nginx refuses on /ping is told in JSON as well."""
    server = serve(trained, SAGEMAKER_MAX_PAYLOAD_IN_MB="1")
    server.await_ready()

    reply = server.request("/ping", b"1,2,3,4\n" * 200_000)

    assert reply.status == 413
    assert reply.json()["error"] == "PayloadTooLarge"


def test_serve_takes_a_body_of_any_size_without_a_limit(serve: Serve, trained: OptMl) -> None:
    """0 means no limit, as the platform says it."""
    server = serve(trained, SAGEMAKER_MAX_PAYLOAD_IN_MB="0")
    server.await_ready()

    reply = server.invoke(b"5.1,3.5,1.4,0.2\n" * 200_000)

    assert reply.status == 200
    assert reply.body == b"setosa\n" * 200_000


@pytest.mark.parametrize(
    ("spoil", "phrase"),
    [
        (shutil.rmtree, "model.json cannot be read"),
        (lambda model: (model / "model.onnx").unlink(), "model.onnx cannot be read"),
        (lambda model: (model / "model.onnx").write_bytes(b"no"), "checksum"),
        (lambda model: (model / "model.json").write_text("{"), "not the record of a model"),
    ],
)
def test_serve_says_on_ping_why_the_model_cannot_be_used(
    serve: Serve, trained: OptMl, tmp_path: Path, spoil: Callable[[Path], object], phrase: str
) -> None:
    """Without a usable model /ping and /invocations are 503, with the reason in JSON."""
    opt_ml = OptMl(tmp_path / "spoilt")
    shutil.copytree(trained.model, opt_ml.model)
    spoil(opt_ml.model)

    server = serve(opt_ml)

    def gives_the_reason() -> bool:
        return server.answers() and b"ModelNotReady" in server.request("/ping").body

    await_condition(gives_the_reason, "a ping with a reason")
    for reply in (server.request("/ping"), server.invoke("1,2,3,4")):
        assert reply.status == 503
        assert reply.json()["error"] == "ModelNotReady"
        assert phrase in reply.json()["message"]
    server.stop()


def test_serve_accepts_a_leftover_archive_beside_the_model(
    serve: Serve, trained: OptMl, tmp_path: Path
) -> None:
    """Local mode of the SDK leaves model.tar.gz beside the files; that does no harm."""
    opt_ml = OptMl(tmp_path / "archive")
    shutil.copytree(trained.model, opt_ml.model)
    (opt_ml.model / "model.tar.gz").write_bytes(b"\x1f\x8b")

    server = serve(opt_ml)

    server.await_ready()


def test_serve_logs_a_request_without_its_payload(server: Server) -> None:
    """A log line names method, path, status and sizes, and no value of the body or the answer."""
    server.invoke("5.1234567,3.5,1.4,0.2")
    server.invoke("5.1234567,secret,1.4,0.2")
    server.request("/ping")

    log = server.stop().log

    assert "POST /invocations 200, 21 bytes in, 7 out" in log
    assert "POST /invocations 400" in log
    assert not any(word in log for word in ("5.1234567", "secret", "setosa", "GET /ping"))
