"""Code that is brought: from a directory or an archive, whole, and never out of its place."""

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
    """Return why some code is not brought; nothing of it may be left."""
    with pytest.raises(ScriptError) as caught:
        source_code.bring(str(source), directory)
    assert files_of(directory) == {}
    return str(caught.value)


@pytest.mark.parametrize("mode", ["", "gz", "bz2", "xz"])
def test_archive_is_unpacked(tmp_path: Path, mode: str) -> None:
    """Whatever compresses it, an archive becomes its files."""
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(archive_of(FILES, mode=mode))

    source_code.bring(str(archive), tmp_path / "code")

    assert files_of(tmp_path / "code") == FILES


def test_archive_of_a_directory_is_unpacked(tmp_path: Path) -> None:
    """Names may begin with `./`, and links within the archive are kept."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        source = write_files(tmp_path / "source", FILES)
        (source / "pkg/link.py").symlink_to("../train.py")
        tar.add(source, arcname=".")
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(content.getvalue())

    source_code.bring(str(archive), tmp_path / "code")

    assert files_of(tmp_path / "code") == FILES | {"pkg/link.py": "pass\n"}
    assert (tmp_path / "code/pkg/link.py").readlink() == Path("../train.py")


def test_directory_is_copied(tmp_path: Path) -> None:
    """A directory becomes a copy, in which a link is what it points to."""
    (tmp_path / "elsewhere.py").write_text("y = 2\n")
    source = write_files(tmp_path / "source", FILES)
    (source / "linked.py").symlink_to(tmp_path / "elsewhere.py")

    source_code.bring(str(source), tmp_path / "code")

    assert files_of(tmp_path / "code") == FILES | {"linked.py": "y = 2\n"}
    assert not (tmp_path / "code/linked.py").is_symlink()


def test_directory_with_a_pipe_is_refused(tmp_path: Path) -> None:
    """What is no plain file is named, and nothing is brought."""
    source = write_files(tmp_path / "source", FILES)
    os.mkfifo(source / "pipe")

    message = refusal(source, tmp_path / "code")

    assert message.startswith(f"The code in {source} cannot be copied: ")
    assert "is a named pipe" in message


@pytest.mark.parametrize(
    ("evil", "reason"),
    [
        (member("../x"), "'../x' lies out of the archive"),
        (member("a/../../x"), "'a/../../x' lies out of the archive"),
        (member("/etc/x"), "'/etc/x' lies out of the archive"),
        (member("x", tarfile.FIFOTYPE), "'x' is a device or a pipe"),
        (member("x", tarfile.CHRTYPE), "'x' is a device or a pipe"),
        (member("x", tarfile.BLKTYPE), "'x' is a device or a pipe"),
        (member("x", tarfile.SYMTYPE, "/etc"), "'x' is a link to '/etc', out of the archive"),
        (member("x", tarfile.SYMTYPE, "../y"), "'x' is a link to '../y', out of the archive"),
        (member("a/x", tarfile.SYMTYPE, "../../y"), "'a/x' is a link to '../../y', out of the"),
        (member("x", tarfile.SYMTYPE, "a/../../y"), "'x' is a link to 'a/../../y', out of the"),
        (member("x", tarfile.LNKTYPE, "../y"), "'x' is a link to '../y', out of the archive"),
        (member("x", tarfile.LNKTYPE, "/etc/passwd"), "'x' is a link to '/etc/passwd', out of"),
    ],
)
def test_archive_that_leads_out_is_refused(
    tmp_path: Path, evil: tuple[tarfile.TarInfo, bytes], reason: str
) -> None:
    """One bad member is named, and nothing of the archive is unpacked."""
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(archive_of_members([member("good.py"), evil]))

    message = refusal(archive, tmp_path / "ml/code")

    assert message.startswith(f"The archive {archive} is not unpacked, since {reason}")
    assert message.endswith("; pack only files, directories, and links between them.")


def test_archive_that_writes_through_a_link_is_refused(tmp_path: Path) -> None:
    """A file below a link would lie wherever the link leads to."""
    archive = tmp_path / "sourcedir.tar.gz"
    members = [member("d", tarfile.SYMTYPE, "."), member("d/d/x.py")]
    archive.write_bytes(archive_of_members(members))

    assert "since 'd/d/x.py' lies below a link" in refusal(archive, tmp_path / "code")


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "/"]), min_size=1, max_size=5).map("/".join)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])


@given(members=st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6))
def test_no_archive_writes_or_leads_out(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    """Whatever an archive holds, all that it leaves resolves to a place inside the directory."""
    base = tmp_path_factory.mktemp("any")
    archive, directory = base / "sourcedir.tar", base / "in/code"
    archive.write_bytes(archive_of_members([member(*parts) for parts in members], mode=""))

    try:
        source_code.bring(str(archive), directory)
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
    """An archive that is cut, or none at all, is refused with the command that makes one."""
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
        ("/is/not/there", "The code should be at '/is/not/there', where there is nothing; name a "),
        ("s3://bucket", "The code should be at 's3://bucket'; write s3://BUCKET/KEY."),
        ("s3:///key", "The code should be at 's3:///key'; write s3://BUCKET/KEY."),
        ("s3://bucket/", "The code should be at 's3://bucket/'; write s3://BUCKET/KEY."),
    ],
)
def test_code_that_is_nowhere_is_refused(tmp_path: Path, source: str, start: str) -> None:
    """A source that cannot be one is named."""
    assert refusal(source, tmp_path / "code").startswith(start)


def test_directory_is_empty_without_files_of_its_own(tmp_path: Path) -> None:
    """One that is not there is empty, and so is one with the rest of a killed unpacking."""
    (tmp_path / "killed/.unfinished").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/train.py").touch()

    assert source_code.is_empty(tmp_path / "absent")
    assert source_code.is_empty(tmp_path / "killed")
    assert not source_code.is_empty(tmp_path / "full")
