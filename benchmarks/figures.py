"""What was measured: figures, each with the samples of every column, and their statistics."""

import re
from dataclasses import dataclass, field
from statistics import median

CLASSIC = "classic"
OURS = "ours"
FLOOR = "floor"
COLUMNS = (CLASSIC, OURS, FLOOR)

Samples = dict[str, list[float]]
"""The measured values by column, in the order of the rounds."""


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    name: str
    unit: str
    samples: Samples

    def median(self, column: str) -> float | None:
        """Return the median of a column; None where nothing was measured."""
        values = self.samples.get(column)
        return median(values) if values else None

    def spread(self, column: str) -> tuple[float, float] | None:
        """Return the least and the largest value of a column; None as for `median`."""
        values = self.samples.get(column)
        return (min(values), max(values)) if values else None

    def ratio(self, column: str, base: str) -> float | None:
        """Return how often the median of `base` goes into that of `column`; None without both."""
        above, below = self.median(column), self.median(base)
        return above / below if above is not None and below else None


@dataclass
class Results:
    """All figures, in the order in which they were met; `pattern` selects by name."""

    pattern: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """The names of figures that cannot be measured here, and why."""

    def wants(self, *names: str) -> bool:
        """Say whether any of these figures is selected."""
        return any(re.search(self.pattern, name, re.IGNORECASE) for name in names)

    def add(self, name: str, unit: str, column: str, value: float) -> None:
        """Take one sample of a figure, unless it is not selected."""
        if self.wants(name):
            figure = self.figures.setdefault(name, Figure(name, unit, {}))
            figure.samples.setdefault(column, []).append(value)

    def leave_out(self, name: str, reason: str) -> None:
        """Say that a figure cannot be measured here, unless it is not selected."""
        if self.wants(name):
            self.left_out[name] = reason


def quartiles(values: list[float]) -> tuple[float, float]:
    """Return the medians of the lower and of the upper half, the middle value in both."""
    ordered = sorted(values)
    half = (len(ordered) + 1) // 2
    return median(ordered[:half]), median(ordered[-half:])
