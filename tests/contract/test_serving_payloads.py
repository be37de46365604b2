"""Requests as people send them: each is answered right, or refused with its message.

payloads/exchanges.py says how they lie below payloads/serving/accepted and .../rejected.
"""

import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from werkzeug.test import TestResponse

from container.access import REQUEST_ID
from container.settings import Paths, Settings
from material import OptMl
from payloads import make_serving_payloads, serving_models
from payloads.exchanges import DIRECTORY, KEYS, Exchange, exchanges
from payloads.replies import Cell, cell_of, rows_of
from predictor import create_app
from processes import Server

ACCEPTED = exchanges("accepted")
REJECTED = exchanges("rejected")
BINARY = make_serving_payloads.payloads()

SHOWN_CHARACTERS = 2048
"""So many characters of an error the platform shows to the caller.

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
    """What stands for /opt/ml, by the name of the model in it."""
    return serving_models.saved(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def client_for(models: Mapping[str, Path]) -> Client:
    """A client of the endpoint that an exchange asks; one that is alike is used again."""

    @cache
    def client(model: str, settings: tuple[tuple[str, Any], ...]) -> FlaskClient:
        given: dict[str, Any] = dict(settings)
        paths = Paths(models[model])
        return create_app(Settings(paths=paths, cores=1, workers=1, **given)).test_client()

    return lambda exchange: client(exchange.model, tuple(exchange.settings.items()))


def sent(client_for: Client, exchange: Exchange, **headers: str) -> TestResponse:
    """Send a request to the endpoint that it asks."""
    return client_for(exchange).post(
        "/invocations", data=exchange.body, headers=exchange.headers | headers
    )


def name_of(exchange: Exchange) -> str:
    """Return what pytest calls an exchange."""
    return exchange.directory.name


def predictions(exchange: Exchange) -> list[list[Cell] | None]:
    """Return what scikit-learn answers to the rows of a request, None for a row that is marked."""
    good = [row for row in exchange.features if row is not None]
    cells = [[math.nan if cell is None else cell for cell in row] for row in good]
    estimator = serving_models.made(exchange.model).estimator
    outputs = exchange.request.get("outputs", ["prediction"])
    columns = np.array(cells, dtype=np.float64).astype(np.float32)
    told = [told_of(estimator, columns, name) for name in outputs] if good else []
    answers = ([cell_of(cell) for cell in chain(*row)] for row in zip(*told, strict=True))
    return [None if row is None else next(answers) for row in exchange.features]


def told_of(estimator: Any, features: NDArray[np.float32], output: str) -> list[list[Any]]:
    """Return for each row the values of one output."""
    if output == "labels":
        return [estimator.classes_.tolist()] * len(features)
    if output in ("prediction", "predicted_label", "predicted_score"):
        return [[prediction] for prediction in estimator.predict(features).tolist()]
    shares = estimator.predict_proba(features)
    found = shares if output == "probabilities" else shares.max(axis=1, keepdims=True)
    rows: list[list[Any]] = found.tolist()
    return rows


@pytest.mark.parametrize("exchange", ACCEPTED, ids=name_of)
def test_request_is_answered(client_for: Client, exchange: Exchange) -> None:
    """The reply is the expected one to the byte, and says what scikit-learn says of the rows."""
    response = sent(client_for, exchange)

    assert response.status_code == 200, response.text
    assert response.data == exchange.reply
    assert response.content_type == exchange.request["reply_content_type"]
    assert rows_of(response.content_type, response.data) == predictions(exchange)


@pytest.mark.parametrize("exchange", REJECTED, ids=name_of)
def test_request_is_refused(client_for: Client, exchange: Exchange) -> None:
    """The reply is the expected error word for word, and short enough to be shown."""
    response = sent(client_for, exchange)

    told = {"status": response.status_code, **(response.json or {})}
    assert told == {**json.loads(exchange.reply), "request_id": None}
    assert response.content_type == "application/json"
    assert response.data.endswith(b"}\n")
    assert len(response.text) <= SHOWN_CHARACTERS


def test_refusal_names_the_request(client_for: Client) -> None:
    """The id that came with a request is in the error, so that the log can be searched for it."""
    response = sent(client_for, REJECTED[0], **{REQUEST_ID: "4f1c"})

    assert response.json
    assert response.json["request_id"] == "4f1c"


def group_of(exchange: Exchange) -> str:
    """Return which server an exchange needs: the model, and settings other than the default."""
    settings = [f"{name}={value}" for name, value in exchange.request.get("settings", {}).items()]
    return " ".join([exchange.model, *settings])


@pytest.mark.parametrize("group", sorted({group_of(found) for found in ACCEPTED + REJECTED}))
def test_server_answers_as_the_app(
    serve: Callable[..., Server], models: Mapping[str, Path], group: str
) -> None:
    """Nginx and gunicorn hand through what is asked and what is replied."""
    asked = [found for found in ACCEPTED + REJECTED if group_of(found) == group]
    settings = {
        VARIABLES[name]: value if isinstance(value, str) else ",".join(value)
        for name, value in asked[0].settings.items()
    }
    # A line a request would fill the pipe that nobody reads before the server has ended.
    variables = {"MODEL_SERVER_WORKERS": "1", "MODEL_SERVER_LOG_LEVEL": "ERROR", **settings}
    server = serve(OptMl(models[asked[0].model]), **variables)
    server.await_ready()

    for exchange in asked:
        reply = server.request("/invocations", exchange.body, exchange.headers)

        if exchange in ACCEPTED:
            assert (reply.status, reply.body) == (200, exchange.reply), exchange
            assert reply.content_type == exchange.request["reply_content_type"]
        else:
            told = {"status": reply.status, **reply.json()}
            assert told.pop("request_id")
            assert told == json.loads(exchange.reply), exchange


def test_there_are_many_exchanges() -> None:
    """What people send is varied."""
    assert len(ACCEPTED) >= 80
    assert len(REJECTED) >= 80


@pytest.mark.parametrize("exchange", ACCEPTED + REJECTED, ids=name_of)
def test_exchange_is_complete(exchange: Exchange) -> None:
    """An exchange has all its files, and nothing that no test looks at."""
    is_accepted = exchange in ACCEPTED
    files = {file.stem for file in exchange.directory.iterdir()}

    assert files == {"request", "body", "reply"} | ({"features"} if is_accepted else set())
    assert exchange.request.keys() <= KEYS
    assert ("reply_content_type" in exchange.request) == is_accepted


@pytest.mark.parametrize("path", sorted(BINARY))
def test_binary_file_is_as_it_is_made(path: str) -> None:
    """What is in the repository is what make_serving_payloads.py writes."""
    found, made = (DIRECTORY / path).read_bytes(), BINARY[path]

    if made.startswith(b"PAR1"):
        assert content_of(found) == content_of(made)
    else:
        assert found == made


def content_of(file: bytes) -> object:
    """Return a Parquet file's table, for its bytes tell the version of pyarrow."""
    try:
        read = pq.read_table(pa.BufferReader(file))
    except pa.ArrowException as error:
        return type(error)
    return read.schema, repr(read.to_pylist())  # NaN is not equal to itself
