"""Scoring service of a regression model, through Flask's test client."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from artifact import export
from support.apps import app_of
from support.material import as_csv


def rows_and_labels() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return 2,000 rows of 3 features, and labels that are not float32 numbers."""
    random = np.random.default_rng(0)
    features = random.normal(size=(2000, 3)).astype(np.float32)
    return features, features[:, 0] * 10 + random.normal(size=2000)


def client_of(estimator: Any, base_dir: Path, **settings: Any) -> FlaskClient:
    """Fit the estimator, export it, and return a client of the app that serves it."""
    features, labels = rows_and_labels()
    (base_dir / "model").mkdir()
    export.save(estimator.fit(features, labels), base_dir / "model", features, {})
    return app_of(base_dir, **settings).test_client()


def test_scores_are_those_of_scikit_learn(tmp_path: Path) -> None:
    """Each row gets one line with the score that scikit-learn predicts, to the last bit."""
    oracle = DecisionTreeRegressor(random_state=0)
    client = client_of(oracle, tmp_path)
    features = np.random.default_rng(1).normal(size=(20_000, 3)).astype(np.float32)
    body = as_csv(features.astype(np.float64))

    response = client.post("/invocations", data=body, content_type="text/csv")

    served = np.array(response.text.split("\n")[:-1], dtype=np.float64).astype(np.float32)
    assert response.status_code == 200, response.text
    assert response.content_type == "text/csv"
    assert served.tobytes() == oracle.predict(features).astype(np.float32).tobytes()


def test_score_of_a_row_with_missing_cells_is_that_of_scikit_learn(tmp_path: Path) -> None:
    """A missing cell goes to the side that the tree has learnt."""
    oracle = DecisionTreeRegressor(random_state=0)
    client = client_of(oracle, tmp_path)

    response = client.post("/invocations", data=b"0.5,,NA\n", content_type="text/csv")

    (expected,) = oracle.predict([[0.5, np.nan, np.nan]]).astype(np.float32)
    assert response.text == str(expected) + "\n"


def test_missing_cell_is_rejected_where_the_estimator_refuses_it(tmp_path: Path) -> None:
    """A linear model refuses a row with a missing cell, and the message names the cell."""
    client = client_of(LinearRegression(), tmp_path)

    response = client.post("/invocations", data=b"1,2,3\n1,,3\n", content_type="text/csv")

    assert response.status_code == 400
    assert response.text.startswith(
        '{"error": "MalformedPayload", "message": "Row 2, column 2 is missing; '
    )


@pytest.mark.parametrize("body", [b"1,2,3\n3e38,0,0\n", b"1,2,3\n" * 10_000 + b"-3e38,0,0\n"])
def test_score_beyond_float32_is_an_error(tmp_path: Path, body: bytes) -> None:
    """No response contains an infinite number, whether a thread computes it or not."""
    client = client_of(LinearRegression(), tmp_path)
    row, sign = (2, "") if len(body) < 100 else (10_001, "-")

    response = client.post("/invocations", data=body, content_type="text/csv")

    assert response.status_code == 500
    assert response.json == {
        "error": "InternalError",
        "message": f"The model returned the score {sign}inf for row {row}, which is not a finite "
        "number; check that row for values far from the training data.",
        "row": None,
        "column": None,
        "request_id": None,
    }


@pytest.mark.parametrize(
    ("headers", "reply"),
    [
        ({}, "2.5\n"),
        ({"Accept": "application/json"}, '{"predictions":[{"predicted_score":2.5}]}\n'),
    ],
)
def test_score_comes_in_the_form_that_is_asked_for(
    tmp_path: Path, headers: dict[str, str], reply: str
) -> None:
    """A bare number in CSV, by its name in JSON."""
    features, labels = np.zeros((2, 3), dtype=np.float32), np.array([2.0, 3.0])
    (tmp_path / "model").mkdir()
    leaf = DecisionTreeRegressor().fit(features, labels)
    export.save(leaf, tmp_path / "model", features, {})
    client = app_of(tmp_path).test_client()

    assert client.post("/invocations", data=b"1,2,3\n", headers=headers).text == reply


def test_probability_is_refused(tmp_path: Path) -> None:
    """A regression model has no outputs of classes; the message names its output."""
    client = client_of(DecisionTreeRegressor(), tmp_path)

    response = client.post(
        "/invocations", data=b"1,2,3\n", headers={"Accept": "text/csv;output=probability"}
    )

    assert response.status_code == 406
    assert response.text.startswith(
        '{"error": "NotAcceptable", "message": "The Accept header asks for the output '
        "'probability'; for regression there is predicted_score."
    )


def test_row_whose_score_would_not_be_finite_may_be_bad(tmp_path: Path) -> None:
    """A marked row has no score, so it is not checked."""
    client = client_of(LinearRegression(), tmp_path, bad_records="mark")

    response = client.post("/invocations", data=b"x,0,0\n0,0,0\n1,,3\n")

    first, second, third = response.text.splitlines()
    assert (first, third) == ("", "")
    assert float(second)
