"""The classic scoring service: pandas reads the body, the estimator predicts, pandas writes."""

import io
import os
import pickle
from pathlib import Path
from typing import Any, ClassVar

import flask
import pandas as pd

MODEL = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model/decision-tree-model.pkl"


class ScoringService:
    """The model, which the first request loads."""

    model: ClassVar[Any] = None

    @classmethod
    def get_model(cls) -> Any:
        """Return the estimator; read it unless that has been done."""
        if cls.model is None:
            with MODEL.open("rb") as file:
                cls.model = pickle.load(file)  # noqa: S301 - the classic stack does so
        return cls.model

    @classmethod
    def predict(cls, features: pd.DataFrame) -> Any:
        """Return the label of each row."""
        return cls.get_model().predict(features)


app = flask.Flask(__name__)


@app.get("/ping")
def ping() -> flask.Response:
    """Answer 200 when the model can be loaded."""
    status = 200 if ScoringService.get_model() is not None else 404
    return flask.Response(response="\n", status=status, mimetype="application/json")


@app.post("/invocations")
def transformation() -> flask.Response:
    """Answer rows of CSV with a label each, and refuse everything else."""
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
