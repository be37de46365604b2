"""Fetch the source code of a program, and unpack archives safely."""

import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Set
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from container.errors import ScriptError
from container.paths import UNFINISHED, written_atomically
from container.script_mode.masking import masked

_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, KeyError, RecursionError)
"""Exceptions of tarfile for a file that is not an archive, is cut, or has dangling links."""

# Python 3.11.2 of Debian 12 has no filters yet; `_unsafe_reason` is as strict without them.
# https://docs.python.org/3/library/tarfile.html#supporting-older-python-versions
_DATA_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def fetch(source: str, directory: Path, endpoint_url: str | None = None) -> None:
    """Fetch the files of `source` into `directory`, all of them or none.

    Args:
        source: a directory, a tar archive (plain, or compressed with gzip, bzip2 or xz), or the
            address of such an archive, `s3://BUCKET/KEY`.
        directory: the target; it is created if it does not exist.
        endpoint_url: the endpoint of S3; by default boto3's own, AWS_ENDPOINT_URL included.

    Raises:
        ScriptError: the source does not exist, cannot be downloaded or is not an archive, or one
            of its members would be, or point, outside `directory`.
        OSError: a file cannot be written.
    """
    with written_atomically(directory) as unfinished:
        if source.startswith("s3://"):
            with tempfile.TemporaryDirectory() as scratch:
                archive = Path(scratch, "code.tar.gz")
                _download(source, archive, endpoint_url)
                _unpack(archive, source, unfinished)
        elif Path(source).is_dir():
            _copy(Path(source), unfinished)
        elif Path(source).is_file():
            _unpack(Path(source), source, unfinished)
        else:
            raise ScriptError(
                f"There is no code at {masked(source)!r}; name a directory, a tar.gz archive, or "
                "s3://BUCKET/KEY."
            )


def is_empty(directory: Path) -> bool:
    """Return whether a directory has no files or does not exist."""
    if not directory.is_dir():
        return True
    return all(path.name == UNFINISHED for path in directory.iterdir())


def _copy(source: Path, directory: Path) -> None:
    """Copy a directory; symbolic links are replaced by their targets."""
    try:
        shutil.copytree(source, directory, dirs_exist_ok=True)
    except shutil.Error as error:
        _, _, reason = error.args[0][0]
        raise ScriptError(
            f"The code in {source} cannot be copied: {reason}; keep only plain files in it."
        ) from error


def _download(address: str, file: Path, endpoint_url: str | None) -> None:
    parts = urlsplit(address, allow_fragments=False)
    bucket, key = parts.netloc, address.removeprefix(f"s3://{parts.netloc}/")
    if not bucket or not parts.path.strip("/"):
        raise ScriptError(f"The address of the code is {masked(address)!r}; write s3://BUCKET/KEY.")
    try:
        import boto3  # takes 0.2 s to import, and only the full image has it
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise ScriptError(
            f"The code is at {address}, but this image has no boto3; use the full image."
        ) from error
    try:
        boto3.client("s3", endpoint_url=endpoint_url).download_file(bucket, key, str(file))
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise ScriptError(
            f"The code at {address} cannot be downloaded: {error}; check that the object exists "
            "and that the role of the job may read it. In a job without network access, put the "
            "code into the channel code."
        ) from error


def _unpack(archive: Path, source: str, directory: Path) -> None:
    """Unpack an archive if all its members are safe; messages name it `source`."""
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            links = {PurePosixPath(member.name) for member in members if member.issym()}
            for member in members:
                reason = _unsafe_reason(member, links)
                if reason:
                    raise ScriptError(
                        f"The archive {source} is refused because {member.name!r} {reason}; pack "
                        "only files, directories, and links between them."
                    )
            tar.extractall(directory, members, **_DATA_FILTER)  # noqa: S202 - all members were checked
    except _BROKEN as error:
        reason = str(error).partition(":\n")[0]  # tarfile adds the reasons of all formats
        raise ScriptError(
            f"{source} cannot be unpacked ({reason}); pack the code as a tar.gz archive, for "
            "example with: tar -czf sourcedir.tar.gz -C CODE ."
        ) from error


def _unsafe_reason(member: tarfile.TarInfo, links: Set[PurePosixPath]) -> str | None:
    """Return why a member is unsafe, None for a safe one.

    No member may be below a link, and ".." may only be at the beginning of a link's target. So the
    parts of a path show where it leads, before anything is written.
    """
    path, target = PurePosixPath(member.name), PurePosixPath(member.linkname)
    depth = len(path.parts) - 1 if member.issym() else 0
    if not _stays_inside(path, 0):
        return "is outside the archive"
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return "is a device or a pipe"
    if not links.isdisjoint(path.parents):
        return "is below a link"
    if not member.isreg() and not _stays_inside(target, depth):
        return f"is a link to {member.linkname!r}, outside the archive"
    return None


def _stays_inside(path: PurePosixPath, depth: int) -> bool:
    """Return whether a path from `depth` directories deep stays inside, with any ".." first."""
    climbs = [part == ".." for part in path.parts]
    return not path.is_absolute() and not any(climbs[depth:]) and climbs == sorted(climbs)[::-1]
