"""What a training job does: inputs -> algorithm -> artifact."""

import dataclasses
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from container import channels, hyperparameters, tables
from container.job import stop_postponed, whole_or_nothing
from container.settings import Paths
from container.tables import Table

logger = logging.getLogger(__name__)


class Algorithm(Protocol):
    """What algorithm.py gives; mypy names what a fork has forgotten."""

    @property
    def Hyperparameters(self) -> type[Any]:  # noqa: N802 - a class, so it is named like one
        """A frozen dataclass of fields made by `container.hyperparameters.hyperparameter`."""

    def fit(self, table: Table, chosen: Any, /) -> Any:
        """Return the model learnt from `table` with the hyperparameters `chosen`."""

    def evaluate(self, model: Any, table: Table, /) -> Mapping[str, float]:
        """Return metrics by name, of `model` on `table`."""

    def save(
        self,
        model: Any,
        directory: Path,
        table: Table,
        record: Mapping[str, Any],
        /,
    ) -> None:
        """Write everything that serving needs into the empty `directory`."""


def run(algorithm: Algorithm, paths: Paths) -> None:
    """Do one job: read, fit, evaluate, save.

    The artifact appears in the model directory whole or not at all.

    Raises:
        UserError: the hyperparameters or the data cannot be used.
        OSError: the artifact cannot be written.
    """
    chosen = hyperparameters.load(paths.hyperparameters, algorithm.Hyperparameters)
    logger.info("hyperparameters: %s", chosen)
    with _phase("read"):
        files = channels.training_files(paths.data)
        table = tables.read_training_files(files)
        logger.info("read %d files: %d rows, %d features", len(files), *table.features.shape)
    with _phase("fit"):
        model = algorithm.fit(table, chosen)
    with stop_postponed(), _phase("save"):
        metrics = algorithm.evaluate(model, table)
        record = {
            "hyperparameters": dataclasses.asdict(chosen),
            "metrics": {"train": dict(metrics)},
            "rows": {"train": len(table.labels)},
        }
        with whole_or_nothing(paths.model) as directory:
            algorithm.save(model, directory, table, record)
    for name, value in metrics.items():
        logger.info("train:%s=%.6g;", name, value)


@contextmanager
def _phase(name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    logger.info("%s took %.3f s", name, time.monotonic() - start)
