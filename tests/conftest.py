"""What every kind of test shares: the program's folder, a temporary /opt/ml, the Iris table."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris

ROOT = Path(__file__).resolve().parent.parent
PROGRAM_DIR = ROOT / "decision_trees"

sys.path.insert(0, str(PROGRAM_DIR))


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
        file = self.base / "input/data" / channel / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

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


@pytest.fixture(scope="session")
def iris() -> Rows:
    """The Iris table: 150 rows, 4 features, 3 labels."""
    table = load_iris()
    return Rows(table.data, [str(table.target_names[index]) for index in table.target])


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    """An empty /opt/ml."""
    return OptMl(tmp_path / "ml")


@pytest.fixture(scope="session")
def random_features() -> Callable[[int, int], NDArray[np.float64]]:
    """Rows around the Iris table's values, some cells exactly on the grid of its thresholds."""

    def make(n_rows: int, seed: int) -> NDArray[np.float64]:
        random = np.random.default_rng(seed)
        features = random.uniform(0, 8, size=(n_rows, 4))
        on_grid = random.random(features.shape) < 0.5
        return np.where(on_grid, np.round(features * 20) / 20, features)

    return make
