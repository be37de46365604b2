"""The endpoint of a regression model, asked through Flask's test client."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from artifact import export
from container.settings import Paths, Settings
from material import as_csv
from predictor import create_app


def rows_and_labels() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return 2,000 rows of 3 features, and labels that no float32 is equal to."""
    random = np.random.default_rng(0)
    features = random.normal(size=(2000, 3)).astype(np.float32)
    return features, features[:, 0] * 10 + random.normal(size=2000)


def client_of(estimator: Any, base_dir: Path) -> FlaskClient:
    """Fit the estimator, export it, and return a client of the app that serves it."""
    features, labels = rows_and_labels()
    (base_dir / "model").mkdir()
    export.save(estimator.fit(features, labels), base_dir / "model", features, {})
    return create_app(Settings(paths=Paths(base_dir), cores=1, workers=1)).test_client()


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
    """A missing cell goes the way that the tree gives it."""
    oracle = DecisionTreeRegressor(random_state=0)
    client = client_of(oracle, tmp_path)

    response = client.post("/invocations", data=b"0.5,,NA\n", content_type="text/csv")

    (expected,) = oracle.predict([[0.5, np.nan, np.nan]]).astype(np.float32)
    assert response.text == str(expected) + "\n"


def test_missing_cell_is_rejected_where_the_estimator_refuses_it(tmp_path: Path) -> None:
    """A linear model answers no row with a missing cell, and says which cell it is."""
    client = client_of(LinearRegression(), tmp_path)

    response = client.post("/invocations", data=b"1,2,3\n1,,3\n", content_type="text/csv")

    assert response.status_code == 400
    assert response.text.startswith(
        '{"error": "MalformedPayload", "message": "Row 2, column 2 is missing; '
    )


@pytest.mark.parametrize("body", [b"1,2,3\n3e38,0,0\n", b"1,2,3\n" * 10_000 + b"-3e38,0,0\n"])
def test_score_beyond_float32_is_an_error(tmp_path: Path, body: bytes) -> None:
    """No reply holds an infinite number, whether it is made in a thread or not."""
    client = client_of(LinearRegression(), tmp_path)
    row, sign = (2, "") if len(body) < 100 else (10_001, "-")

    response = client.post("/invocations", data=body, content_type="text/csv")

    assert response.status_code == 500
    assert response.json == {
        "error": "InternalError",
        "message": f"The model gives row {row} the score {sign}inf, which is no finite number; "
        "look for values in the row that are far from those of the training data.",
    }
