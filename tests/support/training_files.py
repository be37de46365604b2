"""Write training files, and read the rows from them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from container.data import reading
from container.data.channels import Channel
from container.data.dataset import Dataset
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
    """Return the table of a channel, as read on one host; `like` is the training table."""
    builder = reading.collect(channel, options, counter, lambda _: False)
    with reading.naming_sources(channel):
        schema = builder.summary.schema(None if like is None else Schema.of_table(like))
        return builder.table(schema)


def table_of(directory: Path, *contents: Content, suffix: str = ".csv", **options: Any) -> Table:
    """Write files and read them as one table."""
    channel = channel_of(directory, contents, suffix)
    return read(channel, InputOptions(**options), Counter())


def both_of(
    directory: Path, training: Content, validation: Content, suffix: str = ".csv"
) -> tuple[Table, Table]:
    """Write and read a training file and a validation file, `v0.csv`."""
    table = table_of(directory, training, suffix=suffix)
    channel = channel_of(directory, [validation], f"v{suffix}")
    return table, read(channel, InputOptions(), Counter(), table)


def rows_in(dataset: Dataset) -> list[list[Any]]:
    """Return the rows of one host, each beginning with its label."""
    return [
        [label, *row]
        for batch in dataset.batches()
        for label, row in zip(batch.labels.tolist(), batch.features.tolist(), strict=True)
    ]


def classes_in(dataset: Dataset) -> dict[Any, int]:
    """Return the number of rows on all hosts by label."""
    labels, counts = dataset.classes
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))
