"""Code that somebody brings: fetched from where it is, and unpacked so that it stays in place."""

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
from container.supervisor import UNFINISHED, whole_or_nothing

_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, KeyError, RecursionError)
"""What tarfile raises over an archive that is none, or not whole, or has links to nothing."""

# Python 3.11.2, of Debian 12, has none yet; what leads out is refused all the same.
# https://docs.python.org/3/library/tarfile.html#supporting-older-python-versions
_AS_DATA: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def bring(source: str, directory: Path, endpoint_url: str | None = None) -> None:
    """Bring the files of `source` into `directory`, all of them or none.

    Args:
        source: a directory, a tar archive (plain, or compressed with gzip, bzip2 or xz), or the
            address of such an archive, `s3://BUCKET/KEY`.
        directory: where the files go; it is made when it is not there.
        endpoint_url: what answers for S3; by default what boto3 finds, AWS_ENDPOINT_URL included.

    Raises:
        ScriptError: there is nothing of that name, it cannot be fetched, it is no archive, or
            something in it would lie, or lead, out of `directory`.
        OSError: a file cannot be written.
    """
    with whole_or_nothing(directory) as unfinished:
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
                f"The code should be at {source!r}, where there is nothing; name a directory, a "
                "tar.gz archive, or s3://BUCKET/KEY."
            )


def is_empty(directory: Path) -> bool:
    """Say whether a directory has no files, or is not there."""
    if not directory.is_dir():
        return True
    return all(path.name == UNFINISHED for path in directory.iterdir())


def _copy(source: Path, directory: Path) -> None:
    """Copy a directory; a link becomes what it points to."""
    try:
        shutil.copytree(source, directory, dirs_exist_ok=True)
    except shutil.Error as error:
        _, _, reason = error.args[0][0]
        raise ScriptError(
            f"The code in {source} cannot be copied: {reason}; leave out what is no plain file."
        ) from error


def _download(address: str, file: Path, endpoint_url: str | None) -> None:
    """Write the object at an s3:// address to a file."""
    parts = urlsplit(address, allow_fragments=False)
    bucket, key = parts.netloc, address.removeprefix(f"s3://{parts.netloc}/")
    if not bucket or not parts.path.strip("/"):
        raise ScriptError(f"The code should be at {address!r}; write s3://BUCKET/KEY.")
    try:
        import boto3  # takes a fifth of a second, and only the image that trains has it
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise ScriptError(
            f"The code is at {address}, but boto3 is not installed here; use the image that trains."
        ) from error
    try:
        boto3.client("s3", endpoint_url=endpoint_url).download_file(bucket, key, str(file))
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise ScriptError(
            f"The code at {address} cannot be fetched: {error}; check that the object is there and "
            "that the role of the job may read it. A job without network takes its code from the "
            "channel code."
        ) from error


def _unpack(archive: Path, source: str, directory: Path) -> None:
    """Unpack an archive that was at `source`, if all its members are safe."""
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            links = {PurePosixPath(member.name) for member in members if member.issym()}
            for member in members:
                reason = _danger(member, links)
                if reason:
                    raise ScriptError(
                        f"The archive {source} is not unpacked, since {member.name!r} {reason}; "
                        "pack only files, directories, and links between them."
                    )
            tar.extractall(directory, members, **_AS_DATA)  # noqa: S202 - all are safe
    except _BROKEN as error:
        reason = str(error).partition(":\n")[0]  # tarfile adds what each format says
        raise ScriptError(
            f"{source} cannot be unpacked ({reason}); pack the code as a tar.gz archive, for "
            "example with: tar -czf sourcedir.tar.gz -C CODE ."
        ) from error


def _danger(member: tarfile.TarInfo, links: Set[PurePosixPath]) -> str | None:
    """Return what makes a member unsafe, None for one that is safe.

    No member lies below a link, and a link climbs at its beginning only. So what a path leads to
    can be told from its words, before anything is written.
    """
    path, target = PurePosixPath(member.name), PurePosixPath(member.linkname)
    depth = len(path.parts) - 1 if member.issym() else 0
    if not _stays(path, 0):
        return "lies out of the archive"
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return "is a device or a pipe"
    if not links.isdisjoint(path.parents):
        return "lies below a link"
    if not member.isreg() and not _stays(target, depth):
        return f"is a link to {member.linkname!r}, out of the archive"
    return None


def _stays(path: PurePosixPath, depth: int) -> bool:
    """Say whether a path that begins `depth` directories deep stays inside, and climbs at once."""
    climbs = [part == ".." for part in path.parts]
    return not path.is_absolute() and not any(climbs[depth:]) and climbs == sorted(climbs)[::-1]
