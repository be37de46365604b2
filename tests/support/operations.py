"""Operations of a function, counted instead of timed."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType


def calls(function: Callable[[], object]) -> Counter[str]:
    """Call a function, and count the calls of Python functions in it by name."""
    counts: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        counts[frame.f_code.co_name] += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return counts
