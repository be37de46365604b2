"""Moments: the mean and the deviation of numbers that come in parts."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass
class Moments:
    """How many numbers there are, their mean, and the sum of the squares of their distances."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation; 0 of no numbers."""
        return float(np.sqrt(self.squares / max(self.count, 1)))

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Take more numbers."""
        if len(numbers):
            mean = float(numbers.mean())
            self.merge(type(self)(len(numbers), mean, float(((numbers - mean) ** 2).sum())))

    def merge(self, other: Self) -> None:
        """Take the numbers of another part.

        Source: Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing
        Sample Variances (1979), http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf
        """
        count = self.count + other.count
        if not other.count:
            return
        distance, part = other.mean - self.mean, other.count / count
        self.squares += other.squares + distance**2 * self.count * part
        self.mean += distance * part
        self.count = count
