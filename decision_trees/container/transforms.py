"""The mini-batches of a batch transform: how many at once, and how large."""

from container.errors import SettingsError

TOGETHER_MEGABYTES = 100
"""What all mini-batches that are under way at once may have.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

DEFAULT_MEGABYTES = 6
"""What the platform gives a mini-batch unless it is told otherwise; source as above."""


def mini_batches(workers: int, concurrent: int, megabytes: int | None) -> tuple[int, int]:
    """Return how many mini-batches may be under way at once, and the MB of each, 0 for no limit.

    Args:
        workers: the worker processes, each of which computes one answer at a time.
        concurrent: what SAGEMAKER_MAX_CONCURRENT_TRANSFORMS says, 0 when it is not set.
        megabytes: what SAGEMAKER_MAX_PAYLOAD_IN_MB says, None when it is not set.

    Raises:
        SettingsError: both are set, and exceed TOGETHER_MEGABYTES together.
    """
    if megabytes is None:
        concurrent = concurrent or min(workers, TOGETHER_MEGABYTES // DEFAULT_MEGABYTES)
        return concurrent, max(1, min(DEFAULT_MEGABYTES, TOGETHER_MEGABYTES // concurrent))
    if concurrent * megabytes > TOGETHER_MEGABYTES:
        raise SettingsError(
            f"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS is {concurrent} and SAGEMAKER_MAX_PAYLOAD_IN_MB "
            f"is {megabytes}, which makes {concurrent * megabytes} MB at once; batch transform "
            f"allows {TOGETHER_MEGABYTES}, so lower one of them."
        )
    megabytes = min(megabytes, TOGETHER_MEGABYTES)
    return concurrent or _fitting(workers, megabytes), megabytes


def _fitting(workers: int, megabytes: int) -> int:
    return min(workers, TOGETHER_MEGABYTES // megabytes) if megabytes else workers
