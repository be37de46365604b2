"""Files that tests write, and read into one table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from container.data import reading
from container.data.channels import Channel
from container.data.streams import Source
from container.data.table import Schema, Table
from container.hyperparameters.input_options import InputOptions
from container.progress import Counter

Content = bytes | str


def channel_of(directory: Path, contents: Iterable[Content], suffix: str = ".csv") -> Channel:
    """Write one file for each content: `0.csv` and so on."""
    files = []
    for number, content in enumerate(contents):
        files.append(directory / f"{number}{suffix}")
        files[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    return Channel("train", tuple(map(Source, files)), None)


def read(
    channel: Channel, options: InputOptions, counter: Counter, like: Table | None = None
) -> Table:
    """Return a channel as a job on one host has it; `like` is the table to train on."""
    builder = reading.collect(channel, options, counter, lambda _: False)
    with reading.naming_sources(channel):
        schema = builder.summary.schema(None if like is None else Schema.of_table(like))
        return builder.table(schema)


def table_of(directory: Path, *contents: Content, suffix: str = ".csv", **options: Any) -> Table:
    """Write files and read them."""
    channel = channel_of(directory, contents, suffix)
    return read(channel, InputOptions(**options), Counter())


def both_of(
    directory: Path, training: Content, validation: Content, suffix: str = ".csv"
) -> tuple[Table, Table]:
    """Write one file to learn from and one to validate on, `v0.csv`, and read both."""
    table = table_of(directory, training, suffix=suffix)
    channel = channel_of(directory, [validation], f"v{suffix}")
    return table, read(channel, InputOptions(), Counter(), table)
