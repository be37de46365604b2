"""Classic scoring service: pandas parses the body and writes the response."""

import io
import os
import pickle
from pathlib import Path
from typing import Any, ClassVar

import flask
import pandas as pd

MODEL = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model/decision-tree-model.pkl"


class ScoringService:
    """Model of the worker; the first request loads it."""

    model: ClassVar[Any] = None

    @classmethod
    def get_model(cls) -> Any:
        """Return the estimator; the first call reads it from the file."""
        if cls.model is None:
            with MODEL.open("rb") as file:
                cls.model = pickle.load(file)  # noqa: S301 - the classic stack does so
        return cls.model

    @classmethod
    def predict(cls, features: pd.DataFrame) -> Any:
        """Return the predicted label of each row."""
        return cls.get_model().predict(features)


app = flask.Flask(__name__)


@app.get("/ping")
def ping() -> flask.Response:
    """Return 200 if the model can be loaded."""
    status = 200 if ScoringService.get_model() is not None else 404
    return flask.Response(response="\n", status=status, mimetype="application/json")


@app.post("/invocations")
def transformation() -> flask.Response:
    """Return one label for each row of CSV; reject all other media types."""
    if flask.request.content_type != "text/csv":
        return flask.Response(
            response="This predictor only supports CSV data", status=415, mimetype="text/plain"
        )
    body = io.StringIO(flask.request.data.decode("utf-8"))
    features = pd.read_csv(body, header=None)
    predictions = ScoringService.predict(features)
    reply = io.StringIO()
    pd.DataFrame({"results": predictions}).to_csv(reply, header=False, index=False)
    return flask.Response(response=reply.getvalue(), status=200, mimetype="text/csv")
