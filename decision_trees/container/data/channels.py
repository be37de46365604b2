"""Channels: which data a training job was given, and where the platform has put it."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from container.data.readers import detection
from container.data.streams import Source
from container.distributed.communicator import Communicator
from container.errors import TrainingDataError
from container.paths import Paths

TRAINING = ("training", "train")
VALIDATION = ("validation", "test")
NOT_DATA = frozenset({"code", "sm_drivers"})
"""Channels with which SDKs send code.

Source: https://github.com/aws/sagemaker-python-sdk, sagemaker-train, train/constants.py
"""

_TABLE_LOGS = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
_NAMES_SHOWN = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channel:
    """The data of one channel."""

    name: str
    sources: tuple[Source, ...]
    """Its files in the order of their names; or one pipe."""

    content_type: str | None

    is_replicated: bool = True
    """Whether every host of the job has all of it."""

    part: tuple[int, int] = (0, 1)
    """The first row of each source that counts here, and the step to the next; the others count
    on other hosts."""

    def epoch(self, number: int) -> "Channel":
        """Return what is to be read in another pass: the same files, or the next pipe."""
        sources = tuple(source.epoch(number) for source in self.sources)
        return replace(self, sources=sources)

    def share(self, rank: int, n_hosts: int) -> "Channel":
        """Return what one of `n_hosts` is to read.

        Of a replicated channel that is each file on one host, where there are enough files for
        all hosts, else each row.
        """
        if not self.is_replicated:
            return self
        if len(self.sources) >= n_hosts:
            return replace(self, sources=self.sources[rank::n_hosts])
        return replace(self, part=(rank, n_hosts))


def find(paths: Paths) -> tuple[Channel, Channel | None]:
    """Return the channel to learn from, and the one to validate on if there is one.

    The first is called `training` or `train`, the second `validation` or `test`.

    Raises:
        TrainingDataError: there is no training data, two channels for one purpose, or a channel
            whose configuration is not known here.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    configured = _configuration(paths.input_data_config)
    training = _channel(TRAINING, paths.data, configured)
    if training is None:
        raise TrainingDataError(_no_training_data(paths.data, configured))
    return training, _channel(VALIDATION, paths.data, configured)


def find_share(paths: Paths, group: Communicator) -> tuple[Channel, Channel | None]:
    """Return what this host of several is to read; it may be nothing.

    Raises:
        TrainingDataError: as `find`, and if there is no training data on any host.
    """
    with group.reporting():
        configured = _configuration(paths.input_data_config)
        found = [_channel(names, paths.data, configured) for names in (TRAINING, VALIDATION)]
    told = group.gather([channel is not None for channel in found])
    has_training, has_validation = (any(column) for column in zip(*told, strict=True))
    if not has_training:
        raise TrainingDataError(
            f"No host has training data: {_no_training_data(paths.data, configured)}"
        )
    training, validation = (
        (channel or Channel(names[0], (), None)).share(group.rank, len(group))
        for channel, names in zip(found, (TRAINING, VALIDATION), strict=True)
    )
    return training, validation if has_validation else None


def _channel(
    names: tuple[str, ...], data: Path, configured: Mapping[str, Mapping[str, Any]]
) -> Channel | None:
    """Return the one of `names` that holds data; None when none does."""
    found = [
        Channel(name, sources, settings.get("ContentType"), _is_replicated(settings))
        for name in names
        if (sources := _sources(name, data, settings := configured.get(name, {})))
    ]
    if len(found) > 1:
        raise TrainingDataError(
            f"The channels {' and '.join(names)} under {data} both hold data; use one of them."
        )
    return found[0] if found else None


def _sources(name: str, data: Path, settings: Mapping[str, Any]) -> tuple[Source, ...]:
    """Return what there is to read of a channel, according to its input mode."""
    mode, wrapper = settings.get("TrainingInputMode", "File"), settings.get("RecordWrapperType")
    if mode not in ("File", "FastFile", "Pipe"):
        raise TrainingDataError(
            f"The channel {name} has the input mode {mode!r}; known are File, FastFile and Pipe."
        )
    if wrapper not in (None, "None"):
        raise TrainingDataError(
            f"The channel {name} has the record wrapper type {wrapper!r}; use None: the files of a "
            "channel are read as they are."
        )
    if mode == "Pipe":
        return (Source(data / f"{name}_0", is_pipe=True),)  # one epoch is all that a tree needs
    return tuple(Source(file) for file in _files(data / name))


def _is_replicated(settings: Mapping[str, Any]) -> bool:
    """Say whether every host gets the whole channel: the default, and so it is of file systems.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
    """
    return settings.get("S3DistributionType") != "ShardedByS3Key"


def _files(channel: Path) -> list[Path]:
    """Return the usable files below a channel's directory, in the order of their names.

    Left out are empty files, and all whose path has a part that begins with "." or "_": resource
    forks of macOS, folder and success markers.
    """
    found = sorted(channel.rglob("*"))
    _refuse_table_formats(found)
    files = [path for path in found if path.is_file()]
    usable = [file for file in files if not _is_skipped(file, channel)]
    skipped = len(files) - len(usable)
    if skipped:
        names = _first_names([file for file in files if file not in usable], channel.parent)
        logger.info("skipped %d files that are empty or hidden: %s", skipped, names)
    _refuse_copies(usable)
    partitions = {
        part for file in usable for part in file.relative_to(channel).parts if "=" in part
    }
    if partitions:
        logger.warning("the names of folders are no columns: %s", ", ".join(sorted(partitions)[:5]))
    return usable


def _refuse_table_formats(found: list[Path]) -> None:
    """Refuse tables whose log says which of their files still count."""
    for path in found:
        if path.name in _TABLE_LOGS:
            raise TrainingDataError(
                f"{path.parent} is a {_TABLE_LOGS[path.name]} table, some of whose files may be "
                "removed rows; export it as plain Parquet or CSV."
            )


def _refuse_copies(files: list[Path]) -> None:
    """Refuse a file beside its compressed copy: its rows would count twice."""
    names = set(files)
    for file in files:
        if file.suffix in detection.COMPRESSIONS and file.with_suffix("") in names:
            raise TrainingDataError(
                f"{file} and {file.with_suffix('').name} beside it look like copies of one file, "
                "whose rows would count twice; leave one of them out, or rename it."
            )


def _is_skipped(file: Path, channel: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(channel).parts)
    return hidden or file.stat().st_size == 0


def _configuration(file: Path) -> dict[str, dict[str, Any]]:
    """Read inputdataconfig.json: the settings of each channel; no file means no settings."""
    try:
        channels = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"{file} is not JSON ({error}); the platform writes it.") from error
    if not isinstance(channels, dict) or not all(isinstance(v, dict) for v in channels.values()):
        raise TrainingDataError(
            f"{file} is no JSON object of objects; it has one object for each channel, such as "
            '{"train": {"TrainingInputMode": "File"}}.'
        )
    return channels


def _no_training_data(data: Path, configured: Mapping[str, Any]) -> str:
    directories = (
        {path.name for path in data.iterdir() if path.is_dir()} if data.is_dir() else set()
    )
    names = sorted((directories | set(configured)) - NOT_DATA)
    found = "; ".join(_inventory(name, data) for name in names[:_NAMES_SHOWN])
    return (
        f"There is nothing to train on in the channel training (or train): found under {data} "
        f"{'is ' + found if found else 'is no channel at all'}. Give the job a channel of that "
        "name with files that hold a label and numbers in each row."
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
    names = ", ".join(str(file.relative_to(data)) for file in files[:_NAMES_SHOWN])
    return names if len(files) <= _NAMES_SHOWN else f"{names}, ..."
