"""Files of a channel that are no data: manifests, metadata of queries, backups and copies."""

import filecmp
import re
from collections.abc import Sequence
from pathlib import Path

from container.errors import TrainingDataError

_BESIDE = {
    "~": "a backup",
    ".bak": "a backup",
    ".orig": "a backup",
    ".old": "a backup",
    ".metadata": "metadata of a query",
}
"""Ends of names of files beside the file that they are made of."""

_NEVER_DATA = ("~", ".metadata")
_COPY = re.compile(r"(.+?)( - [Cc]opy| copy|[-_.]copy)?( ?\([0-9]+\))?(\.[^/]*)?")
_MANIFEST = re.compile(rb'\s*\[\s*\{\s*"prefix"')
_HEAD_BYTES = 4096


def reasons(files: Sequence[Path]) -> dict[Path, str]:
    """Return the files that are certainly no data, each with what it is.

    Raises:
        TrainingDataError: a file seems to be no data, but is not certain to be none.
    """
    existing = set(files)
    found = {file: what for file in files if (what := _reason(file, existing))}
    for file in files:
        end = next((end for end in _NEVER_DATA if file.name.endswith(end)), None)
        if end and file not in found:
            raise TrainingDataError(
                f"{file} seems to be {_BESIDE[end]}, and not data; leave it out of the channel, "
                "or rename it."
            )
    return found


def _reason(file: Path, existing: set[Path]) -> str:
    """Return what a file is that is no data; empty if it may be data."""
    name = file.name
    if name.startswith("~$"):
        return "a lock of Office"
    for end, what in _BESIDE.items():
        if name.endswith(end) and file.with_name(name.removesuffix(end)) in existing:
            return f"{what} of {name.removesuffix(end)}"
    if name == "manifest" or name.endswith(".manifest"):
        with file.open("rb") as opened:
            return "a manifest" if _MANIFEST.match(opened.read(_HEAD_BYTES)) else ""
    parts = _COPY.fullmatch(name)
    if parts is not None and (parts[2] or parts[3]):
        original = file.with_name(parts[1] + (parts[4] or ""))
        if original in existing and filecmp.cmp(file, original, shallow=False):
            return f"a copy of {original.name}"
    return ""
