"""Metadata of an artifact, stored in model.json, and how its files are read.

The files may come from anywhere: each value is checked before it is used.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

RECORD_FILE = "model.json"
ONNX_FILE = "model.onnx"
TREE_FILE = "tree.npy"
FORMAT_VERSION = 1

CLASSIFICATION = "classification"
REGRESSION = "regression"


MAX_FILE_BYTES = 2**31
"""Maximum size of a file; protobuf, in which ONNX is written, has the same limit."""

WAY_OUT = (
    "use another estimator, a file format of your own (docs/bring-your-own-algorithm.md) or script "
    "mode (docs/script-mode.md)"
)
"""What the owner of a job can do if an estimator cannot be saved."""

_SHOWN_CHARACTERS = 60
_CHECKSUM = re.compile("[0-9a-f]{64}")


INPUT = "features"
PROBABILITIES = "probabilities"
LABEL_INDEX = "label_index"
"""Output of trees; for other classifiers it is computed from the probabilities."""

N_PROBABILITIES = "n_probabilities"
"""Optional input of trees: number of rows, from the first on, whose probabilities are wanted."""

REASON_CHARACTERS = 200
"""Maximum length of the reason of a library, which may list all nodes of a model."""


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
        ArtifactError: a value has the wrong type or is out of range, or the number of feature names
            is not the number of features. The probe is checked by `Model.check` only.
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
        for name, (is_right, expected) in _RULES.items():
            value = getattr(self, name)
            if not is_right(value):
                found = ascii(value)[:_SHOWN_CHARACTERS]
                raise ArtifactError(
                    f"{name} in {RECORD_FILE} is {found}, expected {expected}; train again"
                )
        if (self.task == CLASSIFICATION) != bool(self.labels):
            raise ArtifactError(
                f"{RECORD_FILE} has {len(self.labels)} labels for the task {self.task}"
            )
        if self.feature_names is not None and len(self.feature_names) != self.n_features:
            raise ArtifactError(
                f"there are {len(self.feature_names)} feature names for {self.n_features} "
                "features; name each feature, or none"
            )

    @property
    def na_values(self) -> list[str]:
        """Texts of missing cells in the training data, in addition to the usual ones."""
        return [str(text) for text in self.training.get("data", {}).get("na_values", [])]

    @property
    def ignored(self) -> list[tuple[int, str | None]]:
        """Index in a request that has them all, and name, of the columns that the job left out."""
        found = self.training.get("data", {}).get("ignored", [])
        return [(column["index"], column["name"]) for column in found]

    def to_json(self) -> str:
        """Return the text of model.json."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def from_json(text: str | bytes) -> Metadata:
    """Parse model.json; raise ArtifactError if it is not valid or not of this version."""
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
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


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


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
        raise ArtifactError(f"{RECORD_FILE} is incomplete ({str(error)!a}); train again") from error


def read(file: Path) -> bytes:
    """Return the content of a regular file; raise ArtifactError if it cannot be read."""
    try:
        with open(file, "rb", opener=_open_at_once) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size >= MAX_FILE_BYTES:
                raise ArtifactError(
                    f"{file} is not a regular file of less than {MAX_FILE_BYTES} bytes; the "
                    "artifact is all that `train` writes"
                )
            return opened.read(status.st_size)
    except OSError as error:
        below = next(iter(sorted(file.parent.glob(f"*/{file.name}"))), None)
        remedy = "the artifact is all that `train` writes"
        if below is not None:
            remedy = f"it is in {below.parent}, move all files of that directory up into the other"
        raise ArtifactError(f"{file} cannot be read ({error.strerror}); {remedy}") from error


def _open_at_once(name: str, flags: int) -> int:
    """Open a file; a FIFO would block until another process opens it."""
    return os.open(name, flags | os.O_NONBLOCK)


def _is_int(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value < high


def _is_text(value: Any) -> bool:
    """Return whether a value is text that can be written as UTF-8, without half a surrogate."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _are_labels(values: Any) -> bool:
    if not isinstance(values, list) or len(set(map(type, values))) > 1:
        return False
    is_right = _LABELS.get(type(values[0]) if values else bool, lambda _: False)
    return all(map(is_right, values)) and len(set(values)) == len(values)


def _is_training(value: Any) -> bool:
    """Return whether a value is an object whose `data` fits requests, if it has one."""
    data = value.get("data", {}) if isinstance(value, Mapping) else None
    if not isinstance(data, Mapping):
        return False
    texts, columns = data.get("na_values", []), data.get("ignored", [])
    return (
        isinstance(texts, list)
        and all(map(_is_text, texts))
        and isinstance(columns, list)
        and all(isinstance(column, Mapping) and _is_column(**column) for column in columns)
    )


def _is_column(index: Any = None, name: Any = None, **_: Any) -> bool:
    return _is_int(index, 0, 2**31) and (name is None or _is_text(name))


_LABELS: dict[type, Callable[[Any], bool]] = {
    bool: lambda _: True,
    int: lambda value: -(2**63) <= value < 2**63,
    float: isfinite,
    str: _is_text,
}
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n_features": (lambda value: _is_int(value, 1, 2**31), "the number of features"),
    "feature_names": (
        lambda value: value is None or (isinstance(value, list) and all(map(_is_text, value))),
        "null or a list of texts",
    ),
    "libsvm_base": (lambda value: _is_int(value, 0, 2), "0 or 1"),
    "accepts_missing": (lambda value: isinstance(value, bool), "true or false"),
    "labels": (_are_labels, "a list of different integers, finite numbers or texts"),
    "sha256": (
        lambda value: isinstance(value, str) and bool(_CHECKSUM.fullmatch(value)),
        "64 hexadecimal digits",
    ),
    "tree_sha256": (
        lambda value: value is None or bool(isinstance(value, str) and _CHECKSUM.fullmatch(value)),
        "null or 64 hexadecimal digits",
    ),
    "versions": (lambda value: isinstance(value, Mapping), "an object"),
    "training": (_is_training, "what `train` writes"),
}
