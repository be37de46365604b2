"""CPU time of each phase of a job or request, at two sizes."""

import pytest

from benchmarks.complexity import exponent, times
from benchmarks.phases import PHASES

SIZES = (2_000, 16_000)
LARGEST = 1.6
"""Exponent that no linear phase has, even on a busy machine; that of the square is 2."""

TRIES = 3

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("name", PHASES)
def test_time_grows_in_proportion_to_the_size(name: str) -> None:
    """Eight times the size takes far less than the square of eight times the time."""
    found = [exponent(SIZES, times(name, SIZES))]
    while found[-1] > LARGEST and len(found) < TRIES:
        found.append(exponent(SIZES, times(name, SIZES)))

    assert min(found) <= LARGEST, found
