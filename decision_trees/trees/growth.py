"""Growth: one tree, by XGBoost's histograms, that splits as a tree of scikit-learn does.

The collective: XGBoost's own connections between the hosts of a job, while a tree grows.
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
"""What histograms of nodes that wait for their children may take."""

_BIN_BYTES = 16  # a gradient and a hessian, both double

_PLAIN_TREE: dict[str, Any] = {
    # One tree whose leaves are means: no shrinkage, no penalty, no start but 0.
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
    """What ends the growth, in XGBoost's terms."""

    max_bins: int
    max_depth: int | None
    max_leaves: int | None
    leaf_weight: float
    """The least weight of a leaf."""

    gain: float
    """The least gain of a split, in the targets' unit."""


def grow(rows: Dataset, target: Objective, limits: Limits, weight_unit: float) -> Nodes:
    """Return the tree that XGBoost grows on the rows of all hosts, the same on each of them.

    Args:
        rows: those with a weight above 0; quantising them takes two passes.
        target: what is to be predicted.
        limits: when to stop.
        weight_unit: what weights are divided by: XGBoost holds them as float32.
    """
    sample = reference(rows, limits.max_bins)
    parameters = _parameters(limits, rows.schema.n_features, target.n_targets)
    with ExitStack() as stack:
        stack.enter_context(xgboost.config_context(verbosity=0))
        # Its quantiles are taken before the hosts join, and are the same on all of them.
        quantiles = xgboost.QuantileDMatrix(sample, **_given(parameters))
        stack.enter_context(joined(rows.communicator))
        directory = stack.enter_context(TemporaryDirectory())
        source = _Source(rows, target, weight_unit, directory)
        return _nodes(_grown(source, parameters, quantiles))


def _grown(
    source: "_Source", parameters: dict[str, Any], quantiles: xgboost.QuantileDMatrix
) -> xgboost.Booster:
    """Grow a tree on rows of one byte a value; those of rows beyond memory are in a file."""
    kind = xgboost.QuantileDMatrix if source.is_in_memory else xgboost.ExtMemQuantileDMatrix
    matrix = kind(source, ref=quantiles, **_given(parameters))
    return xgboost.train(parameters, matrix, num_boost_round=1)


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what rows share with growth."""
    return {name: parameters[name] for name in ("max_bin", "nthread")}


class _Source(xgboost.DataIter):  # type: ignore[misc] # mypy does not read xgboost
    """Hands batches to XGBoost."""

    def __init__(
        self, rows: Dataset, target: Objective, weight_unit: float, directory: str
    ) -> None:
        """Take the rows, and where their quantised form may be kept."""
        self._dataset = rows
        self._target = target
        self._weight_unit = weight_unit
        self._rest = self._batches()
        self.is_in_memory = rows.is_in_memory
        super().__init__(cache_prefix=None if self.is_in_memory else f"{directory}/rows")

    def reset(self) -> None:
        """Begin another pass; XGBoost looks at the first batch alone in some."""
        self._rest.close()
        self._rest = self._batches()

    def _batches(self) -> Generator[Table]:
        """Yield all batches; one without a row on a host that has none, as XGBoost wants it."""
        n_rows = 0
        for batch in self._dataset.batches():
            n_rows += len(batch)
            yield batch
        if not n_rows:
            yield self._dataset.schema.empty()

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand one batch over; say whether there was one."""
        batch = next(self._rest, None)
        if batch is None:
            return False
        targets = self._target.encode(batch.labels)
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
        # scikit-learn grows best first where it counts leaves, and so does XGBoost with this.
        "grow_policy": "depthwise" if limits.max_leaves is None else "lossguide",
        "min_child_weight": limits.leaf_weight,
        "gamma": limits.gain,
        "max_cached_hist_node": max(2, _HISTOGRAM_BYTES // histogram_bytes),
    }


def _nodes(booster: xgboost.Booster) -> Nodes:
    """Return the nodes of the only tree.

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


_FOR_EVER = 1_000_000
"""Seconds for which a host waits for another: `Group` learns at once when that has died."""


@contextmanager
def joined(communicator: Communicator) -> Iterator[None]:
    """Let XGBoost work together with that of the other hosts, if there are any.

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
    arguments = communicator.gather(tracker and tracker.worker_args())[0]
    name = f"{communicator.rank:06}"  # sorted as text, so that ranks equal `communicator.rank`
    with CommunicatorContext(**arguments, dmlc_task_id=name, dmlc_timeout=_FOR_EVER):
        yield
    if tracker is not None:
        tracker.wait_for()
