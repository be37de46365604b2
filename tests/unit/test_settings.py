"""Settings and paths, read from dictionaries as environments."""

from dataclasses import fields
from pathlib import Path

import pytest

from container.errors import SettingsError
from container.formats.media_types import OUTPUTS, REPLIES
from container.paths import PROGRAM_DIR, Paths
from container.resources import (
    Resources,
    body_buffer_bytes,
    request_bytes,
    worker_count,
    worker_size,
)
from container.settings import Settings

WORKERS = ["MODEL_SERVER_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS"]
THREADS = ["MODEL_SERVER_THREADS", "SAGEMAKER_MODEL_SERVER_THREADS"]
TIMEOUT = ["MODEL_SERVER_TIMEOUT", "SAGEMAKER_MODEL_SERVER_TIMEOUT"]
TIMEOUT += ["SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"]
LOG_LEVEL = ["MODEL_SERVER_LOG_LEVEL", "SAGEMAKER_CONTAINER_LOG_LEVEL"]
PAYLOAD = "SAGEMAKER_MAX_PAYLOAD_IN_MB"
PORT = "SAGEMAKER_BIND_TO_PORT"
CONCURRENT = "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"
ACCEPT = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
OUTPUT = "SAGEMAKER_INFERENCE_OUTPUT"
OTHERS = [PAYLOAD, PORT, CONCURRENT, ACCEPT, OUTPUT, "SAGEMAKER_BATCH"]
OTHERS += ["SAGEMAKER_STARTUP_TIMEOUT", "BAD_RECORDS", "MODEL_SERVER_USER", "SAGEMAKER_BASE_DIR"]

RESOURCES = Resources.of_this_process()
SIZE = worker_size(Path("/opt/ml/model"))
FITTING = worker_count(RESOURCES.cores, RESOURCES.memory, SIZE)


def changed(**variables: str) -> dict[str, object]:
    """Return the fields that differ from those of an empty environment."""
    settings, defaults = Settings.from_environ(variables), Settings.from_environ({})
    values = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    return {name: value for name, value in values.items() if value != getattr(defaults, name)}


def refusal(**variables: str) -> str:
    """Return the message of the error."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(variables)
    return str(caught.value)


def test_empty_environment_gives_the_defaults() -> None:
    """The defaults are the documented ones."""
    noun = "worker" if FITTING == 1 else "workers"

    assert Settings.from_environ({}) == Settings(
        paths=Paths(Path("/opt/ml")),
        cores=RESOURCES.cores,
        workers=FITTING,
        workers_reason=f"{FITTING} {noun}: {RESOURCES.explain(SIZE)}",
        threads=max(1, RESOURCES.cores // FITTING),
        timeout_seconds=60,
        startup_seconds=450,
        max_payload_bytes=104_857_600,
        body_buffer_bytes=body_buffer_bytes(RESOURCES.memory),
        request_bytes=request_bytes(RESOURCES.memory, FITTING, SIZE),
        log_level=20,
        outputs=None,
        default_accept="text/csv",
        bad_records="fail",
        port=8080,
        batch=False,
        max_concurrent_transforms=min(FITTING, 16),
        mini_batch_megabytes=6,
        worker_user=None,
    )


@pytest.mark.parametrize(
    ("variables", "text", "field", "value"),
    [
        (THREADS, "512", "threads", 512),
        (TIMEOUT, "86400", "timeout_seconds", 86_400),
        (TIMEOUT, " 5 ", "timeout_seconds", 5),
        (LOG_LEVEL, "10", "log_level", 10),
        (LOG_LEVEL, "DEBUG", "log_level", 10),
        (LOG_LEVEL, "warning", "log_level", 30),
        (LOG_LEVEL, "Warn", "log_level", 30),
        (LOG_LEVEL, "ERROR", "log_level", 40),
        (LOG_LEVEL, "50", "log_level", 50),
        ([OUTPUT], "probability", "outputs", ("probability",)),
        ([OUTPUT], "labels, predicted_label", "outputs", ("labels", "predicted_label")),
        ([ACCEPT], "application/json", "default_accept", "application/json"),
        ([ACCEPT], "Application/X-NPY", "default_accept", "application/x-npy"),
        (["BAD_RECORDS"], "mark", "bad_records", "mark"),
        ([PORT], "65535", "port", 65_535),
        ([PORT], "0080", "port", 80),
        (["SAGEMAKER_STARTUP_TIMEOUT"], "3600", "startup_seconds", 3600),
        (["MODEL_SERVER_USER"], "nobody", "worker_user", "nobody"),
        (["SAGEMAKER_BASE_DIR"], "/no/ml", "paths", Paths(Path("/no/ml"))),
    ],
)
def test_variable_sets_its_field(
    variables: list[str], text: str, field: str, value: object
) -> None:
    """A variable, under each of its names, sets its own field and no other."""
    for variable in variables:
        assert changed(**{variable: text}) == {field: value}


@pytest.mark.parametrize("variable", [*WORKERS, *THREADS, *TIMEOUT, *LOG_LEVEL, *OTHERS])
def test_empty_variable_means_the_default(variable: str) -> None:
    """An empty variable is treated as not set."""
    assert changed(**{variable: ""}) == {}


@pytest.mark.parametrize("variable", WORKERS)
@pytest.mark.parametrize(("text", "noun"), [("1", "worker"), ("512", "workers")])
def test_number_of_workers_can_be_set(variable: str, text: str, noun: str) -> None:
    """The number is not limited; the log says that it was set, and how many would fit."""
    settings = Settings.from_environ({variable: text})

    assert settings.workers == int(text)
    assert settings.workers_reason == f"{text} {noun} as set: {RESOURCES.explain(SIZE)}"
    assert settings.threads == max(1, RESOURCES.cores // int(text))
    assert settings.max_concurrent_transforms == min(int(text), 16)


def test_large_model_has_fewer_workers(tmp_path: Path) -> None:
    """A model that fits into memory once has one worker, whose threads use all cores."""
    (tmp_path / "model").mkdir()
    with (tmp_path / "model/model.onnx").open("wb") as file:
        file.truncate(2**40)  # sparse

    settings = Settings.from_environ({"SAGEMAKER_BASE_DIR": str(tmp_path)})

    assert (settings.workers, settings.threads) == (1, RESOURCES.cores)
    assert settings.workers_reason.endswith("for 0 workers of 13631648 MiB")


@pytest.mark.parametrize(
    ("text", "size", "concurrent", "megabytes"),
    [
        ("6", 6_291_456, 3, 6),
        ("0", 0, 3, 0),
        ("50", 52_428_800, 2, 50),
        ("200", 2**20 * 200, 1, 100),
    ],
)
def test_payload_limit_applies_to_mini_batches(
    text: str, size: int, concurrent: int, megabytes: int
) -> None:
    """One variable limits request bodies and the mini-batches of a batch transform."""
    settings = Settings.from_environ({PAYLOAD: text, "MODEL_SERVER_WORKERS": "3"})

    assert settings.max_payload_bytes == size
    assert settings.max_concurrent_transforms == concurrent
    assert settings.mini_batch_megabytes == megabytes


def test_too_many_transforms_for_the_payload_are_refused() -> None:
    """The message has both variables."""
    assert refusal(**{PAYLOAD: "60", CONCURRENT: "2"}).startswith(
        f"{CONCURRENT} is 2 and {PAYLOAD}"
    )


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1"])
def test_batch_has_the_time_out_of_batch_transform(text: str) -> None:
    """The default for batch transform is an hour."""
    assert changed(SAGEMAKER_BATCH=text) == {"batch": True, "timeout_seconds": 3600}
    assert changed(SAGEMAKER_BATCH=text, MODEL_SERVER_TIMEOUT="60") == {"batch": True}


@pytest.mark.parametrize("text", ["false", "False", "0", " "])
def test_false_batch_is_an_endpoint(text: str) -> None:
    """A false value is the default."""
    assert changed(SAGEMAKER_BATCH=text) == {}


@pytest.mark.parametrize(("text", "concurrent"), [("0", 3), ("1", 1), ("12", 12)])
def test_concurrent_transforms_may_be_more_than_workers(text: str, concurrent: int) -> None:
    """The value of the job is used; 0 means not set."""
    settings = Settings.from_environ({CONCURRENT: text, "MODEL_SERVER_WORKERS": "3"})

    assert settings.max_concurrent_transforms == concurrent


@pytest.mark.parametrize(
    ("variables", "texts", "expected"),
    [
        (WORKERS, ["0", "513", "two", "-1", "1.5"], "a whole number from 1 to 512"),
        (THREADS, ["0", "513", "+1"], "a whole number from 1 to 512"),
        (TIMEOUT, ["0", "86401", "1e1"], "a whole number from 1 to 86400"),
        ([PAYLOAD], ["1048577", "-1", "6MB"], "a whole number from 0 to 1048576"),
        ([PORT], ["0", "65536", "http"], "a whole number from 1 to 65535"),
        ([CONCURRENT], ["10001", "-1"], "a whole number from 0 to 10000"),
        (
            LOG_LEVEL,
            ["verbose", "25", "0"],
            "DEBUG, INFO, WARNING, ERROR, CRITICAL, 10, 20, 30, 40 or 50",
        ),
        (
            [OUTPUT],
            ["score", "labels,labels", "labels;probability"],
            f"one or more, each once and joined by commas, of {', '.join(OUTPUTS)}",
        ),
        (
            [ACCEPT],
            ["json", "*/*", "text/html"],
            f"{', '.join(REPLIES[:-1])} or application/x-recordio-protobuf",
        ),
        (["BAD_RECORDS"], ["skip"], "fail or mark"),
        (["SAGEMAKER_BATCH"], ["on", "2"], "True or False"),
    ],
)
def test_invalid_value_is_refused(variables: list[str], texts: list[str], expected: str) -> None:
    """The message has variable, value and expectation, for each name."""
    for variable in variables:
        for text in texts:
            assert refusal(**{variable: text}) == f"{variable} is {text!r}; it must be {expected}."


@pytest.mark.parametrize(
    ("names", "one", "other"),
    [
        (WORKERS, "1", "2"),
        (THREADS, "1", "2"),
        (TIMEOUT[:2], "1", "2"),
        (TIMEOUT[1:], "1", "2"),
        (LOG_LEVEL, "INFO", "30"),
    ],
)
def test_two_values_under_two_names_are_refused(names: list[str], one: str, other: str) -> None:
    """Two names of a setting may have the same value, but not different ones."""
    Settings.from_environ(dict.fromkeys(names, one))

    assert refusal(**{names[0]: one, names[1]: other}) == (
        f"{names[0]} is {one!r} and {names[1]} is {other!r}; "
        "they are two names of one setting, so set only one of them."
    )


def test_outputs_are_the_documented_ones() -> None:
    """Every output of a response can be requested."""
    assert set(OUTPUTS) == {
        "predicted_label",
        "labels",
        "probability",
        "probabilities",
        "predicted_score",
    }


def test_relative_base_directory_is_refused() -> None:
    """The message has the absolute path."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"SAGEMAKER_BASE_DIR": "ml"})

    assert str(caught.value) == (
        "SAGEMAKER_BASE_DIR is 'ml'; it must be an absolute path, "
        f"for example {str(Path.cwd() / 'ml')!r}."
    )


def test_paths_are_those_of_the_platform() -> None:
    """The paths are those of the platform."""
    paths = Paths.from_environ({})

    assert paths.hyperparameters == Path("/opt/ml/input/config/hyperparameters.json")
    assert paths.input_data_config == Path("/opt/ml/input/config/inputdataconfig.json")
    assert paths.data == Path("/opt/ml/input/data")
    assert paths.model == Path("/opt/ml/model")
    assert paths.metrics == Path("/opt/ml/output/data/metrics.json")
    assert paths.failure == Path("/opt/ml/output/failure")


def test_program_dir_has_the_program() -> None:
    """It is found from the module, not from the current directory."""
    assert (PROGRAM_DIR / "nginx.conf").is_file()


@pytest.mark.parametrize("text", ["true", "True"])
def test_multi_model_endpoint_is_refused(text: str) -> None:
    """The sentence says what is not supported; without it every call would be a 404."""
    with pytest.raises(SettingsError, match="does not serve multi-model endpoints yet"):
        Settings.from_environ({"SAGEMAKER_MULTI_MODEL": text})


def test_variable_of_multi_model_endpoints_may_be_false() -> None:
    """It is as if it were not set."""
    assert changed(SAGEMAKER_MULTI_MODEL="false") == {}
