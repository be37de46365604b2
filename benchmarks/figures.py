"""Results of a run: figures, the samples of each of their columns, and statistics."""

import re
from dataclasses import dataclass, field
from statistics import median

CLASSIC = "classic"
OURS = "ours"
FLOOR = "floor"
COLUMNS = (CLASSIC, OURS, FLOOR)

Samples = dict[str, list[float]]
"""Measured values by column, in the order of the rounds."""


@dataclass(frozen=True)
class Figure:
    """Row of the table."""

    name: str
    unit: str
    samples: Samples

    def median(self, column: str) -> float | None:
        """Return the median of a column; None if nothing was measured."""
        values = self.samples.get(column)
        return median(values) if values else None

    def spread(self, column: str) -> tuple[float, float] | None:
        """Return the minimum and maximum of a column; None if nothing was measured."""
        values = self.samples.get(column)
        return (min(values), max(values)) if values else None

    def ratio(self, column: str, base: str) -> float | None:
        """Return the median of `column` divided by that of `base`; None if either is missing."""
        above, below = self.median(column), self.median(base)
        return above / below if above is not None and below else None


@dataclass
class Results:
    """All figures, in the order of their measurement; `pattern` selects them by name."""

    pattern: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Names of the figures that cannot be measured on this machine, with the reasons."""

    def wants(self, *names: str) -> bool:
        """Return whether any of these figures is selected."""
        return any(re.search(self.pattern, name, re.IGNORECASE) for name in names)

    def add(self, name: str, unit: str, column: str, value: float) -> None:
        """Add a sample to a figure if it is selected."""
        if self.wants(name):
            figure = self.figures.setdefault(name, Figure(name, unit, {}))
            figure.samples.setdefault(column, []).append(value)

    def leave_out(self, name: str, reason: str) -> None:
        """Record why a figure cannot be measured, if it is selected."""
        if self.wants(name):
            self.left_out[name] = reason


def quartiles(values: list[float]) -> tuple[float, float]:
    """Return the medians of the lower and upper half; the middle value belongs to both."""
    ordered = sorted(values)
    half = (len(ordered) + 1) // 2
    return median(ordered[:half]), median(ordered[-half:])
