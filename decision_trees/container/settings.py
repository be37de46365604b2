"""Every environment variable and every /opt/ml path, read once and then passed on."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container.formats.media_types import JSON, OUTPUTS, REPLIES
from container.paths import Paths
from container.resources import (
    DEFAULT_MEGABYTES,
    MEBIBYTE,
    Resources,
    body_buffer_bytes,
    counted,
    mini_batches,
    worker_count,
    worker_size,
)
from container.value_types import (
    Boolean,
    Names,
    OneOf,
    PortRange,
    Text,
    Variables,
    WholeNumber,
    Word,
)

SCOREBOARD_VARIABLE = "MODEL_SERVER_SCOREBOARD"

SCRATCH = "program"
"""The directory next to the scoreboard that the workers of a user's program write to."""

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}
_LEVEL = Word({**_LEVELS, **{str(level): level for level in _LEVELS.values()}}, {"WARN": 30})

_STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")
_STRATEGY = Word(
    {strategy: strategy for strategy in _STRATEGIES},
    {strategy.replace("_", ""): strategy for strategy in _STRATEGIES},
)

_BATCH_SECONDS = 3600  # the default of the time-out, see Settings.timeout_seconds


@dataclass(frozen=True)
class Settings:
    """How `serve` runs. Each field names its variables, unit, default and reason."""

    paths: Paths

    cores: int
    """The cores that the container may use; no variable."""

    workers: int
    """`MODEL_SERVER_WORKERS`, `SAGEMAKER_MODEL_SERVER_WORKERS`: gunicorn's worker processes.

    Default: as many as have a core each and fit into the memory."""

    workers_reason: str = ""
    """The arithmetic of `workers`, a sentence for the log; no variable."""

    threads: int = 1
    """`MODEL_SERVER_THREADS`, `SAGEMAKER_MODEL_SERVER_THREADS`: threads with which one worker
    computes an answer. Default: the cores over the workers, so that no core has two of them."""

    timeout_seconds: int = 60
    """`MODEL_SERVER_TIMEOUT`, `SAGEMAKER_MODEL_SERVER_TIMEOUT`,
    `SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS`: seconds for one answer.

    Default: 60, what a real-time endpoint waits; 3600, the longest that batch transform waits.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html and
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelClientConfig.html
    """

    max_payload_bytes: int = 100 * MEBIBYTE
    """`SAGEMAKER_MAX_PAYLOAD_IN_MB`: largest body of a request in MiB; 0 means no limit.

    Default: 100, the most that batch transform sends (real-time endpoints send 25 at most).
    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    """

    body_buffer_bytes: int = MEBIBYTE
    """Up to this size a body waits in memory, a larger one in a file; see container.resources."""

    log_level: int = logging.INFO
    """`MODEL_SERVER_LOG_LEVEL`, `SAGEMAKER_CONTAINER_LOG_LEVEL`: the least level that is logged, a
    name or its number. Default: INFO, which is one line a request."""

    outputs: tuple[str, ...] | None = None
    """`SAGEMAKER_INFERENCE_OUTPUT`: what is told of each row, out of OUTPUTS, in this order.

    Default: none; the label, or the score. Which of them a model has, it knows itself.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/autopilot-automate-model-development-container-output.html
    """

    default_accept: str = "text/csv"
    """`SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT`: the media type of an answer, out of REPLIES, when the
    request does not ask for one. Default: text/csv, as the sample answers; with a program of the
    user's application/json, as AWS's containers answer."""

    bad_records: str = "fail"
    """`BAD_RECORDS`: `fail` refuses a request for one bad row, `mark` answers the other rows.

    Default: fail, since a mark is overlooked more easily than an error."""

    port: int = 8080
    """`SAGEMAKER_BIND_TO_PORT`: where nginx listens. Default: 8080, the platform's rule.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
    """

    safe_port_range: tuple[int, int] | None = None
    """`SAGEMAKER_SAFE_PORT_RANGE`: first and last of the ports that are free for a second port.

    Default: none. It is checked and not used: nginx reaches gunicorn by a Unix socket. `port` need
    not be in it.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
    """

    batch: bool = False
    """`SAGEMAKER_BATCH`: whether a batch transform asks. Default: false, as on an endpoint.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """

    batch_strategy: str | None = None
    """`SAGEMAKER_BATCH_STRATEGY`: MULTI_RECORD or SINGLE_RECORD, as the job's owner has asked.

    Default: none, which leaves the choice to the platform. Source: as for `batch`.
    """

    max_concurrent_transforms: int = 1
    """`SAGEMAKER_MAX_CONCURRENT_TRANSFORMS`: mini-batches under way at once; 0 means not set.

    Default: the workers, as far as the mini-batches together have at most 100 MB.
    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    """

    mini_batch_megabytes: int = DEFAULT_MEGABYTES
    """What /execution-parameters says that a mini-batch may have; 0 means no limit. No variable of
    its own: SAGEMAKER_MAX_PAYLOAD_IN_MB, else 6, the platform's default, or less when more than 16
    are under way at once."""

    worker_user: str | None = None
    """`MODEL_SERVER_USER`: whom the workers of nginx and gunicorn run as when `serve` itself
    runs as root. Default: nobody in the image; the same user as `serve` elsewhere."""

    program: str | None = None
    """`SAGEMAKER_PROGRAM`: the script whose functions answer, in place of predictor.py.

    Default: none; inference.py, or the only script, where such files lie beside the model.
    Source: https://github.com/aws/sagemaker-inference-toolkit (environment.py)
    """

    submit_directory: str | None = None
    """`SAGEMAKER_SUBMIT_DIRECTORY`: where the script is: a directory, a tar archive, or s3://.

    Default: none; /opt/ml/model/code, then /opt/ml/code. Source: as for `program`.
    """

    scoreboard: Path | None = None
    """File of the workers' scoreboard; `serve` sets SCOREBOARD_VARIABLE for its workers."""

    @property
    def has_program(self) -> bool:
        """Whether a program of the user's answers: one is named, or lies beside the model."""
        return _has_program(self.paths, self.program, self.submit_directory)

    @property
    def scratch(self) -> Path | None:
        """Where the workers keep what a program needs, made once for all of them."""
        return None if self.scoreboard is None else self.scoreboard.parent / SCRATCH

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; raises SettingsError naming variable, value and expectation."""
        variables = Variables(environ)
        read = variables.read
        paths = Paths.from_environ(environ)
        program = read(Text(), cls.program, "SAGEMAKER_PROGRAM")
        submitted = read(Text(), cls.submit_directory, "SAGEMAKER_SUBMIT_DIRECTORY")
        scripted = _has_program(paths, program, submitted)
        resources = Resources.of_this_process()
        workers, reason = _workers(variables, resources, worker_size(paths.model))
        batch = read(Boolean(), cls.batch, "SAGEMAKER_BATCH")
        payload = read(WholeNumber(0, 1_048_576), None, "SAGEMAKER_MAX_PAYLOAD_IN_MB")
        concurrent = read(WholeNumber(0, 10_000), 0, "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS")
        transforms, megabytes = mini_batches(workers, concurrent, payload)
        return cls(
            paths=paths,
            cores=resources.cores,
            workers=workers,
            workers_reason=reason,
            threads=read(
                WholeNumber(1, 512),
                max(1, resources.cores // workers),
                "MODEL_SERVER_THREADS",
                "SAGEMAKER_MODEL_SERVER_THREADS",
            ),
            timeout_seconds=read(
                WholeNumber(1, 86_400),
                _BATCH_SECONDS if batch else cls.timeout_seconds,
                "MODEL_SERVER_TIMEOUT",
                "SAGEMAKER_MODEL_SERVER_TIMEOUT",
                "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
            ),
            max_payload_bytes=cls.max_payload_bytes if payload is None else payload * MEBIBYTE,
            body_buffer_bytes=body_buffer_bytes(resources.memory),
            log_level=read(
                _LEVEL, cls.log_level, "MODEL_SERVER_LOG_LEVEL", "SAGEMAKER_CONTAINER_LOG_LEVEL"
            ),
            outputs=read(Names(OUTPUTS), cls.outputs, "SAGEMAKER_INFERENCE_OUTPUT"),
            default_accept=read(
                OneOf(*REPLIES),
                JSON if scripted else cls.default_accept,
                "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
            ),
            bad_records=read(OneOf("fail", "mark"), cls.bad_records, "BAD_RECORDS"),
            port=read(WholeNumber(1, 65_535), cls.port, "SAGEMAKER_BIND_TO_PORT"),
            safe_port_range=read(PortRange(), cls.safe_port_range, "SAGEMAKER_SAFE_PORT_RANGE"),
            batch=batch,
            batch_strategy=read(_STRATEGY, cls.batch_strategy, "SAGEMAKER_BATCH_STRATEGY"),
            max_concurrent_transforms=transforms,
            mini_batch_megabytes=megabytes,
            worker_user=read(Text(), cls.worker_user, "MODEL_SERVER_USER"),
            program=program,
            submit_directory=submitted,
            scoreboard=Path(environ[SCOREBOARD_VARIABLE])
            if SCOREBOARD_VARIABLE in environ
            else None,
        )


def _has_program(paths: Paths, program: str | None, submit_directory: str | None) -> bool:
    named = program is not None or submit_directory is not None
    return named or any(paths.model_code.glob("*.py"))


def _workers(variables: Variables, resources: Resources, size: int) -> tuple[int, str]:
    """Return how many workers there are, and why, for one of `size` bytes."""
    fitting = worker_count(resources.cores, resources.memory, size)
    names = ("MODEL_SERVER_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS")
    workers = variables.read(WholeNumber(1, 512), None, *names)
    chosen = "" if workers is None else " as set"
    count = fitting if workers is None else workers
    return count, f"{counted(count, 'worker')}{chosen}: {resources.arithmetic(size)}"
