"""Settings of `serve`: all environment variables, read once and then passed as an argument."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container.errors import SettingsError
from container.formats.media_types import JSON, OUTPUTS, REPLIES
from container.paths import Paths
from container.resources import (
    MEBIBYTE,
    MINI_BATCH_MEGABYTES,
    UNKNOWN_REQUEST_BYTES,
    Resources,
    body_buffer_bytes,
    counted,
    mini_batches,
    request_bytes,
    worker_count,
    worker_size,
)
from container.value_types import BOOLEAN, TEXT, Variables, one_of, some_of, whole_number, word

SCOREBOARD_VARIABLE = "MODEL_SERVER_SCOREBOARD"

SCRATCH = "program"
"""The directory next to the scoreboard that the workers of a user's program write to."""

_LEVEL_NAMES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LEVELS = {name: logging.getLevelNamesMapping()[name] for name in _LEVEL_NAMES}
_LEVEL = word({**_LEVELS, **{str(level): level for level in _LEVELS.values()}}, {"WARN": 30})

_BATCH_SECONDS = 3600  # see Settings.timeout_seconds


@dataclass(frozen=True)
class Settings:
    """Settings of `serve`. Each field documents its variables, unit, default and reason."""

    paths: Paths

    cores: int
    """Number of cores that the container may use; no variable."""

    workers: int
    """`MODEL_SERVER_WORKERS`, `SAGEMAKER_MODEL_SERVER_WORKERS`: number of gunicorn workers.

    Default: one for each core, as far as they fit into memory."""

    workers_reason: str = ""
    """The numbers behind `workers`, for the log; no variable."""

    threads: int = 1
    """`MODEL_SERVER_THREADS`, `SAGEMAKER_MODEL_SERVER_THREADS`: threads that one worker uses for a
    prediction. Default: cores divided by workers, so that threads do not share cores."""

    timeout_seconds: int = 60
    """`MODEL_SERVER_TIMEOUT`, `SAGEMAKER_MODEL_SERVER_TIMEOUT`,
    `SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS`: maximum time for one response, in seconds.

    Default: 60, as real-time endpoints; for batch transform 3600, its maximum.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html and
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelClientConfig.html
    """

    startup_seconds: int = 450
    """`SAGEMAKER_STARTUP_TIMEOUT`: maximum time to load the model, in seconds.

    Default: 450, so that the reason is in the log when the platform gives up after 480.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    """

    max_payload_bytes: int = 100 * MEBIBYTE
    """`SAGEMAKER_MAX_PAYLOAD_IN_MB`: maximum size of a request body in MiB; 0: no limit.

    Default: 100, the maximum of batch transform (real-time endpoints: 25).
    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    """

    body_buffer_bytes: int = MEBIBYTE
    """Maximum size of a body that is buffered in memory; see container.resources."""

    request_bytes: int = UNKNOWN_REQUEST_BYTES
    """Memory that one request may take; no variable. See container.payloads.limits."""

    log_level: int = logging.INFO
    """`MODEL_SERVER_LOG_LEVEL`, `SAGEMAKER_CONTAINER_LOG_LEVEL`: minimum level of logged
    records, a name or its number. Default: INFO, one line for each request."""

    outputs: tuple[str, ...] | None = None
    """`SAGEMAKER_INFERENCE_OUTPUT`: outputs for each row, some of OUTPUTS, in this order.

    Default: the label, or the score of a regression. The model checks that it has them.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/autopilot-automate-model-development-container-output.html
    """

    default_accept: str = "text/csv"
    """`SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT`: media type of a response, one of REPLIES, if the
    request accepts any. Default: text/csv, as AWS's sample; with a user's program
    application/json, as AWS's containers."""

    bad_records: str = "fail"
    """`BAD_RECORDS`: `fail` refuses a request with an invalid row, `mark` answers its other rows.

    Default: fail, because an error is easier to notice than a mark."""

    port: int = 8080
    """`SAGEMAKER_BIND_TO_PORT`: port of nginx. Default: 8080, as the platform requires.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
    """

    batch: bool = False
    """`SAGEMAKER_BATCH`: whether this is a batch transform. Default: false, an endpoint.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """

    max_concurrent_transforms: int = 1
    """`SAGEMAKER_MAX_CONCURRENT_TRANSFORMS`: number of concurrent mini-batches; 0: not set.

    Default: the number of workers, as far as all mini-batches have at most 100 MB.
    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    """

    mini_batch_megabytes: int = MINI_BATCH_MEGABYTES
    """Maximum MB of a mini-batch: SAGEMAKER_MAX_PAYLOAD_IN_MB (0: no limit), or 6, the platform's
    default, or less if more than 16 are concurrent."""

    worker_user: str | None = None
    """`MODEL_SERVER_USER`: user of the workers of nginx and gunicorn if `serve` runs as root.

    Default: nobody in the image; elsewhere the user of `serve`."""

    program: str | None = None
    """`SAGEMAKER_PROGRAM`: the user's program, which replaces predictor.py.

    Default: inference.py, or the only script, in the directory code of the model; else none.
    Source: https://github.com/aws/sagemaker-inference-toolkit (environment.py)
    """

    submit_directory: str | None = None
    """`SAGEMAKER_SUBMIT_DIRECTORY`: source of the program: a directory, a tar archive, or s3://.

    Default: /opt/ml/model/code, then /opt/ml/code. Source: as for `program`.
    """

    scoreboard: Path | None = None
    """File of the workers' scoreboard; `serve` sets SCOREBOARD_VARIABLE for its workers."""

    multi_model: bool = False
    """`SAGEMAKER_MULTI_MODEL`: must be false; SageMaker sets it for a multi-model endpoint."""

    @property
    def has_program(self) -> bool:
        """Whether a user's program is named, or is packed with the model."""
        return _has_program(self.paths, self.program, self.submit_directory)

    @property
    def scratch(self) -> Path | None:
        """Directory for the files of a user's program that all workers share."""
        return None if self.scoreboard is None else self.scoreboard.parent / SCRATCH

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; raises SettingsError with variable, value and expectation."""
        variables = Variables(environ)
        read = variables.read
        paths = Paths.from_environ(environ)
        program = read(TEXT, cls.program, "SAGEMAKER_PROGRAM")
        submitted = read(TEXT, cls.submit_directory, "SAGEMAKER_SUBMIT_DIRECTORY")
        scripted = _has_program(paths, program, submitted)
        scoreboard = environ.get(SCOREBOARD_VARIABLE)
        resources = Resources.of_this_process()
        size = worker_size(paths.model)
        workers, reason = _workers(variables, resources, size)
        batch = read(BOOLEAN, cls.batch, "SAGEMAKER_BATCH")
        payload = read(whole_number(0, 1_048_576), None, "SAGEMAKER_MAX_PAYLOAD_IN_MB")
        concurrent = read(whole_number(0, 10_000), 0, "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS")
        transforms, megabytes = mini_batches(workers, concurrent, payload)
        return cls(
            paths=paths,
            cores=resources.cores,
            workers=workers,
            workers_reason=reason,
            threads=read(
                whole_number(1, 512),
                max(1, resources.cores // workers),
                "MODEL_SERVER_THREADS",
                "SAGEMAKER_MODEL_SERVER_THREADS",
            ),
            timeout_seconds=read(
                whole_number(1, 86_400),
                _BATCH_SECONDS if batch else cls.timeout_seconds,
                "MODEL_SERVER_TIMEOUT",
                "SAGEMAKER_MODEL_SERVER_TIMEOUT",
                "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
            ),
            startup_seconds=read(
                whole_number(1, 86_400), cls.startup_seconds, "SAGEMAKER_STARTUP_TIMEOUT"
            ),
            max_payload_bytes=cls.max_payload_bytes if payload is None else payload * MEBIBYTE,
            body_buffer_bytes=body_buffer_bytes(resources.memory),
            request_bytes=request_bytes(resources.memory, workers, size),
            log_level=read(
                _LEVEL, cls.log_level, "MODEL_SERVER_LOG_LEVEL", "SAGEMAKER_CONTAINER_LOG_LEVEL"
            ),
            outputs=read(some_of(*OUTPUTS), cls.outputs, "SAGEMAKER_INFERENCE_OUTPUT"),
            default_accept=read(
                one_of(*REPLIES),
                JSON if scripted else cls.default_accept,
                "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
            ),
            bad_records=read(one_of("fail", "mark"), cls.bad_records, "BAD_RECORDS"),
            port=read(whole_number(1, 65_535), cls.port, "SAGEMAKER_BIND_TO_PORT"),
            batch=batch,
            max_concurrent_transforms=transforms,
            mini_batch_megabytes=megabytes,
            worker_user=read(TEXT, cls.worker_user, "MODEL_SERVER_USER"),
            program=program,
            submit_directory=submitted,
            scoreboard=Path(scoreboard) if scoreboard else None,
            multi_model=_multi_model(variables),
        )


def _multi_model(variables: Variables) -> bool:
    if variables.read(BOOLEAN, False, "SAGEMAKER_MULTI_MODEL"):
        raise SettingsError(
            "SAGEMAKER_MULTI_MODEL is true, but this image does not serve multi-model endpoints "
            "yet; create the model with Mode=SingleModel."
        )
    return False


def _has_program(paths: Paths, program: str | None, submit_directory: str | None) -> bool:
    named = program is not None or submit_directory is not None
    return named or any(paths.model_code.glob("*.py"))


def _workers(variables: Variables, resources: Resources, size: int) -> tuple[int, str]:
    """Return the number of workers and its explanation, for workers of `size` bytes."""
    fitting = worker_count(resources.cores, resources.memory, size)
    names = ("MODEL_SERVER_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS")
    workers = variables.read(whole_number(1, 512), None, *names)
    chosen = "" if workers is None else " as set"
    count = fitting if workers is None else workers
    return count, f"{counted(count, 'worker')}{chosen}: {resources.explain(size)}"
