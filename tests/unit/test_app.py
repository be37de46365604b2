"""Routes of the app in addition to predictions, and the log line of each request."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from flask.testing import FlaskClient
from sklearn.tree import DecisionTreeClassifier

from container.errors import ServerBusy
from container.log import FIELDS
from container.payloads.types import Answer, Invocation
from container.serving.app import create_app
from container.settings import Settings
from support.apps import ROW, app_of, app_with, assert_error, invoke
from support.material import LabelledRows

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
IDS = {ATTRIBUTES: "trace=7", INFERENCE_ID: "id 1", "X-Request-Id": "r-1"}


@pytest.fixture
def client(iris: LabelledRows, tmp_path: Path) -> FlaskClient:
    """Return a client of an app with a model and no requests so far."""
    return app_with(DecisionTreeClassifier(random_state=0), iris, tmp_path).test_client()


@pytest.fixture
def client_without_model(tmp_path: Path) -> FlaskClient:
    """Return a client of an app without a model."""
    (tmp_path / "empty").mkdir()
    return app_of(tmp_path / "empty").test_client()


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the fields of the only line about a request."""
    (record,) = (record for record in caplog.records if record.message == "request")
    found: dict[str, Any] = vars(record)[FIELDS]
    return found


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_ping_is_200_with_a_model(client: FlaskClient, method: str) -> None:
    """Status 200 means healthy; the body is empty."""
    response = client.open("/ping", method=method)

    assert (response.status_code, response.data) == (200, b"")
    assert response.content_type == "text/plain"


def test_app_names_the_exception_of_a_failed_load(caplog: pytest.LogCaptureFixture) -> None:
    """The reason is in the response without the text of the exception, which is in the log."""

    def load(_: Settings) -> NoReturn:
        raise KeyError("private")

    client = create_app("app", Settings.from_environ({}), load).test_client()

    assert_error(
        client.get("/ping"),
        *(503, "ModelNotReady", "predictor.py raised KeyError; its traceback is in the log."),
    )
    assert "KeyError: 'private'" in caplog.text


@pytest.mark.parametrize("path", ["/ping", "/invocations"])
def test_app_without_a_model_returns_the_reason(
    client_without_model: FlaskClient, tmp_path: Path, path: str
) -> None:
    """Without a usable model each request has status 503 and the reason."""
    message = (
        f"The model cannot be used: {tmp_path}/empty/model/model.json cannot be read (No such file "
        "or directory); the artifact is all that `train` writes."
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
        ("POST", "/metrics", 405, "MethodNotAllowed"),
        ("POST", "/execution-parameters", 405, "MethodNotAllowed"),
    ],
)
def test_errors_of_http_have_the_format_of_all_errors(
    client: FlaskClient, method: str, path: str, status: int, error: str
) -> None:
    """A refusal by Flask is JSON as well."""
    response = client.open(path, method=method)

    assert response.json
    assert_error(response, status, error, response.json["message"])


def test_traceback_of_a_bug_is_only_in_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The response to an unexpected exception is a fixed text."""
    client.application.add_url_rule("/bug", view_func=lambda: os.environ["SECRET"])

    response = client.get("/bug", headers={INFERENCE_ID: "id 1"})

    message = "The request could not be answered; the reason is in the log."
    assert_error(response, 500, "InternalError", message)
    assert "KeyError: 'SECRET'" in caplog.text
    assert vars(caplog.records[0])[FIELDS] == {"inference_id": "id 1"}


def test_busy_server_asks_for_a_retry(client: FlaskClient) -> None:
    """The platform and its SDKs retry after a 503."""

    def refuse() -> NoReturn:
        raise ServerBusy("2 large requests are already queued; retry later or send fewer at once.")

    client.application.add_url_rule("/busy", view_func=refuse)

    response = client.get("/busy")

    message = "2 large requests are already queued; retry later or send fewer at once."
    assert_error(response, 503, "ServerBusy", message)
    assert response.headers["Retry-After"] == "1"


def test_execution_parameters_are_those_of_the_settings(tmp_path: Path) -> None:
    """Batch transform asks for them first; BatchStrategy is left to the platform."""
    app = app_of(tmp_path, max_concurrent_transforms=3, mini_batch_megabytes=7)

    response = app.test_client().get("/execution-parameters")

    assert response.content_type == "application/json"
    assert response.json == {"MaxConcurrentTransforms": 3, "MaxPayloadInMB": 7}


def test_metrics_count_answered_requests(client: FlaskClient) -> None:
    """Rows, bytes and statuses of every request except successful pings are counted."""
    for body in (ROW, ROW * 3, b"x"):
        invoke(client, body)
    client.get("/ping")

    response = client.get("/metrics")

    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert set(response.text.splitlines()) >= {
        'model_server_requests_total{status="2xx"} 2.0',
        'model_server_requests_total{status="4xx"} 1.0',
        'model_server_requests_total{status="5xx"} 0.0',
        "model_server_rows_total 4.0",
        f"model_server_request_bytes_total {4.0 * len(ROW) + 1}",
        "model_server_request_duration_seconds_count 3.0",
    }


class Scraper:
    """A service that reads /metrics while it answers; a body of b"fault" fails afterwards."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.scrape: Callable[[], str] = str

    def answer(self, invocation: Invocation) -> Answer:
        """Answer with an empty body."""
        self.texts.append(self.scrape())
        if invocation.body == b"fault":
            raise ZeroDivisionError
        return Answer(b"", "text/csv", 0)


@pytest.mark.parametrize("body", [b"row", b"fault"])
def test_metrics_have_the_requests_in_progress(body: bytes) -> None:
    """An invocation is in progress until it is answered or has failed."""
    service = Scraper()
    client = create_app("app", Settings.from_environ({}), lambda _: service).test_client()
    service.scrape = lambda: client.get("/metrics").text

    invoke(client, body)
    service.texts.append(service.scrape())

    found = [
        re.findall(r"^model_server_requests_in_progress (.*)$", text, re.MULTILINE)
        for text in service.texts
    ]
    assert found == [["1.0"], ["0.0"]]


@pytest.mark.parametrize("body", [ROW, b"x"])
def test_ids_are_echoed_and_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    """Headers of the client come back, with an error as well, and are logged."""
    caplog.set_level("INFO")

    response = client.post("/invocations", data=body, headers=IDS)

    echoed = {name: response.headers.get(name) for name in (ATTRIBUTES, INFERENCE_ID)}
    logged = fields(caplog)
    assert echoed == {ATTRIBUTES: "trace=7", INFERENCE_ID: "id 1"}
    assert (logged["inference_id"], logged["custom_attributes"]) == ("id 1", "trace=7")
    assert logged["request_id"] == "r-1"
    assert response.status_code == 200 or b'"request_id": "r-1"' in response.data


@pytest.mark.parametrize(
    ("body", "level", "expected"),
    [
        (ROW * 2, logging.INFO, {"status": 200, "rows": 2, "bytes_in": 32, "bytes_out": 14}),
        (b"5.1,x", logging.WARNING, {"status": 400, "rows": 0, "bytes_in": 5}),
    ],
)
def test_request_is_one_line_of_the_log(
    client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    level: int,
    expected: dict[str, object],
) -> None:
    """Status, sizes and duration are logged, but no value and no traceback."""
    caplog.set_level("INFO")
    caplog.clear()

    invoke(client, body)

    (record,) = caplog.records
    logged = fields(caplog)
    assert record.levelno == level
    assert not record.exc_info
    assert (logged["method"], logged["path"]) == ("POST", "/invocations")
    assert logged.pop("milliseconds") > 0
    assert expected.items() <= logged.items()
    assert "5.1" not in f"{record.getMessage()} {logged}"


def test_line_of_a_refused_request_has_the_reason_without_values(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Error, reason, row and column are logged, but no text of the request."""
    caplog.set_level("INFO")
    caplog.clear()

    invoke(client, b"5.1,3.5,1.4,0.2\n5.1,secret's,1.4,0.2\n")

    logged = fields(caplog)
    assert (logged["error"], logged["row"], logged["column"]) == ("MalformedPayload", 2, 2)
    assert logged["reason"].startswith("In the body, row 2, column 2 is ..., not a number; send ")


def test_line_of_an_answered_request_has_no_reason(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The fields of a refusal are absent, also after a refused request."""
    caplog.set_level("INFO")
    invoke(client, b"x")
    caplog.clear()

    invoke(client, ROW)

    assert not {"error", "reason", "row", "column"} & fields(caplog).keys()


def test_ping_is_logged_only_when_it_fails(
    client: FlaskClient, client_without_model: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The platform pings every few seconds; only failures are logged."""
    caplog.set_level("INFO")
    caplog.clear()

    client.get("/ping")
    client_without_model.get("/ping")

    assert (fields(caplog)["path"], fields(caplog)["status"]) == ("/ping", 503)


@pytest.mark.parametrize("n_bytes", [100, 100_000])
def test_truncated_body_is_not_answered(client: FlaskClient, n_bytes: int) -> None:
    """Otherwise a part of the rows would be answered like all of them."""
    cut = client.post("/invocations", data=ROW, environ_overrides={"CONTENT_LENGTH": str(n_bytes)})

    assert cut.status_code == 400


def test_loading_is_logged(
    iris: LabelledRows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker logs once that it has the model, or why not."""
    caplog.set_level("INFO", logger="container.serving.app")
    for name in ("good", "empty"):
        (tmp_path / name).mkdir()

    app_with(DecisionTreeClassifier(random_state=0), iris, tmp_path / "good")
    app_of(tmp_path / "empty")

    loaded, failed = (record for record in caplog.records if record.name == "container.serving.app")
    assert loaded.message == f"worker is ready with the model in {tmp_path}/good/model"
    assert failed.levelno == logging.ERROR
    assert failed.message.startswith("The model cannot be used: ")
