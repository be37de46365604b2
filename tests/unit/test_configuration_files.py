"""JSON files of the platform with any value in any place: a job runs, or fails with a sentence."""

import json
import logging
from contextlib import suppress
from pathlib import Path

import pytest

import algorithm
from container import supervisor
from container.errors import ScriptError, SettingsError, UserError
from container.paths import Paths
from container.script_mode import configuration
from container.script_mode.environment import variables
from container.training import job
from support.material import soak_only

VALUES = {
    "null": "null",
    "true": "true",
    "number": "-1",
    "fraction": "1.5",
    "infinite": "1e999",
    "nan": "NaN",
    "400_digits": "1" * 400,
    "5000_digits": "1" * 5000,
    "empty": '""',
    "word": '"a"',
    "lone_surrogate": '"\\ud800"',
    "control_characters": '"\\u0000\\n\\u001b"',
    "list": '["a", 1, null]',
    "object": '{"a": {"b": 1}}',
    "deep_list": "[" * 900 + "]" * 900,
    "too_deep_list": "[" * 100_000 + "]" * 100_000,
    "too_deep_object": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "text_of_a_deep_list": json.dumps("[" * 100_000),
}
"""JSON texts by name."""

FEW = ("null", "number", "lone_surrogate", "object", "too_deep_list")
SOME_VALUES = [*FEW, *(soak_only(name) for name in VALUES if name not in FEW)]
"""Names of all; without --soak, only one of each kind is tested."""

SETTINGS = ["TrainingInputMode", "ContentType", "RecordWrapperType", "S3DistributionType", "Other"]
HYPERPARAMETERS = ["label", "weight", "header", "delimiter", "task", "max_depth", "class_weight"]
PLACES = [
    *(("hyperparameters.json", f'{{"{name}": %s}}') for name in HYPERPARAMETERS),
    ("hyperparameters.json", "%s"),
    ("inputdataconfig.json", "%s"),
    ("inputdataconfig.json", '{"train": %s}'),
    *(("inputdataconfig.json", f'{{"train": {{"{name}": %s}}}}') for name in SETTINGS),
    ("resourceconfig.json", "%s"),
    ("resourceconfig.json", '{"hosts": %s, "current_host": "a"}'),
    ("resourceconfig.json", '{"hosts": ["a"], "current_host": %s}'),
]
RESOURCES = [
    "%s",
    '{"hosts": %s}',
    '{"hosts": [%s]}',
    '{"current_host": %s, "hosts": ["a"]}',
    '{"hosts": ["a"], "current_group_name": %s, "instance_groups": []}',
    '{"hosts": ["a"], "instance_groups": %s}',
    '{"hosts": ["a"], "instance_groups": [%s]}',
    '{"hosts": ["a"], "instance_groups": [{"instance_group_name": %s, "hosts": ["a"]}]}',
    '{"hosts": ["a"], "instance_groups": [{"instance_group_name": "g", "hosts": %s}]}',
    '{"hosts": ["a"], "current_instance_type": %s, "network_interface_name": %s}',
]
NAMES = ["", " ", "../x", "a/b", "\ud800", "\0", "x" * 300, "a\n"]


def failure_of(base: Path, file: str, content: bytes) -> Exception | None:
    """Run a job with one configuration file; return its error, or None if it succeeds."""
    for path, text in {
        f"input/config/{file}": content,
        "input/data/train/a.csv": b"a,1\nb,2\na,3\nb,4\n",
    }.items():
        (base / path).parent.mkdir(parents=True)
        (base / path).write_bytes(text)
    try:
        job.run(algorithm, Paths(base))
    except (UserError, SettingsError) as error:
        return error
    return None


@pytest.mark.parametrize("value", SOME_VALUES)
@pytest.mark.parametrize(("file", "place"), PLACES)
def test_any_value_of_a_configuration_file_is_used_or_refused(
    tmp_path: Path, file: str, place: str, value: str
) -> None:
    """Another error than that of a user or of the platform would be called a bug."""
    error = failure_of(tmp_path, file, (place % VALUES[value]).encode())

    if error is not None:
        message = supervisor.describe(error)
        assert message.endswith((".", "?"))
        assert not {"\n", "\0", "\x1b"} & set(message)


@pytest.mark.parametrize("value", SOME_VALUES)
@pytest.mark.parametrize("place", RESOURCES)
def test_any_value_of_the_hosts_is_passed_to_a_program_or_refused(
    tmp_path: Path, place: str, value: str
) -> None:
    """Script mode reads more of resourceconfig.json, to describe it in variables."""
    paths = Paths(tmp_path)
    paths.resource_config.parent.mkdir(parents=True)
    paths.resource_config.write_text(place.replace("%s", VALUES[value]))
    with suppress(ScriptError):
        found = variables(configuration.read(paths, {}), "p.py")

        assert set(map(type, found.values())) == {str}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["hyperparameters.json", "inputdataconfig.json"])
def test_any_name_in_a_configuration_file_is_used_or_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, name: str
) -> None:
    """A hyperparameter is unknown then; a channel that is not used may have any name."""
    caplog.set_level(logging.ERROR)  # pytest-xdist cannot transfer half a surrogate in a log
    content = {name: "1" if file == "hyperparameters.json" else {"TrainingInputMode": "File"}}

    error = failure_of(tmp_path, file, json.dumps(content).encode())

    assert (error is None) == (file == "inputdataconfig.json")
    assert error is None or f"{name[:80]!r} is unknown" in str(error)


@pytest.mark.parametrize("value", ["5", "false", "[]", "{}", '["text/csv"]'])
def test_setting_of_a_channel_that_is_not_a_text_is_refused(tmp_path: Path, value: str) -> None:
    """The message names the file, the setting and the channel."""
    content = f'{{"train": {{"ContentType": {value}}}}}'.encode()

    error = failure_of(tmp_path, "inputdataconfig.json", content)

    assert str(error) == (
        f"In {tmp_path}/input/config/inputdataconfig.json, ContentType of the channel 'train' is "
        "not a text; correct it, or leave it out."
    )


@pytest.mark.parametrize("file", ["hyperparameters", "inputdataconfig", "resourceconfig"])
def test_configuration_file_that_is_a_directory_is_refused(tmp_path: Path, file: str) -> None:
    """The message names the file and the reason."""
    (tmp_path / f"input/config/{file}.json").mkdir(parents=True)
    (tmp_path / "input/data/train").mkdir(parents=True)
    (tmp_path / "input/data/train/a.csv").write_text("a,1\nb,2\n")

    with pytest.raises((UserError, SettingsError)) as caught:
        job.run(algorithm, Paths(tmp_path))

    assert f"{file}.json cannot be read (Is a directory); " in str(caught.value)
