"""Rows for a job that only shows that all parts fit together: made on the spot, always the same."""

import math
import random
from dataclasses import dataclass

N_ROWS = 150
N_FEATURES = 4

_SEED = 0


@dataclass(frozen=True)
class Sample:
    """A small table that any algorithm of its task can learn."""

    task: str
    features: list[list[float]]
    labels: list[float]
    """0 and 1 for classification, far apart; positive numbers for regression."""

    def training_csv(self) -> str:
        """Return a training file: the label is the first cell of each row."""
        pairs = zip(self.labels, self.lines(), strict=True)
        return "".join(f"{label:g},{line}\n" for label, line in pairs)

    def lines(self) -> list[str]:
        """Return each row as a request has it: without its label."""
        return [",".join(f"{cell:g}" for cell in row) for row in self.features]

    def is_answer(self, line: str) -> bool:
        """Say whether a line of a reply is what such a model can say of a row."""
        try:
            value = float(line)
        except ValueError:
            return False
        return math.isfinite(value) if self.task == "regression" else value in self.labels


def make(task: str) -> Sample:
    """Return a table for `task`, classification or regression."""
    source = random.Random(_SEED)  # noqa: S311 - no secret
    labels = [float(row % 2) for row in range(N_ROWS)]
    features = [
        [round(source.uniform(0, 1) + 3 * label, 3) for _ in range(N_FEATURES)] for label in labels
    ]
    if task == "regression":
        labels = [round(1 + sum(row), 3) for row in features]
    return Sample(task, features, labels)
