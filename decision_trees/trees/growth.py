"""Growth of one tree with XGBoost's histogram method, with the split rules of scikit-learn.

While a tree grows, XGBoost uses its own connections between the hosts of a job.
"""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xgboost
from xgboost.collective import CommunicatorContext
from xgboost.tracker import RabitTracker

from container.data.dataset import Dataset
from container.data.table import Table
from container.distributed.communicator import Communicator
from container.resources import MEBIBYTE, Resources
from trees.node_statistics import Nodes
from trees.objective import Objective
from trees.quantiles import reference

_HISTOGRAM_BYTES = 512 * MEBIBYTE
"""Maximum memory for the histograms of nodes that are not yet split, in bytes."""

_BIN_BYTES = 16  # a gradient and a hessian, both double

_PLAIN_TREE: dict[str, Any] = {
    # One tree whose leaves are means: no shrinkage, no penalty, and 0 as the start.
    "objective": "reg:squarederror",
    "base_score": 0.0,
    "learning_rate": 1.0,
    "reg_lambda": 0.0,
    "reg_alpha": 0.0,
    # The squared error of the indicators of all classes in one tree is its Gini impurity.
    "multi_strategy": "multi_output_tree",
    "tree_method": "hist",
}


@dataclass(frozen=True)
class Limits:
    """Limits of the growth, in XGBoost's terms."""

    max_bins: int
    max_depth: int | None
    max_leaves: int | None
    leaf_weight: float
    """Minimum weight of a leaf."""

    gain: float
    """Minimum gain of a split, in the unit of the targets."""


def grow(rows: Dataset, objective: Objective, limits: Limits, weight_unit: float) -> Nodes:
    """Return the tree that XGBoost grows on the rows of all hosts, the same on all of them.

    Args:
        rows: rows with a weight above 0; quantising them takes two passes.
        objective: conversion of labels into targets.
        limits: limits of the growth.
        weight_unit: divisor of the weights, which are float32 in XGBoost.
    """
    sample = reference(rows, limits.max_bins)
    parameters = _parameters(limits, rows.schema.n_features, objective.n_targets)
    with ExitStack() as stack:
        stack.enter_context(xgboost.config_context(verbosity=0))
        # Computed before the hosts connect; they are the same on all hosts.
        quantiles = xgboost.QuantileDMatrix(sample, **_given(parameters))
        stack.enter_context(joined(rows.communicator))
        directory = stack.enter_context(TemporaryDirectory())
        source = _Source(rows, objective, weight_unit, directory)
        return _nodes(_grown(source, parameters, quantiles))


def _grown(
    source: "_Source", parameters: dict[str, Any], quantiles: xgboost.QuantileDMatrix
) -> xgboost.Booster:
    """Grow a tree on quantised rows; those of rows beyond memory are in a file."""
    kind = xgboost.QuantileDMatrix if source.is_in_memory else xgboost.ExtMemQuantileDMatrix
    matrix = kind(source, ref=quantiles, **_given(parameters))
    return xgboost.train(parameters, matrix, num_boost_round=1)


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that the quantised rows share with the growth."""
    return {name: parameters[name] for name in ("max_bin", "nthread")}


class _Source(xgboost.DataIter):  # type: ignore[misc] # mypy does not read xgboost
    """Iterator over batches for XGBoost."""

    def __init__(
        self, rows: Dataset, objective: Objective, weight_unit: float, directory: str
    ) -> None:
        """Create an iterator; quantised rows beyond memory are written to `directory`."""
        self._dataset = rows
        self._objective = objective
        self._weight_unit = weight_unit
        self._rest = self._batches()
        self.is_in_memory = rows.is_in_memory
        super().__init__(cache_prefix=None if self.is_in_memory else f"{directory}/rows")

    def reset(self) -> None:
        """Start another pass; in some, XGBoost only reads the first batch."""
        self._rest.close()
        self._rest = self._batches()

    def _batches(self) -> Generator[Table]:
        """Yield all batches, or an empty one on a host without rows: XGBoost needs a batch."""
        n_rows = 0
        for batch in self._dataset.batches():
            n_rows += len(batch)
            yield batch
        if not n_rows:
            yield self._dataset.schema.empty()

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Pass the next batch to XGBoost; return whether there was one."""
        batch = next(self._rest, None)
        if batch is None:
            return False
        targets = self._objective.encode(batch.labels)
        weights = None if batch.weights is None else batch.weights / self._weight_unit
        input_data(data=batch.features, label=targets, weight=weights)
        return True


def _parameters(limits: Limits, n_features: int, n_targets: int) -> dict[str, Any]:
    histogram_bytes = n_features * limits.max_bins * n_targets * _BIN_BYTES
    return _PLAIN_TREE | {
        "nthread": Resources.of_this_process().cores,
        "max_bin": limits.max_bins,
        "max_depth": limits.max_depth or 0,
        "max_leaves": limits.max_leaves or 0,
        # scikit-learn grows best first if the number of leaves is limited.
        "grow_policy": "depthwise" if limits.max_leaves is None else "lossguide",
        "min_child_weight": limits.leaf_weight,
        "gamma": limits.gain,
        "max_cached_hist_node": max(2, _HISTOGRAM_BYTES // histogram_bytes),
    }


def _nodes(booster: xgboost.Booster) -> Nodes:
    """Return the nodes of the model's single tree.

    Source: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html (JSON schema).
    """
    model = json.loads(booster.save_raw("json"))
    (tree,) = model["learner"]["gradient_booster"]["model"]["trees"]
    return Nodes(
        left=np.array(tree["left_children"], dtype=np.intp),
        right=np.array(tree["right_children"], dtype=np.intp),
        feature=np.array(tree["split_indices"], dtype=np.intp),
        bound=np.array(tree["split_conditions"], dtype=np.float32),
        missing_left=np.array(tree["default_left"], dtype=bool),
    )


_TIMEOUT_SECONDS = 1_000_000
"""Time-out of XGBoost in seconds; the communicator of the job reports a dead host at once."""

_CONNECT_SECONDS = 50.0
"""Maximum time to open or close XGBoost's connections; a stranger on its ports can block both."""

_BLOCKED = (
    f"XGBoost's connections between the hosts could not be opened or closed within "
    f"{_CONNECT_SECONDS:g} seconds; allow all traffic between the hosts, and none from others."
)


@contextmanager
def joined(communicator: Communicator) -> Iterator[None]:
    """Connect XGBoost with the other hosts, if there are any.

    Source: https://xgboost.readthedocs.io/en/stable/python/python_api.html#module-xgboost.collective
    """
    if len(communicator) == 1:
        yield
        return
    tracker = None
    if communicator.rank == 0:
        tracker = RabitTracker(
            n_workers=len(communicator), host_ip=communicator.address, sortby="task"
        )
        tracker.start()
    arguments, *_ = communicator.gather(tracker and tracker.worker_args(), dict[str, Any] | None)
    name = f"{communicator.rank:06}"  # sorted as text, so that ranks equal `communicator.rank`
    context = CommunicatorContext(**arguments, dmlc_task_id=name, dmlc_timeout=_TIMEOUT_SECONDS)
    with communicator.limited(_CONNECT_SECONDS, _BLOCKED):
        context.__enter__()
    yield
    communicator.gather("grown")  # the others may need longer
    with communicator.limited(_CONNECT_SECONDS, _BLOCKED):
        context.__exit__()
        if tracker is not None:
            tracker.wait_for()
