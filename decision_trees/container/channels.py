"""Channels: where the platform has put the files of a training job (File mode)."""

import logging
from pathlib import Path

from container.errors import TrainingDataError

TRAINING_CHANNELS = ("training", "train")

logger = logging.getLogger(__name__)


def training_files(data: Path) -> list[Path]:
    """Return the data files of the channel `training` or `train`, in the order of their names.

    Files may lie in sub-directories. Skipped are empty files and all whose path has a part that
    begins with "." or "_": macOS resource forks, folder and success markers.

    Args:
        data: the directory with one directory a channel.

    Raises:
        TrainingDataError: there is no such channel, both hold files, or no file is usable.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-access-training-data.html
    """
    found = {name: _files(data / name) for name in TRAINING_CHANNELS}
    filled = [name for name, (usable, _) in found.items() if usable]
    if not filled:
        raise TrainingDataError(_nothing_usable(data, found))
    if len(filled) > 1:
        raise TrainingDataError(
            f"The channels {' and '.join(filled)} under {data} both hold files; use one of them."
        )
    usable, skipped = found[filled[0]]
    if skipped:
        names = _first_names(skipped, data)
        logger.info("skipped %d files that are empty or hidden: %s", len(skipped), names)
    return usable


def _files(channel: Path) -> tuple[list[Path], list[Path]]:
    """Return the usable and the skipped files below a channel's directory."""
    usable: list[Path] = []
    skipped: list[Path] = []
    for file in sorted(path for path in channel.rglob("*") if path.is_file()):
        hidden = any(part.startswith((".", "_")) for part in file.relative_to(channel).parts)
        (skipped if hidden or file.stat().st_size == 0 else usable).append(file)
    return usable, skipped


def _first_names(files: list[Path], data: Path) -> str:
    return ", ".join(str(file.relative_to(data)) for file in files[:5])


def _nothing_usable(data: Path, found: dict[str, tuple[list[Path], list[Path]]]) -> str:
    skipped = [file for _, files in found.values() for file in files]
    if skipped:
        names = _first_names(skipped, data)
        content = f"only {len(skipped)} files that are empty or hidden ({names})"
    else:
        present = [name for name in TRAINING_CHANNELS if (data / name).is_dir()]
        content = f"an empty directory {present[0]}" if present else "no such directory"
    return (
        f"The channel training (or train) holds no data: there is {content} under {data}; "
        "put CSV files there, label in the first column, no header."
    )
