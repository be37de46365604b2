"""Training job: read the data, fit, evaluate, save the artifact and the metrics."""

import json
import logging
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from container import supervisor
from container.data.dataset import Dataset
from container.data.loading import Loader, Rows
from container.data.table import Description
from container.distributed import hosts, rendezvous
from container.distributed.communicator import ALONE
from container.errors import AlgorithmError, HyperparameterError
from container.hyperparameters import loader
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths, named_if_full, written_atomically
from container.progress import phase
from container.supervisor import Stop, stop_postponed
from container.training import contract
from container.training.contract import Algorithm, Distributed

logger = logging.getLogger(__name__)

Metrics = dict[str, float]
SAMPLE_ROWS = 4096
"""Maximum number of rows of each host that are passed to `save` for a dataset."""


def run(algorithm: Algorithm, paths: Paths) -> None:
    """Run a job: read, fit, evaluate, save.

    The artifact is written completely or not at all. If there are several hosts, the first one
    writes it.

    Raises:
        UserError: the algorithm, the hyperparameters or the data cannot be used.
        HostError: another host failed or cannot be reached.
        OSError: the artifact cannot be written.
    """
    contract.check(algorithm)
    chosen = loader.load(paths.hyperparameters, algorithm.Hyperparameters)
    logger.info("hyperparameters: %s", _given(chosen) or "defaults, see train --help")
    found = hosts.read(paths.resource_config)
    if not found.are_several:
        alone = Loader(chosen, ALONE, lambda n_rows: _takes_dataset(algorithm, chosen, n_rows))
        _learn(algorithm, chosen, paths, alone.read(paths))
        return
    if not isinstance(algorithm, Distributed):
        raise HyperparameterError(
            f"The job has {len(found.names)} hosts, but this algorithm can only use one; set the "
            "number of instances to 1."
        )
    with rendezvous.connect(
        found, chosen.hosts_seconds, lambda error: supervisor.abort(error, paths)
    ) as connected:
        _learn(algorithm, chosen, paths, Loader(chosen, connected, lambda _: True).read(paths))
        connected.gather("done")  # the first host has saved the model, so all hosts may exit


def _takes_dataset(algorithm: Any, chosen: InputOptions, n_rows: int) -> bool:
    """Return whether this number of rows or more need not be in memory."""
    return isinstance(algorithm, Distributed) and algorithm.takes_dataset(chosen, n_rows)


def _learn(
    algorithm: Any,
    chosen: InputOptions,
    paths: Paths,
    loaded: tuple[Rows, Rows | None, Description],
) -> None:
    """Fit on the training rows, evaluate on all rows, and save on the first host."""
    table, validation, description = loaded
    start = time.monotonic()
    with ExitStack() as stack:
        with phase("fit"):
            fit = algorithm.fit_dataset if isinstance(table, Dataset) else algorithm.fit
            model = fit(table, chosen)
            stop = stack.enter_context(
                stop_postponed()
            )  # save a fitted model even if the job is stopped
        seconds = round(time.monotonic() - start, 3)
        metrics = _evaluate(algorithm, model, {"train": table, "validation": validation}, stop)
        data = description.to_json()
        record = {"hyperparameters": chosen.model_dump(), "data": data, "metrics": metrics}
        measured = metrics | {"train": metrics["train"] | {"seconds": seconds}}
        if isinstance(table, Dataset):
            rank, table = table.communicator.rank, table.sample(SAMPLE_ROWS)
            if rank:
                return
        with phase("save"), written_atomically(paths.model) as directory:
            algorithm.save(model, directory, table, record)
            _write_metrics(measured, paths.metrics)
    for name, values in measured.items():
        for metric, value in values.items():
            logger.info("%s:%s=%.6g;", name, metric, value)


def _given(chosen: InputOptions) -> str:
    """Return the hyperparameters that differ from their defaults."""
    declared = type(chosen).model_fields
    return ", ".join(f"{n}={value!r}" for n, value in chosen if value != declared[n].default)


def _evaluate(
    algorithm: Any, model: Any, named: Mapping[str, Rows | None], stop: Stop
) -> dict[str, Metrics]:
    """Return the metrics of each table; after a stop only those that are not computed."""
    metrics: dict[str, Metrics] = {}
    for name, rows in named.items():
        if rows is not None:
            metrics[name] = {}
            if not _is_stopped(stop, rows):
                with phase(f"evaluate {name}"):
                    metrics[name] = _finite(name, *_measured(algorithm, model, rows))
            metrics[name]["rows"] = len(rows)
    metrics["train"] |= _finite("train", "describe", algorithm.describe(model))
    return metrics


def _measured(algorithm: Any, model: Any, rows: Rows) -> tuple[str, Any]:
    """Return the name of the function that evaluates these rows, and what it returned."""
    function = "evaluate_dataset" if isinstance(rows, Dataset) else "evaluate"
    return function, getattr(algorithm, function)(model, rows)


def _is_stopped(stop: Stop, rows: Rows) -> bool:
    """Return whether a stop is requested on any host; all hosts must do the same."""
    communicator = rows.communicator if isinstance(rows, Dataset) else ALONE
    return any(communicator.gather(stop.requested, bool))


def _finite(name: str, function: str, metrics: Any) -> Metrics:
    """Return the metrics with a finite value; tuners and JSON do not accept others.

    Raises:
        AlgorithmError: `function` did not return numbers by name.
    """
    try:
        undefined = [metric for metric, value in metrics.items() if not math.isfinite(value)]
    except (AttributeError, TypeError) as error:
        raise AlgorithmError(
            f"{function} of algorithm.py returned {metrics!r:.80}; it must return a dictionary of "
            "numbers by name."
        ) from error
    if undefined:
        logger.warning("%s: not defined for these rows: %s", name, ", ".join(undefined))
    return {
        metric: value if isinstance(value, int) else float(value)
        for metric, value in metrics.items()
        if metric not in undefined
    }


def _write_metrics(metrics: Mapping[str, Metrics], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with named_if_full(file):
        file.write_text(json.dumps(metrics, indent=1, allow_nan=False) + "\n", encoding="utf-8")
