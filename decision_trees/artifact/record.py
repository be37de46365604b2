"""model.json: what an artifact says of itself. The one home of the artifact's names."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

RECORD_FILE = "model.json"
ONNX_FILE = "model.onnx"
FORMAT_VERSION = 1


class ArtifactError(Exception):
    """An artifact cannot be used; the message says what was found and what to do."""


@dataclass(frozen=True)
class Probe:
    """A few rows with the answers that were right when the artifact was made."""

    features: list[list[float | None]]
    """Rows as they are sent, None for a missing cell."""

    labels: list[int]
    """For each row the index of its label."""

    probabilities: list[list[float]]
    """For each row the probability of every label, float32."""


@dataclass(frozen=True)
class Record:
    """Everything that serving has to know beside the ONNX graph, and where it came from."""

    n_features: int
    accepts_missing: bool
    """Whether the estimator answers rows with missing cells."""

    labels: list[Any]
    """The labels in the order of the probabilities: all int, all float or all str."""

    sha256: str
    """Of model.onnx, in hexadecimal."""

    probe: Probe
    versions: Mapping[str, str]
    training: Mapping[str, Any]
    """Hyperparameters, metrics and rows of the job."""

    task: str = "classification"
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Return the text of model.json."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def from_json(text: str) -> Record:
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
    try:
        return Record(**(values | {"probe": Probe(**values["probe"])}))
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{RECORD_FILE} is incomplete ({error}); train again") from error
