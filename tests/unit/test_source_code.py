"""Source code is fetched completely or not at all, and never outside its directory."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import ScriptError
from container.script_mode import source_code
from support.script_mode.sources import archive_of, archive_of_members, member, write_files

FILES = {"train.py": "pass\n", "pkg/module.py": "x = 1\n"}


def files_of(directory: Path) -> dict[str, str]:
    """Return name and content of every file below a directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(file.relative_to(directory)): file.read_text() for file in files}


def refusal(source: Path | str, directory: Path) -> str:
    """Return why code is refused; no file of it may remain."""
    with pytest.raises(ScriptError) as caught:
        source_code.fetch(str(source), directory)
    assert files_of(directory) == {}
    return str(caught.value)


@pytest.mark.parametrize("mode", ["", "gz", "bz2", "xz"])
def test_archive_is_unpacked(tmp_path: Path, mode: str) -> None:
    """An archive is unpacked, whatever its compression."""
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(archive_of(FILES, mode=mode))

    source_code.fetch(str(archive), tmp_path / "code")

    assert files_of(tmp_path / "code") == FILES


def test_archive_of_a_directory_is_unpacked(tmp_path: Path) -> None:
    """Names may begin with `./`; links within the archive are kept."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        source = write_files(tmp_path / "source", FILES)
        (source / "pkg/link.py").symlink_to("../train.py")
        tar.add(source, arcname=".")
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(content.getvalue())

    source_code.fetch(str(archive), tmp_path / "code")

    assert files_of(tmp_path / "code") == FILES | {"pkg/link.py": "pass\n"}
    assert (tmp_path / "code/pkg/link.py").readlink() == Path("../train.py")


def test_directory_is_copied(tmp_path: Path) -> None:
    """A directory is copied, and links are replaced by their targets."""
    (tmp_path / "elsewhere.py").write_text("y = 2\n")
    source = write_files(tmp_path / "source", FILES)
    (source / "linked.py").symlink_to(tmp_path / "elsewhere.py")

    source_code.fetch(str(source), tmp_path / "code")

    assert files_of(tmp_path / "code") == FILES | {"linked.py": "y = 2\n"}
    assert not (tmp_path / "code/linked.py").is_symlink()


def test_directory_with_a_pipe_is_refused(tmp_path: Path) -> None:
    """The message names the file that is not a plain file, and nothing is copied."""
    source = write_files(tmp_path / "source", FILES)
    os.mkfifo(source / "pipe")

    message = refusal(source, tmp_path / "code")

    assert message.startswith(f"The code in {source} cannot be copied: ")
    assert "is a named pipe" in message


@pytest.mark.parametrize(
    ("evil", "reason"),
    [
        (member("../x"), "'../x' is outside the archive"),
        (member("a/../../x"), "'a/../../x' is outside the archive"),
        (member("/etc/x"), "'/etc/x' is outside the archive"),
        (member("x", tarfile.FIFOTYPE), "'x' is a device or a pipe"),
        (member("x", tarfile.CHRTYPE), "'x' is a device or a pipe"),
        (member("x", tarfile.BLKTYPE), "'x' is a device or a pipe"),
        (member("x", tarfile.SYMTYPE, "/etc"), "'x' is a link to '/etc', outside the archive"),
        (member("x", tarfile.SYMTYPE, "../y"), "'x' is a link to '../y', outside the archive"),
        (member("a/x", tarfile.SYMTYPE, "../../y"), "'a/x' is a link to '../../y', outside"),
        (member("x", tarfile.SYMTYPE, "a/../../y"), "'x' is a link to 'a/../../y', outside"),
        (member("x", tarfile.LNKTYPE, "../y"), "'x' is a link to '../y', outside the archive"),
        (member("x", tarfile.LNKTYPE, "/etc/passwd"), "'x' is a link to '/etc/passwd', outside"),
    ],
)
def test_unsafe_archive_is_refused(
    tmp_path: Path, evil: tuple[tarfile.TarInfo, bytes], reason: str
) -> None:
    """The message names the unsafe member, and nothing of the archive is unpacked."""
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(archive_of_members([member("good.py"), evil]))

    message = refusal(archive, tmp_path / "ml/code")

    assert message.startswith(f"The archive {archive} is refused because {reason}")
    assert message.endswith("; pack only files, directories, and links between them.")


def test_archive_that_writes_through_a_link_is_refused(tmp_path: Path) -> None:
    """A file below a link would be written to the target of the link."""
    archive = tmp_path / "sourcedir.tar.gz"
    members = [member("d", tarfile.SYMTYPE, "."), member("d/d/x.py")]
    archive.write_bytes(archive_of_members(members))

    assert "because 'd/d/x.py' is below a link" in refusal(archive, tmp_path / "code")


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "/"]), min_size=1, max_size=5).map("/".join)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])


@given(members=st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6))
def test_no_archive_writes_or_points_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    """Whatever an archive contains, every unpacked path resolves to one inside the directory."""
    base = tmp_path_factory.mktemp("any")
    archive, directory = base / "sourcedir.tar", base / "in/code"
    archive.write_bytes(archive_of_members([member(*parts) for parts in members], mode=""))

    try:
        source_code.fetch(str(archive), directory)
    except (ScriptError, OSError):
        assert files_of(directory) == {}

    left = set(base.rglob("*")) - {archive, base / "in", directory}
    assert all(path.is_relative_to(directory) for path in left)
    assert all(_leads_inside(path, directory) for path in left)


def _leads_inside(path: Path, directory: Path) -> bool:
    try:
        return path.resolve().is_relative_to(directory)
    except RuntimeError:  # a link to itself leads nowhere
        return True


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9])
def test_broken_archive_is_refused(tmp_path: Path, part: float) -> None:
    """A cut archive, or an empty file, is refused; the message has a command to make an archive."""
    archive = tmp_path / "sourcedir.tar.gz"
    whole = archive_of({f"{number}.py": str(number**9) for number in range(100)})
    archive.write_bytes(whole[: int(part * len(whole))])

    message = refusal(archive, tmp_path / "code")

    assert message.startswith(f"{archive} cannot be unpacked (")
    assert "\n" not in message
    assert message.endswith("for example with: tar -czf sourcedir.tar.gz -C CODE .")


@pytest.mark.parametrize(
    ("source", "start"),
    [
        (
            "/is/not/there",
            "There is no code at '/is/not/there'; name a directory, a tar.gz",
        ),
        ("s3://bucket", "The address of the code is 's3://bucket'; write s3://BUCKET/KEY."),
        ("s3:///key", "The address of the code is 's3:///key'; write s3://BUCKET/KEY."),
        ("s3://bucket/", "The address of the code is 's3://bucket/'; write s3://BUCKET/KEY."),
    ],
)
def test_missing_code_is_refused(tmp_path: Path, source: str, start: str) -> None:
    """The message has the invalid source."""
    assert refusal(source, tmp_path / "code").startswith(start)


def test_directory_is_empty_without_complete_files(tmp_path: Path) -> None:
    """A missing directory is empty, and so is one with the rest of an interrupted fetch."""
    (tmp_path / "killed/.unfinished").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/train.py").touch()

    assert source_code.is_empty(tmp_path / "absent")
    assert source_code.is_empty(tmp_path / "killed")
    assert not source_code.is_empty(tmp_path / "full")
