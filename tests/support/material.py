"""What tests are made of: a temporary /opt/ml, labelled rows, CSV."""

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
"""What is written of a decision tree."""

soak_only = partial(pytest.param, marks=pytest.mark.soak)
"""Mark a case of a parametrized test that runs with --soak only, since each takes seconds."""


@dataclass(frozen=True)
class OptMl:
    """A directory that mimics /opt/ml."""

    base: Path

    @property
    def model(self) -> Path:
        """Where the artifact is."""
        return self.base / "model"

    @property
    def failure(self) -> Path:
        """Where a failure is written."""
        return self.base / "output/failure"

    def write(self, name: str, content: str | bytes, channel: str = "training") -> Path:
        """Write one file of a channel."""
        file = self.channel(channel) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    @property
    def metrics(self) -> Path:
        """Where metrics are written."""
        return self.base / "output/data/metrics.json"

    def channel(self, name: str = "training") -> Path:
        """Return the directory of a channel."""
        return self.base / "input/data" / name

    def configure(self, **channels: Mapping[str, str]) -> None:
        """Write inputdataconfig.json: the settings of each channel."""
        file = self.base / "input/config/inputdataconfig.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(channels))

    def write_hyperparameters(self, values: Mapping[str, object] | str) -> None:
        """Write hyperparameters.json, a text as it is."""
        file = self.base / "input/config/hyperparameters.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(values if isinstance(values, str) else json.dumps(values))


@dataclass(frozen=True)
class Rows:
    """A labelled table."""

    features: NDArray[np.float64]
    labels: Sequence[str]

    def training_csv(self) -> str:
        """Return the rows as a training file: label first."""
        return as_csv([label, *row] for label, row in zip(self.labels, self.features, strict=True))

    def request_csv(self) -> str:
        """Return the rows as the body of a request: no label."""
        return as_csv(self.features)


def as_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV; floats in their shortest exact form."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [float(cell) if isinstance(cell, np.floating) else cell for cell in row] for row in rows
    )
    return text.getvalue()
