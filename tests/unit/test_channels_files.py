"""Files of a channel: order, hidden and empty files, copies and partitions."""

from pathlib import Path

import pytest

from container.data.channels import find
from container.errors import TrainingDataError
from container.paths import Paths
from support.material import OptMl


def files_of(opt_ml: OptMl) -> list[str]:
    """Return the training files, relative to the directory of the channels."""
    training, _ = find(Paths(opt_ml.base))
    return [str(source.path.relative_to(opt_ml.base / "input/data")) for source in training.sources]


def refusal_of(opt_ml: OptMl) -> str:
    """Return the error for channels that are refused."""
    with pytest.raises(TrainingDataError) as caught:
        find(Paths(opt_ml.base))
    return str(caught.value)


def test_files_are_sorted_by_name(opt_ml: OptMl) -> None:
    """Files in sub-directories and without a suffix are sorted by path too."""
    for name in ("z.csv", "part-2", "part/b.csv", "part/a/deep.csv", "B.csv", "a.csv"):
        opt_ml.write(name, "a,1\n")

    names = ["B.csv", "a.csv", "part/a/deep.csv", "part/b.csv", "part-2", "z.csv"]
    assert files_of(opt_ml) == [f"training/{name}" for name in names]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", ""),
        (".hidden.csv", "a,1\n"),
        ("._a.csv", "\0\5\26\7"),
        ("_SUCCESS", "yes"),
        (".git/a.csv", "a,1\n"),
        ("_temporary/0/a.csv", "a,1\n"),
    ],
)
def test_files_that_are_empty_or_hidden_are_skipped(
    opt_ml: OptMl, caplog: pytest.LogCaptureFixture, name: str, content: str
) -> None:
    """Empty files, and paths with a part that begins with "." or "_", are skipped and logged."""
    opt_ml.write("a.csv", "a,1\n")
    opt_ml.write(name, content)
    caplog.set_level("INFO")

    files = files_of(opt_ml)

    assert files == ["training/a.csv"]
    assert caplog.messages == [f"skipped 1 files that are empty or hidden: training/{name}"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["_delta_log/0.json", "part-0.parquet"], "training is a Delta Lake table"),
        (["x/_delta_log/0.json", "x/part-0.parquet"], "training/x is a Delta Lake table"),
        ([".hoodie/hoodie.properties", "a.parquet"], "training is a Hudi table"),
    ],
)
def test_table_with_a_log_is_refused(opt_ml: OptMl, names: list[str], found: str) -> None:
    """The log, which is not read, may have removed some of the files."""
    for name in names:
        opt_ml.write(name, "a,1\n")

    assert refusal_of(opt_ml) == (
        f"{opt_ml.base}/input/data/{found}, whose files may contain deleted rows; export it as "
        "plain Parquet or CSV."
    )


@pytest.mark.parametrize("suffix", [".gz", ".gzip", ".zst", ".zstd"])
def test_compressed_copy_next_to_its_original_is_refused(opt_ml: OptMl, suffix: str) -> None:
    """The rows of a file and its compressed copy would count twice."""
    opt_ml.write("x/a.csv", "a,1\n")
    copy = opt_ml.write(f"x/a.csv{suffix}", "a,1\n")

    assert refusal_of(opt_ml) == (
        f"{copy} looks like a compressed copy of a.csv next to it, whose rows would count twice; "
        "remove or rename one of them."
    )


def test_file_with_another_name_is_not_a_copy(opt_ml: OptMl) -> None:
    """A file in another folder or with another suffix is no copy, nor is an empty or hidden one."""
    names = ("a.csv", "a.parquet", "b.csv.gz", "x/a.csv.gz")
    for name in (*names, "_b.csv"):
        opt_ml.write(name, "a,1\n")
    opt_ml.write("b.csv", "")

    assert files_of(opt_ml) == [f"training/{name}" for name in names]


def test_partition_folders_are_logged(opt_ml: OptMl, caplog: pytest.LogCaptureFixture) -> None:
    """A warning says that names of partition folders are not read as columns."""
    for year in range(2019, 2026):
        opt_ml.write(f"year={year}/month=1/a.csv", "a,1\n")

    assert len(files_of(opt_ml)) == 7
    (message,) = caplog.messages
    assert message == (
        "the names of folders are not read as columns: month=1, year=2019, year=2020, year=2021, "
        "year=2022"
    )


def test_directories_above_the_channel_may_be_hidden(tmp_path: Path) -> None:
    """Only the part of a path below the channel decides whether a file is hidden."""
    opt_ml = OptMl(tmp_path / ".cache/_ml")
    opt_ml.write("a.csv", "a,1\n")

    assert files_of(opt_ml) == ["training/a.csv"]
