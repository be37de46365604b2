"""Material for tests: a temporary /opt/ml directory, labelled rows, CSV."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
PROGRAM_DIR = ROOT / "decision_trees"
ARTIFACT = ["model.json", "model.onnx", "tree.npy"]
"""Files in the artifact of a decision tree."""

soak_only = partial(pytest.param, marks=pytest.mark.soak)
"""Mark a parameter of a test that runs only with --soak, because it takes seconds."""


@dataclass(frozen=True)
class OptMl:
    """Directory that replaces /opt/ml."""

    base: Path

    @property
    def model(self) -> Path:
        """Directory of the artifact."""
        return self.base / "model"

    @property
    def failure(self) -> Path:
        """Path of the failure file."""
        return self.base / "output/failure"

    def write(self, name: str, content: str | bytes, channel: str = "training") -> Path:
        """Write a file of a channel."""
        file = self.channel(channel) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    @property
    def metrics(self) -> Path:
        """Path of the metrics."""
        return self.base / "output/data/metrics.json"

    def channel(self, name: str = "training") -> Path:
        """Return the directory of a channel."""
        return self.base / "input/data" / name

    def configure(self, **channels: Mapping[str, str]) -> None:
        """Write inputdataconfig.json with the settings of each channel."""
        file = self.base / "input/config/inputdataconfig.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(channels))

    def write_hyperparameters(self, values: Mapping[str, object] | str) -> None:
        """Write hyperparameters.json; a string is written unchanged."""
        file = self.base / "input/config/hyperparameters.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(values if isinstance(values, str) else json.dumps(values))


@dataclass(frozen=True)
class LabelledRows:
    """Labelled table."""

    features: NDArray[np.float64]
    labels: Sequence[str]

    def training_csv(self) -> str:
        """Return the rows as a training file, with the label first."""
        return as_csv([label, *row] for label, row in zip(self.labels, self.features, strict=True))

    def request_csv(self) -> str:
        """Return the rows as a request body, without labels."""
        return as_csv(self.features)


def as_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV; floats have their shortest exact form."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [float(cell) if isinstance(cell, np.floating) else cell for cell in row] for row in rows
    )
    return text.getvalue()
