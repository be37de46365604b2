"""Settings and paths, read from environments that are plain dicts."""

from pathlib import Path

import pytest

from container.errors import SettingsError
from container.resources import available_cores
from container.settings import PROGRAM_DIR, Paths, Settings

NUMBERS = ["MODEL_SERVER_WORKERS", "MODEL_SERVER_TIMEOUT", "SAGEMAKER_MAX_PAYLOAD_IN_MB"]
NUMBERS += ["SAGEMAKER_BIND_TO_PORT"]


def test_settings_without_variables_are_those_of_the_platform() -> None:
    """An empty environment gives the documented defaults."""
    settings = Settings.from_environ({})

    assert settings == Settings(
        paths=Paths(Path("/opt/ml")),
        cores=available_cores(),
        workers=available_cores(),
        timeout_seconds=60,
        max_payload_bytes=104_857_600,
        port=8080,
        worker_user=None,
    )


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("MODEL_SERVER_WORKERS", "1", "workers", 1),
        ("MODEL_SERVER_WORKERS", "512", "workers", 512),
        ("MODEL_SERVER_TIMEOUT", "86400", "timeout_seconds", 86_400),
        ("MODEL_SERVER_TIMEOUT", " 5 ", "timeout_seconds", 5),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "6", "max_payload_bytes", 6_291_456),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "0", "max_payload_bytes", 0),
        ("SAGEMAKER_BIND_TO_PORT", "65535", "port", 65_535),
        ("SAGEMAKER_BIND_TO_PORT", "0080", "port", 80),
        ("MODEL_SERVER_USER", "nobody", "worker_user", "nobody"),
        ("SAGEMAKER_BASE_DIR", "/tmp/ml", "paths", Paths(Path("/tmp/ml"))),  # noqa: S108
    ],
)
def test_settings_take_a_variable(variable: str, text: str, field: str, value: object) -> None:
    """A variable sets its own field and no other."""
    defaults = vars(Settings.from_environ({}))

    settings = vars(Settings.from_environ({variable: text}))

    assert settings == defaults | {field: value}


@pytest.mark.parametrize("variable", [*NUMBERS, "MODEL_SERVER_USER", "SAGEMAKER_BASE_DIR"])
def test_settings_take_an_empty_variable_as_none(variable: str) -> None:
    """A variable that is set to nothing means the default."""
    settings = Settings.from_environ({variable: ""})

    assert settings == Settings.from_environ({})


@pytest.mark.parametrize("variable", NUMBERS)
@pytest.mark.parametrize(
    "text", ["two", "-1", "+1", "1.5", "1e1", "0x1", "1_0", "٣", "1 0", "9" * 30]
)
def test_settings_refuse_what_is_no_whole_number(variable: str, text: str) -> None:
    """A value that is no plain decimal number is refused with variable, value and expectation."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({variable: text})

    assert str(caught.value).startswith(f"{variable} is {text!r}; it must be a whole number from ")


@pytest.mark.parametrize(
    ("variable", "text", "range_text"),
    [
        ("MODEL_SERVER_WORKERS", "0", "from 1 to 512"),
        ("MODEL_SERVER_WORKERS", "513", "from 1 to 512"),
        ("MODEL_SERVER_TIMEOUT", "0", "from 1 to 86400"),
        ("MODEL_SERVER_TIMEOUT", "86401", "from 1 to 86400"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "1048577", "from 0 to 1048576"),
        ("SAGEMAKER_BIND_TO_PORT", "0", "from 1 to 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "65536", "from 1 to 65535"),
    ],
)
def test_settings_refuse_what_is_out_of_range(variable: str, text: str, range_text: str) -> None:
    """A number beyond the range is refused with the range."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({variable: text})

    assert str(caught.value) == f"{variable} is {text!r}; it must be a whole number {range_text}."


def test_settings_refuse_a_relative_base_directory() -> None:
    """A relative base directory is refused, and the message shows the absolute one."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"SAGEMAKER_BASE_DIR": "ml"})

    assert str(caught.value) == (
        "SAGEMAKER_BASE_DIR is 'ml'; it must be an absolute path, "
        f"for example {str(Path.cwd() / 'ml')!r}."
    )


def test_paths_are_those_of_the_platform() -> None:
    """Every path lies where the platform puts it."""
    paths = Paths.from_environ({})

    assert paths.hyperparameters == Path("/opt/ml/input/config/hyperparameters.json")
    assert paths.data == Path("/opt/ml/input/data")
    assert paths.model == Path("/opt/ml/model")
    assert paths.failure == Path("/opt/ml/output/failure")


def test_program_dir_is_where_the_programs_are() -> None:
    """The program's folder is found from its own files, not from the caller's directory."""
    assert (PROGRAM_DIR / "nginx.conf").is_file()
