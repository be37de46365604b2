"""The endpoint, asked through Flask's test client; ../payloads has bodies and their replies."""

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from werkzeug.test import TestResponse

from artifact import export
from container.settings import Paths, Settings
from material import ROOT, Rows
from predictor import create_app

PAYLOADS = ROOT / "tests/payloads"
ACCEPTED = sorted((PAYLOADS / "accepted").glob("*.csv"))
REJECTED = sorted((PAYLOADS / "rejected").glob("*.csv"))
ROW = b"5.1,3.5,1.4,0.2"


def app_of(base_dir: Path) -> Flask:
    """Return the app that serves what lies below `base_dir`."""
    return create_app(Settings(paths=Paths(base_dir), cores=1, workers=1))


def app_with(estimator: ClassifierMixin, iris: Rows, base_dir: Path) -> Flask:
    """Fit the estimator on the Iris table, export it, and return the app that serves it."""
    features = iris.features.astype(np.float32)
    (base_dir / "model").mkdir()
    export.save(estimator.fit(features, iris.labels), base_dir / "model", features, {})
    return app_of(base_dir)


@pytest.fixture(scope="module")
def oracle() -> DecisionTreeClassifier:
    """The tree that is served."""
    return DecisionTreeClassifier(random_state=0)


@pytest.fixture(scope="module")
def client(
    oracle: DecisionTreeClassifier, iris: Rows, tmp_path_factory: pytest.TempPathFactory
) -> FlaskClient:
    """A client of an endpoint with a model."""
    return app_with(oracle, iris, tmp_path_factory.mktemp("ml")).test_client()


@pytest.fixture
def client_without_model(tmp_path: Path) -> FlaskClient:
    """A client of an endpoint without a model."""
    return app_of(tmp_path).test_client()


def invoke(client: FlaskClient, body: bytes, content_type: str | None = "text/csv") -> TestResponse:
    """Ask for predictions."""
    return client.post("/invocations", data=body, content_type=content_type)


def assert_error(response: TestResponse, status: int, error: str, message: str) -> None:
    """Hold a reply against the one form that every error has."""
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert response.json == {"error": error, "message": message}
    assert response.data.endswith(b"}\n")


def test_corpus_is_complete() -> None:
    """Each body has its reply beside it, and nothing else lies there."""
    beside = {file.with_suffix(".expected") for file in ACCEPTED}
    beside |= {file.with_suffix(".json") for file in REJECTED}

    files = {file for kind in ("accepted", "rejected") for file in (PAYLOADS / kind).rglob("*")}
    assert len(ACCEPTED) >= 12
    assert len(REJECTED) >= 15
    assert files == {*ACCEPTED, *REJECTED, *beside}


@pytest.mark.parametrize("file", ACCEPTED, ids=lambda file: file.stem)
def test_payload_is_accepted(client: FlaskClient, file: Path) -> None:
    """The reply is one label a line, as the file beside the payload says."""
    response = invoke(client, file.read_bytes())

    assert response.status_code == 200, response.text
    assert response.content_type == "text/csv"
    assert response.text == file.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", REJECTED, ids=lambda file: file.stem)
def test_payload_is_rejected(client: FlaskClient, file: Path) -> None:
    """The reply is the error that the file beside the payload says, word for word."""
    expected = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))

    assert_error(invoke(client, file.read_bytes()), **expected)


@pytest.mark.parametrize(
    "body",
    [ROW + b"\r\n", ROW + b"\r", ROW, ROW + b"\r\n\r\n", b"\xef\xbb\xbf" + ROW + b"\n"],
    ids=["crlf", "cr", "none", "crlf_blank", "mark"],
)
def test_line_ending_does_not_matter(client: FlaskClient, body: bytes) -> None:
    """Windows, old Macs, and a last line without an end are read alike."""
    assert invoke(client, body).data == b"setosa\n"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (ROW + b"\r\n\r\n" + ROW + b"\r\n", "row 2 is blank"),
        (b"5.1,3.5,1.4,0.2\0", "row 1 is not valid CSV (a NUL byte, as UTF-16 has them)"),
        (b"\xff" + ROW, "row 1 has the byte 0xff, which is not UTF-8"),
    ],
    ids=["blank", "nul", "latin"],
)
def test_bytes_that_are_no_table_are_rejected(
    client: FlaskClient, body: bytes, problem: str
) -> None:
    """What git would not keep in a file is rejected too."""
    message = f"In the body, {problem}; send one row a line: 4 numbers with commas between, no "

    assert_error(invoke(client, body), 400, "MalformedPayload", message + "header, no label.")


def test_predictions_are_those_of_scikit_learn(
    client: FlaskClient, oracle: DecisionTreeClassifier, iris: Rows
) -> None:
    """Every row of the table gets the label that scikit-learn predicts, in order."""
    response = invoke(client, iris.request_csv().encode())

    assert response.text.splitlines() == oracle.predict(iris.features).tolist()


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("application/json", "The content type is 'application/json'; send text/csv."),
        ("text/csv; charset=latin-1", "The charset is 'latin-1'; send text/csv in UTF-8."),
    ],
)
def test_other_content_types_are_rejected(
    client: FlaskClient, content_type: str, message: str
) -> None:
    """The status is 415, the message says what to send."""
    assert_error(invoke(client, ROW, content_type), 415, "UnsupportedMediaType", message)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_ping_is_good_with_a_model(client: FlaskClient, method: str) -> None:
    """The platform takes status 200 for health; the body is empty."""
    response = client.open("/ping", method=method)

    assert response.status_code == 200
    assert response.data == b""


@pytest.mark.parametrize("path", ["/ping", "/invocations"])
def test_endpoint_without_a_model_says_why(
    client_without_model: FlaskClient, tmp_path: Path, path: str
) -> None:
    """Without a usable model each request has status 503 and the reason."""
    message = (
        f"The model cannot be used: {tmp_path}/model/model.json cannot be read (No such file or "
        "directory); the artifact is model.json and model.onnx, as `train` writes them."
    )

    assert_error(client_without_model.post(path, data=ROW), 503, "ModelNotReady", message)


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/", 404, "NotFound"),
        ("GET", "/ping/", 404, "NotFound"),
        ("GET", "/static/x", 404, "NotFound"),
        ("GET", "/invocations", 405, "MethodNotAllowed"),
        ("DELETE", "/ping", 405, "MethodNotAllowed"),
    ],
)
def test_errors_of_http_have_the_form_of_all_errors(
    client: FlaskClient, method: str, path: str, status: int, error: str
) -> None:
    """What Flask refuses by itself is JSON too."""
    response = client.open(path, method=method)

    assert response.json
    assert_error(response, status, error, response.json["message"])


def test_bug_is_told_to_the_log_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An exception that nobody expected gives a fixed text; its traceback is in the log."""
    app = app_of(tmp_path)
    app.add_url_rule("/bug", view_func=lambda: os.environ["SECRET"])

    response = app.test_client().get("/bug")

    message = "The request could not be answered; the reason is in the log."
    assert_error(response, 500, "InternalError", message)
    assert "KeyError: 'SECRET'" in caplog.text


def test_missing_cell_is_rejected_where_the_estimator_refuses_it(
    iris: Rows, tmp_path: Path
) -> None:
    """A model that cannot answer a row with a missing cell says which cell it is."""
    client = app_with(LogisticRegression(), iris, tmp_path).test_client()
    message = (
        "Row 2, column 3 is missing; this model was made by an estimator that accepts no missing "
        "values; send a number."
    )

    assert invoke(client, ROW).data == b"setosa\n"
    assert_error(invoke(client, ROW + b"\n1,2,,4\n"), 400, "MalformedPayload", message)


@pytest.mark.parametrize(
    ("body", "level", "line"),
    [
        (ROW, logging.INFO, "POST /invocations 200, 15 bytes in, 7 out, "),
        (b"5.1,x", logging.WARNING, "POST /invocations 400, 5 bytes in, "),
    ],
)
def test_request_is_one_line_of_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, body: bytes, level: int, line: str
) -> None:
    """Status, sizes and duration are logged, no value and no traceback."""
    caplog.set_level("INFO")

    invoke(client, body)

    (record,) = caplog.records
    assert record.levelno == level
    assert record.message.startswith(line)
    assert "5.1" not in caplog.text


def test_ping_is_logged_only_when_it_fails(
    client: FlaskClient, client_without_model: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The platform pings all the time; only bad news is worth a line."""
    caplog.set_level("INFO")
    caplog.clear()

    client.get("/ping")
    client_without_model.get("/ping")

    assert [record.message[:13] for record in caplog.records] == ["GET /ping 503"]
