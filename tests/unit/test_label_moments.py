"""Moments of numeric labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.data.labels import Moments

NUMBERS = st.lists(st.floats(-1e6, 1e6), max_size=20)


@given(st.lists(NUMBERS, max_size=6))
def test_moments_of_parts_are_those_of_the_whole(parts: list[list[float]]) -> None:
    """Moments do not depend on how the numbers are divided, added or merged."""
    one, merged = Moments(), Moments()
    for part in parts:
        one.add(np.array(part))
        other = Moments()
        other.add(np.array(part))
        merged.merge(other)

    numbers = np.concatenate([[], *parts])
    for found in (one, merged):
        assert found.count == len(numbers)
        if len(numbers):
            assert found.mean == pytest.approx(numbers.mean(), abs=1e-6)
            assert found.deviation == pytest.approx(numbers.std(), abs=1e-6)


def test_moments_of_nothing_are_zero() -> None:
    """A host may have no rows."""
    assert (Moments().mean, Moments().deviation) == (0, 0)
