"""Requests as people send them: each is answered correctly, or rejected with its message.

payloads/corpus.py describes the tables that hold them.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from werkzeug.test import TestResponse

from container.log import without_values
from container.paths import Paths
from container.serving.middleware import REQUEST_ID
from container.settings import Settings
from payloads import corpus, serving_models
from payloads.corpus import AcceptedRequest, Exchange, RejectedRequest
from payloads.replies import Cell, cell_of, rows_of
from support.apps import create_app
from support.material import OptMl
from support.processes import Server

OWN_WORDS = {"features", "numbers", "columns", "shape", "null", "true", "-Infinity"}

ACCEPTED = corpus.read(AcceptedRequest)
REJECTED = corpus.read(RejectedRequest)
EXCHANGES: list[AcceptedRequest | RejectedRequest] = [*ACCEPTED, *REJECTED]

SHOWN_CHARACTERS = 2048
"""Maximum number of characters of an error that the platform shows to the caller.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

VARIABLES = {
    "bad_records": "BAD_RECORDS",
    "outputs": "SAGEMAKER_INFERENCE_OUTPUT",
    "default_accept": "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
}

Client = Callable[[Exchange], FlaskClient]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Directories in place of /opt/ml, by the name of the model in them."""
    return serving_models.saved(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def client_for(models: Mapping[str, Path]) -> Client:
    """A client of the endpoint that an exchange asks, shared by exchanges with equal settings."""

    @cache
    def client(model: str, settings: tuple[tuple[str, Any], ...]) -> FlaskClient:
        given: dict[str, Any] = dict(settings)
        paths = Paths(models[model])
        return create_app(Settings(paths=paths, cores=1, workers=1, **given)).test_client()

    return lambda exchange: client(exchange.request.model, settings_of(exchange))


def settings_of(exchange: Exchange) -> tuple[tuple[str, Any], ...]:
    """Return the settings of an exchange, with lists as tuples, as in `Settings`."""
    given = exchange.request.settings.items()
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value) for name, value in given
    )


def sent(client_for: Client, exchange: Exchange, **headers: str) -> TestResponse:
    """Send a request to its endpoint."""
    return client_for(exchange).post(
        "/invocations", data=exchange.body, headers=exchange.request.headers | headers
    )


def predictions(exchange: AcceptedRequest) -> list[list[Cell] | None]:
    """Return scikit-learn's predictions for the rows of a request; None stands for a marked row."""
    good = [row for row in exchange.features if row is not None]
    cells = [[math.nan if cell is None else cell for cell in row] for row in good]
    estimator = serving_models.made(exchange.request.model).estimator
    columns = np.array(cells, dtype=np.float64).astype(np.float32)
    values = [values_of(estimator, columns, name) for name in exchange.outputs] if good else []
    answers = ([cell_of(cell) for cell in chain(*row)] for row in zip(*values, strict=True))
    return [None if row is None else next(answers) for row in exchange.features]


def values_of(estimator: Any, features: NDArray[np.float32], output: str) -> list[list[Any]]:
    """Return the values of one output for each row."""
    if output == "labels":
        return [estimator.classes_.tolist()] * len(features)
    if output in ("prediction", "predicted_label", "predicted_score"):
        return [[prediction] for prediction in estimator.predict(features).tolist()]
    shares = estimator.predict_proba(features)
    found = shares if output == "probabilities" else shares.max(axis=1, keepdims=True)
    rows: list[list[Any]] = found.tolist()
    return rows


@pytest.mark.parametrize("exchange", ACCEPTED, ids=attrgetter("name"))
def test_request_is_answered(client_for: Client, exchange: AcceptedRequest) -> None:
    """The reply is as expected, byte for byte, and has scikit-learn's predictions."""
    response = sent(client_for, exchange)

    assert response.status_code == 200, response.text
    assert response.data == exchange.reply
    assert response.content_type == exchange.reply_type
    assert rows_of(response.content_type, response.data) == predictions(exchange)


@pytest.mark.parametrize("exchange", REJECTED, ids=attrgetter("name"))
def test_request_is_rejected(client_for: Client, exchange: RejectedRequest) -> None:
    """The reply is the expected error, and short enough to be shown."""
    response = sent(client_for, exchange)

    reply = {"status": response.status_code, **(response.json or {})}
    assert reply == {**exchange.reply, "request_id": None}
    assert response.content_type == "application/json"
    assert response.data.endswith(b"}\n")
    assert len(response.text) <= SHOWN_CHARACTERS


@pytest.mark.parametrize("exchange", REJECTED, ids=attrgetter("name"))
def test_reason_in_the_log_has_no_value(exchange: RejectedRequest) -> None:
    """No word of the body is logged, except those of the messages themselves."""
    words = re.findall(r"[^\s,;:\[\]{}()\"']{4,}", exchange.body.decode(errors="replace"))

    reason = without_values(exchange.message)
    assert {word for word in words if word in reason} <= OWN_WORDS


def test_error_has_the_id_of_the_request(client_for: Client) -> None:
    """The id of a request is in its error, so that the caller can search the log for it."""
    response = sent(client_for, REJECTED[0], **{REQUEST_ID: "4f1c"})

    assert response.json
    assert response.json["request_id"] == "4f1c"


def group_of(exchange: Exchange) -> str:
    """Return the model and the settings of the server that an exchange needs."""
    settings = [f"{name}={value}" for name, value in exchange.request.settings.items()]
    return " ".join([exchange.request.model, *settings])


@pytest.mark.parametrize("group", sorted({group_of(found) for found in EXCHANGES}))
def test_server_answers_as_the_app(
    serve: Callable[..., Server], models: Mapping[str, Path], group: str
) -> None:
    """Nginx and gunicorn change neither requests nor replies."""
    asked = [found for found in EXCHANGES if group_of(found) == group]
    settings = {
        VARIABLES[name]: value if isinstance(value, str) else ",".join(value)
        for name, value in asked[0].request.settings.items()
    }
    # One log line a request would fill the pipe, which is read only after the server has exited.
    variables = {"MODEL_SERVER_WORKERS": "1", "MODEL_SERVER_LOG_LEVEL": "ERROR", **settings}
    server = serve(OptMl(models[asked[0].request.model]), **variables)
    server.await_ready()

    for exchange in asked:
        reply = server.request("/invocations", exchange.body, exchange.request.headers)

        if isinstance(exchange, AcceptedRequest):
            assert (reply.status, reply.body) == (200, exchange.reply), exchange.name
            assert reply.content_type == exchange.reply_type
        else:
            error = {"status": reply.status, **reply.json()}
            assert error.pop("request_id")
            assert error == exchange.reply, exchange.name
