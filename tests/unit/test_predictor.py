"""Scoring service of a classifier, through Flask's test client."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from container.formats.media_types import REPLIES
from container.serving.middleware import ATTRIBUTES
from support.apps import ROW, app_with, assert_error, invoke
from support.material import LabelledRows

REMEDY = "send one row a line: 4 numbers with commas between, no header, no label."


@pytest.fixture(scope="module")
def oracle() -> DecisionTreeClassifier:
    """The tree that is served."""
    return DecisionTreeClassifier(random_state=0)


@pytest.fixture(scope="module")
def client(
    oracle: DecisionTreeClassifier, iris: LabelledRows, tmp_path_factory: pytest.TempPathFactory
) -> FlaskClient:
    """A client of an endpoint with a model."""
    return app_with(oracle, iris, tmp_path_factory.mktemp("ml")).test_client()


def test_predictions_are_those_of_scikit_learn(
    client: FlaskClient, oracle: DecisionTreeClassifier, iris: LabelledRows
) -> None:
    """Every row of the table gets the label that scikit-learn predicts, in order."""
    response = invoke(client, iris.request_csv().encode())

    assert response.content_type == "text/csv"
    assert response.text.splitlines() == oracle.predict(iris.features).tolist()


@pytest.mark.parametrize("media_type", REPLIES)
def test_reply_names_its_media_type_without_parameters(
    client: FlaskClient, media_type: str
) -> None:
    """Data capture compares the content type to the letter."""
    response = invoke(client, ROW, Accept=f"{media_type}; charset=utf-8; verbose=true")

    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == media_type


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}', "application/json"),
        (b'{"features": [5.1, 3.5, 1.4, 0.2]}\n', "application/jsonlines"),
        (b"1:5.1 2:3.5 3:1.4 4:0.2\n", "text/libsvm"),
        (ROW, "Text/CSV; charset=utf-8"),
    ],
)
def test_body_is_read_as_its_content_type_says(
    client: FlaskClient, body: bytes, content_type: str
) -> None:
    """The same row has the same answer in each format."""
    response = invoke(client, body, Content_Type=content_type)

    assert (response.status_code, response.text) == (200, "setosa\n")


@pytest.mark.parametrize(
    ("headers", "reply"),
    [
        ({"Accept": "text/csv;output=predicted_label+probability"}, "setosa,1.0\n"),
        ({ATTRIBUTES: "trace=7;output=probabilities"}, "1.0,0.0,0.0\n"),
        ({"Accept": "application/jsonlines"}, '{"predicted_label":"setosa"}\n'),
    ],
)
def test_reply_has_the_form_that_is_asked_for(
    client: FlaskClient, headers: dict[str, str], reply: str
) -> None:
    """Media type and outputs come from the headers."""
    assert invoke(client, ROW, **headers).text == reply


def test_reply_has_the_form_of_the_settings_where_none_is_asked_for(
    oracle: DecisionTreeClassifier, iris: LabelledRows, tmp_path: Path
) -> None:
    """The default form is a setting, and a request may still ask for another."""
    settings = {"default_accept": "application/json", "outputs": ("probability",)}
    client = app_with(oracle, iris, tmp_path, **settings).test_client()

    assert invoke(client, ROW).json == {"predictions": [{"probability": 1.0}]}
    assert invoke(client, ROW, Accept="text/csv;output=predicted_label").data == b"setosa\n"


@pytest.mark.parametrize(
    "settings",
    [
        {"outputs": ("predicted_score",)},
        {"outputs": ("predicted_label", "probability"), "default_accept": "application/x-npy"},
    ],
    ids=["task", "form"],
)
def test_settings_that_do_not_fit_the_model_are_told_of(
    oracle: DecisionTreeClassifier, iris: LabelledRows, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """An endpoint whose default response cannot be written does not start."""
    client = app_with(oracle, iris, tmp_path, **settings).test_client()

    reply = client.get("/ping")
    assert reply.status_code == 503
    assert reply.json
    assert "SAGEMAKER_INFERENCE_OUTPUT" in reply.json["message"]


@pytest.mark.parametrize("media_type", ["text/csv", "application/jsonlines"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
@pytest.mark.parametrize("n_rows", [1, 3, 5000])
def test_reply_has_as_many_lines_as_the_body(
    client: FlaskClient, media_type: str, end: bytes, n_rows: int
) -> None:
    """Batch transform joins lines: each row has one, the last ends in a newline too."""
    body = b"\n".join([ROW.strip()] * n_rows) + end

    reply = invoke(client, body, Accept=media_type).data

    assert reply.count(b"\n") == n_rows
    assert reply.endswith(b"\n")


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        (
            "image/png",
            (
                "The content type is 'image/png'; send text/csv, application/json, "
                "application/jsonlines, application/x-npy, text/libsvm, "
                "application/x-recordio-protobuf or application/vnd.apache.parquet."
            ),
        ),
        ("text/csv; charset=latin-1", "The charset is 'latin-1'; send text/csv in UTF-8."),
    ],
)
def test_other_content_types_are_rejected(
    client: FlaskClient, content_type: str, message: str
) -> None:
    """The status is 415, the message says what to send."""
    response = invoke(client, ROW, Content_Type=content_type)

    assert_error(response, 415, "UnsupportedMediaType", message)


def test_form_that_cannot_be_given_is_rejected(client: FlaskClient) -> None:
    """The status is 406, the message says what to ask for; the body is not even looked at."""
    message = (
        "The Accept header is 'image/png'; ask for text/csv, application/json, "
        "application/jsonlines, application/x-npy or application/x-recordio-protobuf."
    )

    assert_error(invoke(client, b"x", Accept="image/png"), 406, "NotAcceptable", message)


@pytest.mark.parametrize(
    ("body", "problem", "place"),
    [
        (b"", "there is no row", (None, None)),
        (ROW + b"1,2,3\n", "row 2 has 3 cells", (2, None)),
        (b"1,2,x,4\n", "row 1, column 3 is 'x', not a number", (1, 3)),
        (ROW * 5000 + b"1,2,3\n", "row 5001 has 3 cells", (5001, None)),
    ],
    ids=["empty", "cells", "text", "large"],
)
def test_bad_body_is_rejected_with_the_place(
    client: FlaskClient, body: bytes, problem: str, place: tuple[int | None, int | None]
) -> None:
    """The status is 400; row and column stand in fields of their own as well."""
    message = f"In the body, {problem}; {REMEDY}"

    assert_error(invoke(client, body), 400, "MalformedPayload", message, place)


def test_bad_records_are_marked_where_the_settings_say_so(
    oracle: DecisionTreeClassifier, iris: LabelledRows, tmp_path: Path
) -> None:
    """Each row keeps its line; that of a bad one is empty, or null."""
    client = app_with(oracle, iris, tmp_path, bad_records="mark").test_client()
    body = b"x,1,2,3\n" + ROW + b"1,2\n"
    as_json = json.loads(invoke(client, body, Accept="application/json").data)

    assert invoke(client, body).data == b"\nsetosa\n\n"
    assert as_json == {"predictions": [None, {"predicted_label": "setosa"}, None]}


@pytest.mark.parametrize(
    ("body", "row", "column"), [(b"1,2,,4\n", 1, 3), (ROW + b"1,,,4\n,2,3,4\n", 2, 2)]
)
def test_missing_cell_is_rejected_where_the_estimator_refuses_it(
    iris: LabelledRows, tmp_path: Path, body: bytes, row: int, column: int
) -> None:
    """The message names the first missing cell."""
    client = app_with(LogisticRegression(), iris, tmp_path).test_client()
    message = (
        f"Row {row}, column {column} is missing; the estimator of this model does not accept "
        "missing values; send a number."
    )

    assert invoke(client, ROW).data == b"setosa\n"
    assert_error(invoke(client, body), 400, "MalformedPayload", message, (row, column))


def test_row_with_a_missing_cell_is_marked_where_the_estimator_refuses_it(
    iris: LabelledRows, tmp_path: Path
) -> None:
    """It is marked like any other bad row."""
    client = app_with(LogisticRegression(), iris, tmp_path, bad_records="mark").test_client()

    assert invoke(client, b"1,2,,4\n" + ROW + b"x,1,2,3\n").data == b"\nsetosa\n\n"
