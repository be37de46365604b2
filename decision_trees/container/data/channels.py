"""Channels: the training and validation data of a job, and where the platform has put them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from container.data.readers import no_data
from container.data.streams import COMPRESSION_SUFFIXES, Source
from container.distributed.communicator import ALONE, Communicator
from container.errors import TrainingDataError
from container.formats.cells import shown
from container.paths import Paths, read_json

TRAINING = ("training", "train")
VALIDATION = ("validation", "test", "eval", "val")
NOT_DATA = frozenset({"code", "sm_drivers"})
"""Channels in which SDKs send code.

Source: https://github.com/aws/sagemaker-python-sdk, sagemaker-train, train/constants.py
"""

_SETTINGS = ("TrainingInputMode", "ContentType", "RecordWrapperType", "S3DistributionType")
_TABLE_LOGS = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
_MAX_NAMES_SHOWN = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channel:
    """Data of one channel, or one host's share of it."""

    name: str
    sources: tuple[Source, ...]
    """Its files, sorted by name; or one pipe."""

    content_type: str | None

    is_replicated: bool = True
    """Whether every host of the job has the whole channel."""

    first_row: int = 0
    """Index of the first row of each source that belongs to this host."""

    row_step: int = 1
    """Distance to the next row that belongs to this host."""

    def epoch(self, number: int) -> "Channel":
        """Return the channel for another pass: the same files, or the pipe of that epoch."""
        sources = tuple(source.epoch(number) for source in self.sources)
        return replace(self, sources=sources)

    def share(self, rank: int, n_hosts: int) -> "Channel":
        """Return the share of one of `n_hosts` hosts.

        A replicated channel is shared by files if there are enough of them, otherwise by rows.
        """
        if not self.is_replicated:
            return self
        if len(self.sources) >= n_hosts:
            return replace(self, sources=self.sources[rank::n_hosts])
        return replace(self, first_row=rank, row_step=n_hosts)


def find(paths: Paths, communicator: Communicator = ALONE) -> tuple[Channel, Channel | None]:
    """Return the channel `training` or `train`, and that of VALIDATION if there is one.

    On one of several hosts these are its shares, which may be empty.

    Raises:
        TrainingDataError: no host has training data, there are two channels for one purpose, or
            the configuration of a channel is not supported.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    with communicator.naming_host():
        configured = _configuration(paths.input_data_config)
        found = [_channel(names, paths.data, configured) for names in (TRAINING, VALIDATION)]
    _warn_of_others(paths.data, configured)
    exist = communicator.gather([channel is not None for channel in found], tuple[bool, bool])
    has_training, has_validation = (any(on_hosts) for on_hosts in zip(*exist, strict=True))
    if not has_training:
        where = "No host has training data: " if len(communicator) > 1 else ""
        raise TrainingDataError(where + _no_training_data(paths.data, configured))
    training, validation = (
        (channel or Channel(names[0], (), None)).share(communicator.rank, len(communicator))
        for channel, names in zip(found, (TRAINING, VALIDATION), strict=True)
    )
    return training, validation if has_validation else None


def _warn_of_others(data: Path, configured: Mapping[str, Any]) -> None:
    """Log the channels that are not read."""
    known = NOT_DATA.union(TRAINING, VALIDATION)
    others = [name for name in _names(data, configured) if name not in known]
    if others:
        logger.warning(
            "not read: the channels %s; channels of data are named %s",
            ", ".join(others[:_MAX_NAMES_SHOWN]),
            ", ".join((*TRAINING, *VALIDATION)),
        )


def _names(data: Path, configured: Mapping[str, Any]) -> list[str]:
    """Return the names of all channels but those of code."""
    directories = {path.name for path in data.iterdir() if path.is_dir()} if data.is_dir() else ()
    return sorted(set(directories).union(configured) - NOT_DATA)


def _channel(
    names: tuple[str, ...], data: Path, configured: Mapping[str, Mapping[str, Any]]
) -> Channel | None:
    """Return the one channel of `names` that has data; None if none has."""
    found = [
        Channel(name, sources, settings.get("ContentType"), _is_replicated(settings))
        for name in names
        if (sources := _sources(name, data, settings := configured.get(name, {})))
    ]
    if len(found) > 1:
        raise TrainingDataError(
            f"The channels {' and '.join(channel.name for channel in found)} under {data} both "
            "hold data; use one of them."
        )
    return found[0] if found else None


def _sources(name: str, data: Path, settings: Mapping[str, Any]) -> tuple[Source, ...]:
    mode, wrapper = settings.get("TrainingInputMode", "File"), settings.get("RecordWrapperType")
    if mode not in ("File", "FastFile", "Pipe"):
        raise TrainingDataError(
            f"The channel {name} has the input mode {shown(str(mode))}; use File, FastFile or Pipe."
        )
    if wrapper not in (None, "None"):
        raise TrainingDataError(
            f"The channel {name} has the record wrapper type {shown(wrapper)}; use None: the files "
            "of a channel are read as they are."
        )
    if mode == "Pipe":
        return (Source(data / f"{name}_0", is_pipe=True),)  # the pipe of the first epoch
    return tuple(Source(file) for file in _files(data / name))


def _is_replicated(settings: Mapping[str, Any]) -> bool:
    """Return whether every host has the whole channel: the default, also for file systems.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
    """
    return settings.get("S3DistributionType") != "ShardedByS3Key"


def _files(channel: Path) -> list[Path]:
    """Return the usable files below the directory of a channel, sorted by name.

    Empty files are skipped, files whose path has a part that begins with "." or "_", such as
    resource forks of macOS and success markers, and those that are certainly no data.
    """
    found = sorted(channel.rglob("*"))
    _refuse_table_formats(found)
    usable: list[Path] = []
    skipped: list[Path] = []
    for path in filter(Path.is_file, found):
        (skipped if _is_skipped(path, channel) else usable).append(path)
    if skipped:
        names = _first_names(skipped, channel.parent)
        logger.info("skipped %d files that are empty or hidden: %s", len(skipped), names)
    not_data = no_data.reasons(usable)
    if not_data:
        listed = [f"{_first_names([file], channel.parent)} ({not_data[file]})" for file in not_data]
        listed = listed[:_MAX_NAMES_SHOWN]
        logger.info("skipped %d files that are no data: %s", len(not_data), ", ".join(listed))
    usable = [file for file in usable if file not in not_data]
    _refuse_copies(usable)
    partitions = {
        part for file in usable for part in file.relative_to(channel).parts if "=" in part
    }
    if partitions:
        logger.warning(
            "the names of folders are not read as columns: %s", ", ".join(sorted(partitions)[:5])
        )
    return usable


def _refuse_table_formats(found: list[Path]) -> None:
    """Refuse tables whose log may have removed some of their files."""
    for path in found:
        if path.name in _TABLE_LOGS:
            raise TrainingDataError(
                f"{path.parent} is a {_TABLE_LOGS[path.name]} table, whose files may contain "
                "deleted rows; export it as plain Parquet or CSV."
            )


def _refuse_copies(files: list[Path]) -> None:
    """Refuse a file next to its compressed copy, whose rows would count twice."""
    names = set(files)
    for file in files:
        if file.suffix in COMPRESSION_SUFFIXES and file.with_suffix("") in names:
            raise TrainingDataError(
                f"{file} looks like a compressed copy of {file.with_suffix('').name} next to it, "
                "whose rows would count twice; remove or rename one of them."
            )


def _is_skipped(file: Path, channel: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(channel).parts)
    return hidden or file.stat().st_size == 0


def _configuration(file: Path) -> dict[str, dict[str, Any]]:
    """Return the settings of each channel from inputdataconfig.json; none without the file."""
    channels = read_json(file, TrainingDataError, "the platform writes it.")
    if not isinstance(channels, dict) or not all(isinstance(v, dict) for v in channels.values()):
        raise TrainingDataError(
            f"{file} must be a JSON object with one object per channel, such as "
            '{"train": {"TrainingInputMode": "File"}}.'
        )
    for name, settings in channels.items():
        for key in _SETTINGS:
            if not isinstance(settings.get(key), str | None):
                raise TrainingDataError(
                    f"In {file}, {key} of the channel {shown(name)} is not a text; correct it, or "
                    "leave it out."
                )
    return channels


def _no_training_data(data: Path, configured: Mapping[str, Any]) -> str:
    names = _names(data, configured)
    found = "; ".join(_inventory(name, data) for name in names[:_MAX_NAMES_SHOWN])
    return (
        f"The channel training (or train) has no data; found under {data}: "
        f"{found or 'no channel at all'}. Give the job a channel of that name with files that "
        "have a label and numbers in each row."
    )


def _inventory(name: str, data: Path) -> str:
    files = sorted(path for path in (data / name).rglob("*") if path.is_file())
    if not files:
        return f"the channel {name} without files"
    unusable = sum(_is_skipped(file, data / name) for file in files)
    skipped = f", {unusable} of them empty or hidden" if unusable else ""
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    return f"the channel {name} with {count}{skipped} ({_first_names(files, data)})"


def _first_names(files: list[Path], data: Path) -> str:
    names = ", ".join(str(file.relative_to(data)) for file in files[:_MAX_NAMES_SHOWN])
    return names if len(files) <= _MAX_NAMES_SHOWN else f"{names}, ..."
