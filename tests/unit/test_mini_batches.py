"""Number and size of the concurrent mini-batches of a batch transform."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import SettingsError
from container.resources import mini_batches


@pytest.mark.parametrize(
    ("workers", "concurrent", "megabytes", "expected"),
    [
        (1, 0, None, (1, 6)),
        (16, 0, None, (16, 6)),
        (64, 0, None, (16, 6)),
        (2, 8, None, (8, 6)),
        (2, 20, None, (20, 5)),
        (2, 500, None, (500, 1)),
        (4, 0, 10, (4, 10)),
        (4, 0, 30, (3, 30)),
        (4, 0, 100, (1, 100)),
        (4, 0, 500, (1, 100)),
        (4, 0, 0, (4, 0)),
        (4, 500, 0, (500, 0)),
        (4, 10, 10, (10, 10)),
    ],
)
def test_mini_batches_fill_the_workers_within_the_limit(
    workers: int, concurrent: int, megabytes: int | None, expected: tuple[int, int]
) -> None:
    """Values that are set are used; the others are computed within the limit."""
    assert mini_batches(workers, concurrent, megabytes) == expected


def test_two_values_beyond_the_limit_are_refused() -> None:
    """The message has both variables and the limit."""
    with pytest.raises(SettingsError) as caught:
        mini_batches(4, 8, 50)

    assert str(caught.value) == (
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS is 8 and SAGEMAKER_MAX_PAYLOAD_IN_MB is 50, which "
        "makes 400 MB at once; batch transform allows 100, so lower one of them."
    )


@given(st.integers(1, 512), st.none() | st.integers(0, 2**20))
def test_computed_mini_batches_are_within_the_limit(workers: int, megabytes: int | None) -> None:
    """The platform accepts every computed pair."""
    concurrent, size = mini_batches(workers, 0, megabytes)

    assert 1 <= concurrent <= workers
    assert concurrent * size <= 100
