"""Flask apps with a temporary /opt/ml, and requests to them."""

from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from sklearn.base import ClassifierMixin
from werkzeug.test import TestResponse

from artifact import export
from container.paths import Paths
from container.serving import app
from container.serving.scoreboard import Scoreboard
from container.settings import Settings
from predictor import ScoringService
from support.material import LabelledRows

ROW = b"5.1,3.5,1.4,0.2\n"


def create_app(settings: Settings) -> Flask:
    """Return the app that serves the model of `settings` with predictor.py, as wsgi.py does."""
    return app.create_app("predictor", settings, ScoringService.load)


def app_of(base_dir: Path, **settings: Any) -> Flask:
    """Return the app that serves the model below `base_dir`, as the only worker."""
    scoreboard = base_dir / "scoreboard"
    Scoreboard.create(scoreboard, 1).close()
    paths = Paths(base_dir)
    return create_app(Settings(paths, cores=1, workers=1, scoreboard=scoreboard, **settings))


def app_with(
    estimator: ClassifierMixin, iris: LabelledRows, base_dir: Path, **settings: Any
) -> Flask:
    """Fit the estimator on the Iris table, export it, and return the app that serves it."""
    features = iris.features.astype(np.float32)
    (base_dir / "model").mkdir()
    export.save(estimator.fit(features, iris.labels), base_dir / "model", features, {})
    return app_of(base_dir, **settings)


def invoke(client: FlaskClient, body: bytes, **headers: str) -> TestResponse:
    """Send a request for predictions."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", data=body, headers=named)


def assert_error(
    response: TestResponse,
    status: int,
    error: str,
    message: str,
    place: tuple[int | None, int | None] = (None, None),
) -> None:
    """Check that a response has the common format of errors."""
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert response.json == {
        "error": error,
        "message": message,
        "row": place[0],
        "column": place[1],
        "request_id": None,
    }
    assert response.data.endswith(b"}\n")
