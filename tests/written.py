"""Files that test_reading.py and test_reading_refusals.py write and read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from container import reading
from container.channels import Channel
from container.options import InputOptions
from container.progress import Counter
from container.sources import Source
from container.tables import Table

Content = bytes | str


def channel_of(directory: Path, contents: Iterable[Content], suffix: str = ".csv") -> Channel:
    """Write one file for each content: `0.csv` and so on."""
    files = []
    for number, content in enumerate(contents):
        files.append(directory / f"{number}{suffix}")
        files[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    return Channel("train", tuple(map(Source, files)), None)


def table_of(directory: Path, *contents: Content, suffix: str = ".csv", **options: Any) -> Table:
    """Write files and read them."""
    channel = channel_of(directory, contents, suffix)
    return reading.read(channel, InputOptions(**options), Counter())


def both_of(
    directory: Path, training: Content, validation: Content, suffix: str = ".csv"
) -> tuple[Table, Table]:
    """Write one file to learn from and one to validate on, `v0.csv`, and read both."""
    table = table_of(directory, training, suffix=suffix)
    channel = channel_of(directory, [validation], f"v{suffix}")
    return table, reading.read(channel, InputOptions(), Counter(), table)
