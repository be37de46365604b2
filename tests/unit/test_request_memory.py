"""Memory of requests whose bodies describe more than they hold, in processes with little memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from container.errors import MalformedPayload
from container.payloads import decoding
from container.payloads.types import Expected
from support.amplifying import FORMATS, PARQUET, with_large_page
from support.material import PROGRAM_DIR

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("content_type", FORMATS)
def test_memory_is_in_proportion_to_the_table(content_type: str) -> None:
    """No request takes more than 12 times its table and 64 MiB; a refused one has no table."""
    program = [sys.executable, "-m", "support.limited_memory", content_type, "0", "4"]
    paths = f"{PROGRAM_DIR}:{TESTS}"
    # More arenas would reserve address space.
    environment = {"PYTHONPATH": paths, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}

    ended = subprocess.run(
        program, env=environment, check=False, capture_output=True, text=True, timeout=300
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_page_of_parquet_is_refused_by_its_own_size() -> None:
    """The size in front of the page counts, because pyarrow allocates it."""
    body = with_large_page(2**30)

    with pytest.raises(MalformedPayload) as caught:
        decoding.decode(body, PARQUET, Expected(4))

    assert str(caught.value).startswith(
        "In the body, the file has a page of 1073741824 bytes, and 8644608 are enough"
    )
