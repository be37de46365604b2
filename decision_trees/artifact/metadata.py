"""model.json: what an artifact says of itself. The one home of the artifact's names."""

import json
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
    """An artifact cannot be used; the message says what was found and what to do."""


@dataclass(frozen=True)
class LabelProbe:
    """A few rows with the answers of a classifier that were right when the artifact was made."""

    features: list[list[float | None]]
    """Rows as they are sent, None for a missing cell."""

    labels: list[int]
    """For each row the index of its label."""

    probabilities: list[list[float]]
    """For each row the probability of every label, float32."""


@dataclass(frozen=True)
class ScoreProbe:
    """A few rows with the answers of a regressor that were right when the artifact was made."""

    features: list[list[float | None]]
    """Rows as they are sent, None for a missing cell."""

    scores: list[float]
    """For each row its score: the shortest number that reads back to the same float32."""


_PROBES = {CLASSIFICATION: LabelProbe, REGRESSION: ScoreProbe}


@dataclass(frozen=True)
class Metadata:
    """Everything that serving has to know beside the ONNX graph, and where it came from.

    Raises:
        ArtifactError: there is not one feature name for each feature.
    """

    task: str
    """CLASSIFICATION or REGRESSION."""

    n_features: int
    feature_names: list[str] | None
    """In the order of the features; None when the training data named none."""

    libsvm_base: int
    """What libsvm rows call the first feature, 0 or 1."""

    accepts_missing: bool
    """Whether the estimator answers rows with missing cells."""

    labels: list[Any]
    """In the order of the probabilities: all int, all float or all str; none for regression."""

    sha256: str
    """Of model.onnx, in hexadecimal."""

    probe: LabelProbe | ScoreProbe
    versions: Mapping[str, str]
    training: Mapping[str, Any]
    """Hyperparameters, metrics and rows of the job."""

    tree_sha256: str | None = None
    """Of tree.npy, in hexadecimal; None where the model is no single tree."""

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
    """Read the text of model.json; raises ArtifactError when it is not one of this version."""
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
    task = values.get("task", CLASSIFICATION)  # absent, it is told with the other fields
    if task not in tuple(_PROBES):
        raise ArtifactError(
            f"{RECORD_FILE} has the task {task!r}, this program knows {' and '.join(_PROBES)}; "
            "serve it with the image that trained it, or train again"
        )
    try:
        return Metadata(**(values | {"probe": _PROBES[task](**values["probe"])}))
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{RECORD_FILE} is incomplete ({error}); train again") from error
