"""Metadata of an artifact, stored in model.json, and the names of its files."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

RECORD_FILE = "model.json"
ONNX_FILE = "model.onnx"
TREE_FILE = "tree.npy"
FORMAT_VERSION = 1

CLASSIFICATION = "classification"
REGRESSION = "regression"


class ArtifactError(Exception):
    """An artifact cannot be used; the message has the problem and the remedy."""

    exit_code = os.EX_DATAERR
    """Exit code of a training job: its owner can choose another estimator."""


@dataclass(frozen=True)
class LabelProbe:
    """A few rows with the predictions of a classifier at the time of training."""

    features: list[list[float | None]]
    """Rows, None for a missing cell."""

    labels: list[int]
    """Index of the label of each row."""

    probabilities: list[list[float]]
    """Probability of every label for each row, float32."""


@dataclass(frozen=True)
class ScoreProbe:
    """A few rows with the predictions of a regressor at the time of training."""

    features: list[list[float | None]]
    """Rows, None for a missing cell."""

    scores: list[float]
    """Score of each row: the shortest decimal that parses to the same float32."""


_PROBES = {CLASSIFICATION: LabelProbe, REGRESSION: ScoreProbe}


@dataclass(frozen=True)
class Metadata:
    """Everything that serving needs in addition to the ONNX graph, and its origin.

    Raises:
        ArtifactError: the number of feature names is not the number of features.
    """

    task: str
    """CLASSIFICATION or REGRESSION."""

    n_features: int
    feature_names: list[str] | None
    """In the order of the features; None if the training data has no names."""

    libsvm_base: int
    """Index of the first feature in libsvm rows, 0 or 1."""

    accepts_missing: bool
    """Whether the estimator predicts rows with missing cells."""

    labels: list[Any]
    """In the order of the probabilities: all int, all float or all str; none for regression."""

    sha256: str
    """Checksum of model.onnx, in hexadecimal."""

    probe: LabelProbe | ScoreProbe
    versions: Mapping[str, str]
    training: Mapping[str, Any]
    """Hyperparameters, data and metrics of the job."""

    tree_sha256: str | None = None
    """Checksum of tree.npy, in hexadecimal; None if the model is not a single tree."""

    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.feature_names is not None and len(self.feature_names) != self.n_features:
            raise ArtifactError(
                f"there are {len(self.feature_names)} feature names for {self.n_features} "
                "features; name each feature, or none"
            )

    def to_json(self) -> str:
        """Return the text of model.json."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def from_json(text: str) -> Metadata:
    """Parse the text of model.json; raise ArtifactError if it is not of this version."""
    try:
        values = json.loads(text)
        version = values["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{RECORD_FILE} is not the record of a model ({error!r}); train again"
        ) from error
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"{RECORD_FILE} has format version {version!r}, this program reads "
            f"{FORMAT_VERSION}; serve it with the image that trained it, or train again"
        )
    return _record(values)


def _record(values: dict[str, Any]) -> Metadata:
    task = values.get("task", CLASSIFICATION)  # its absence is reported below
    if task not in tuple(_PROBES):
        raise ArtifactError(
            f"{RECORD_FILE} has the task {task!r}, this program knows {' and '.join(_PROBES)}; "
            "serve it with the image that trained it, or train again"
        )
    try:
        return Metadata(**(values | {"probe": _PROBES[task](**values["probe"])}))
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{RECORD_FILE} is incomplete ({error}); train again") from error
