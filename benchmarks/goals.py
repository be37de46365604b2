"""Goals: the limits that figures of this container must meet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.figures import CLASSIC, FLOOR, OURS, Figure, quartiles

MATRIX_MB = 400_000 * 28 * 4 / 1e6
"""Size of the float32 matrix of the largest training table."""


@dataclass(frozen=True)
class Goal:
    """Limit of a figure of this container."""

    sense: Literal[">=", "<="]
    limit: float

    base: str | None = None
    """Column that `limit` is a multiple of; None if `limit` has the unit of the figure."""

    is_faster: bool = False
    """Whether the ratio is inverted: `limit` compares base / ours, for durations."""

    within_spread: bool = False
    """Whether the better quartile of the rounds is compared instead of their median.

    This is for ratios that should be 1, so that half of the rounds may be on either side.
    """

    def value(self, figure: Figure) -> float | None:
        """Return the value to compare with the limit; None if a column is missing."""
        if self.base is not None:
            if self.is_faster:
                return figure.ratio(self.base, OURS)
            return figure.ratio(OURS, self.base)
        if self.within_spread and figure.samples.get(OURS):
            return quartiles(figure.samples[OURS])[self.sense == ">="]
        return figure.median(OURS)

    def is_met(self, figure: Figure) -> bool | None:
        """Return whether the goal is met; None if a column is missing."""
        value = self.value(figure)
        if value is None:
            return None
        return value >= self.limit if self.sense == ">=" else value <= self.limit

    def text(self, unit: str) -> str:
        """Return the goal as text, for example `>= 6x classic`."""
        if self.base is None:
            spread = " within the spread" if self.within_spread else ""
            return f"{self.sense} {self.limit:g} {unit}{spread}"
        faster = "faster than " if self.is_faster else ""
        return f"{self.sense} {self.limit:g}x {faster}{self.base}"


GOALS: Mapping[str, tuple[Goal, ...]] = {
    "one row of CSV, 8 connections: requests/s": (Goal(">=", 6, CLASSIC), Goal(">=", 0.9, FLOOR)),
    "one row of CSV, 1 connection: p50": (Goal("<=", 1.25, FLOOR),),
    "4.8 MB of CSV": (Goal(">=", 3, CLASSIC, is_faster=True),),
    "docker run to the first 200": (Goal("<=", 0.6, CLASSIC),),
    "PSS with 2 workers after large bodies": (Goal("<=", 0.35, CLASSIC),),
    "inference image without its base": (Goal("<=", 0.45, CLASSIC),),
    "/ping p99 while 8 clients post 4.8 MB": (Goal("<=", 50),),
    "/ping failures while 8 clients post 4.8 MB": (Goal("<=", 0),),
    "training on 400,000 x 28 of CSV: peak memory over the imports": (Goal("<=", 2.5 * MATRIX_MB),),
    "training on 400,000 x 28 of Parquet: peak memory over the imports": (
        Goal("<=", 2.5 * MATRIX_MB),
    ),
    "rows/s with 8 workers over those with 2": (Goal(">=", 1, within_spread=True),),
    "p50 with 1,000,000 nodes over that with 10": (Goal("<=", 1, within_spread=True),),
    "start with a model of 100 MB": (Goal("<=", 2),),
    # 1 is linear. Hash tables that outgrow the caches of the processor add to some exponents.
    "largest exponent of the phases": (Goal("<=", 1.4),),
}


def missed(figures: Mapping[str, Figure]) -> list[str]:
    """Return the names of the figures that miss a goal."""
    return [
        name
        for name, figure in figures.items()
        if any(goal.is_met(figure) is False for goal in GOALS.get(name, ()))
    ]
