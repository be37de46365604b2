"""Which files of the channels are read."""

from pathlib import Path

import pytest

from container.channels import training_files
from container.errors import TrainingDataError
from material import OptMl


def files_of(opt_ml: OptMl) -> list[str]:
    """Return what is read, relative to the directory of the channels."""
    data = opt_ml.base / "input/data"
    return [str(file.relative_to(data)) for file in training_files(data)]


@pytest.mark.parametrize("channel", ["training", "train"])
def test_channel_may_have_either_name(opt_ml: OptMl, channel: str) -> None:
    """The channel is called training or train; others do not matter."""
    opt_ml.write("a.csv", "a,1\n", channel=channel)
    opt_ml.write("b.csv", "b,1\n", channel="validation")

    assert files_of(opt_ml) == [f"{channel}/a.csv"]


def test_files_come_in_the_order_of_their_names(opt_ml: OptMl) -> None:
    """Files are sorted, sub-directories and files without a suffix included."""
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
    """Empty files, and those with a part that begins with a point or a low line, are named only."""
    opt_ml.write("a.csv", "a,1\n")
    opt_ml.write(name, content)
    caplog.set_level("INFO")

    files = files_of(opt_ml)

    assert files == ["training/a.csv"]
    assert f"skipped 1 files that are empty or hidden: training/{name}" in caplog.text


def test_directories_above_the_channel_may_be_hidden(tmp_path: Path) -> None:
    """Only the part of a path below the channel says whether a file is hidden."""
    opt_ml = OptMl(tmp_path / ".cache/_ml")
    opt_ml.write("a.csv", "a,1\n")

    assert files_of(opt_ml) == ["training/a.csv"]


def test_other_channel_may_hold_hidden_files(opt_ml: OptMl) -> None:
    """A second channel without a usable file does not matter."""
    opt_ml.write("a.csv", "a,1\n", channel="train")
    opt_ml.write("_SUCCESS", "yes", channel="training")

    assert files_of(opt_ml) == ["train/a.csv"]


def test_two_channels_with_files_are_refused(opt_ml: OptMl) -> None:
    """Both names at once would leave open which is meant."""
    opt_ml.write("a.csv", "a,1\n", channel="train")
    opt_ml.write("a.csv", "a,1\n", channel="training")

    with pytest.raises(TrainingDataError) as caught:
        files_of(opt_ml)

    assert "The channels training and train under" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (None, "no such directory"),
        ("training/", "an empty directory training"),
        ("train/", "an empty directory train"),
        ("training/_SUCCESS", "only 1 files that are empty or hidden (training/_SUCCESS)"),
        ("train/empty.csv", "only 1 files that are empty or hidden (train/empty.csv)"),
        ("validation/a.csv", "no such directory"),
    ],
)
def test_channel_without_data_is_refused(tmp_path: Path, name: str | None, found: str) -> None:
    """The message says what is there in place of data, where, and what to put there."""
    if name:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()

    with pytest.raises(TrainingDataError) as caught:
        training_files(tmp_path)

    assert str(caught.value) == (
        f"The channel training (or train) holds no data: there is {found} under {tmp_path}; "
        "put CSV files there, label in the first column, no header."
    )
