"""Channels: which files and pipes are read for training and validation."""

import json
from pathlib import Path

import pytest

from container.data.channels import Channel, find
from container.data.streams import Source
from container.errors import TrainingDataError
from container.paths import Paths
from support.material import OptMl


def files_of(opt_ml: OptMl) -> list[str]:
    """Return the training files, relative to the directory of the channels."""
    training, _ = find(Paths(opt_ml.base))
    return [str(source.path.relative_to(opt_ml.base / "input/data")) for source in training.sources]


def configure(opt_ml: OptMl, channels: object) -> Path:
    """Write inputdataconfig.json; text is written as it is."""
    file = opt_ml.base / "input/config/inputdataconfig.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(channels if isinstance(channels, str) else json.dumps(channels))
    return file


def refusal_of(opt_ml: OptMl) -> str:
    """Return the error for channels that are refused."""
    with pytest.raises(TrainingDataError) as caught:
        find(Paths(opt_ml.base))
    return str(caught.value)


@pytest.mark.parametrize("training", ["training", "train"])
@pytest.mark.parametrize("validation", ["validation", "test"])
def test_channel_may_have_either_name(opt_ml: OptMl, training: str, validation: str) -> None:
    """Each purpose has two names; other channels are ignored."""
    file = opt_ml.write("a.csv", "a,1\n", channel=training)
    validated = opt_ml.write("b.csv", "b,1\n", channel=validation)
    opt_ml.write("c.py", "c,1\n", channel="code")

    assert find(Paths(opt_ml.base)) == (
        Channel(training, (Source(file),), None),
        Channel(validation, (Source(validated),), None),
    )


def test_validation_channel_is_optional(opt_ml: OptMl) -> None:
    """A job may have no validation channel, or one without files."""
    opt_ml.write("a.csv", "a,1\n")
    opt_ml.write("_SUCCESS", "yes", channel="validation")

    assert find(Paths(opt_ml.base))[1] is None


def test_channel_with_hidden_files_only_is_ignored(opt_ml: OptMl) -> None:
    """A second channel without a usable file is not ambiguous."""
    opt_ml.write("a.csv", "a,1\n", channel="train")
    opt_ml.write("_SUCCESS", "yes", channel="training")

    assert files_of(opt_ml) == ["train/a.csv"]


@pytest.mark.parametrize("names", [("training", "train"), ("validation", "test")])
def test_two_channels_for_one_purpose_are_refused(opt_ml: OptMl, names: tuple[str, str]) -> None:
    """With both names present it is not clear which one to use."""
    for channel in ("training", *names):
        opt_ml.write("a.csv", "a,1\n", channel=channel)

    assert refusal_of(opt_ml) == (
        f"The channels {names[0]} and {names[1]} under {opt_ml.base}/input/data both hold data; "
        "use one of them."
    )


@pytest.mark.parametrize("mode", [None, "File", "FastFile"])
@pytest.mark.parametrize("wrapper", [None, "None"])
def test_channel_has_its_configured_content_type(
    opt_ml: OptMl, mode: str | None, wrapper: str | None
) -> None:
    """A channel has the content type that is configured for it, not that of another channel."""
    file = opt_ml.write("a.csv", "a,1\n", channel="train")
    other = opt_ml.write("b.csv", "b,1\n", channel="validation")
    settings = {"ContentType": "text/csv", "RecordWrapperType": wrapper, "S3DistributionType": "x"}
    configure(opt_ml, {"train": settings | ({"TrainingInputMode": mode} if mode else {})})

    assert find(Paths(opt_ml.base)) == (
        Channel("train", (Source(file),), "text/csv"),
        Channel("validation", (Source(other),), None),
    )


def test_channel_in_pipe_mode_is_its_first_epoch(opt_ml: OptMl) -> None:
    """The pipe need not exist yet; the platform creates one for each epoch."""
    configure(
        opt_ml,
        {
            "train": {"TrainingInputMode": "Pipe", "ContentType": "text/csv"},
            "validation": {"TrainingInputMode": "Pipe"},
        },
    )
    data = opt_ml.base / "input/data"

    assert find(Paths(opt_ml.base)) == (
        Channel("train", (Source(data / "train_0", is_pipe=True),), "text/csv"),
        Channel("validation", (Source(data / "validation_0", is_pipe=True),), None),
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"TrainingInputMode": "Stream"},
            "the input mode 'Stream'; use File, FastFile or Pipe.",
        ),
        (
            {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"},
            (
                "the record wrapper type 'RecordIO'; use None: the files of a channel are read as "
                "they are."
            ),
        ),
    ],
)
def test_unknown_input_mode_is_refused(
    opt_ml: OptMl, settings: dict[str, str], problem: str
) -> None:
    """Unknown input modes and record wrappers are refused, because rows could be misread."""
    opt_ml.write("a.csv", "a,1\n", channel="train")
    configure(opt_ml, {"train": settings})

    assert refusal_of(opt_ml) == f"The channel train has {problem}"


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, "\\xff"])
def test_configuration_that_is_not_json_is_refused(opt_ml: OptMl, text: str) -> None:
    """The message names the file."""
    opt_ml.write("a.csv", "a,1\n")
    file = configure(opt_ml, text)

    message = refusal_of(opt_ml)
    assert message.startswith(f"{file} is not JSON (")
    assert message.endswith("); the platform writes it.")


@pytest.mark.parametrize("content", [[], None, {"train": "File"}, {"train": None}])
def test_configuration_of_another_form_is_refused(opt_ml: OptMl, content: object) -> None:
    """The message shows the expected form."""
    opt_ml.write("a.csv", "a,1\n")
    file = configure(opt_ml, content)

    assert refusal_of(opt_ml) == (
        f"{file} must be a JSON object with one object per channel, such as "
        '{"train": {"TrainingInputMode": "File"}}.'
    )


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "no channel at all"),
        (["training/"], "the channel training without files"),
        (["notes.txt"], "no channel at all"),
        (["code/a.py", "sm_drivers/b.sh"], "no channel at all"),
        (
            ["train/_SUCCESS"],
            "the channel train with 1 file, 1 of them empty or hidden (train/_SUCCESS)",
        ),
        (
            ["iris/a.csv", "iris/.b", "code/a.py", "validation/c.csv"],
            (
                "the channel iris with 2 files, 1 of them empty or hidden (iris/.b, iris/a.csv); "
                "the channel validation with 1 file (validation/c.csv)"
            ),
        ),
        (
            [f"x/{number}.csv" for number in range(6)],
            "the channel x with 6 files (x/0.csv, x/1.csv, x/2.csv, x/3.csv, x/4.csv, ...)",
        ),
    ],
)
def test_job_without_training_data_is_refused(opt_ml: OptMl, names: list[str], found: str) -> None:
    """The message lists the channels and files that exist, and gives the remedy."""
    data = opt_ml.base / "input/data"
    for name in names:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).mkdir() if name.endswith("/") else (data / name).write_text("x,1\n")

    assert refusal_of(opt_ml) == (
        f"The channel training (or train) has no data; found under {data}: {found}. Give the job "
        "a channel of that name with files that have a label and numbers in each row."
    )


def test_configured_channel_without_files_is_listed(opt_ml: OptMl) -> None:
    """A channel that is configured but has no directory appears in the message."""
    configure(opt_ml, {"train": {"TrainingInputMode": "File"}, "code": {}})

    assert ": the channel train without files. Give" in refusal_of(opt_ml)
