"""Contract of algorithm.py: the functions that the training job calls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from container.data.dataset import Dataset
from container.data.table import Table
from container.hyperparameters.input_options import InputOptions


class Algorithm(Protocol):
    """Functions of algorithm.py; mypy reports those that are missing."""

    @property
    def Hyperparameters(self) -> type[InputOptions]:  # noqa: N802 - a class, so named like one
        """Class of the hyperparameters."""

    def fit(self, table: Table, chosen: Any, /) -> Any:
        """Return a model fitted to `table` with the hyperparameters `chosen`."""

    def evaluate(self, model: Any, table: Table, /) -> Mapping[str, float]:
        """Return the metrics of `model` on `table` by name."""

    def describe(self, model: Any, /) -> Mapping[str, float]:
        """Return numbers that describe `model`, such as its size, by name."""

    def save(
        self,
        model: Any,
        directory: Path,
        table: Table,
        record: Mapping[str, Any],
        /,
    ) -> None:
        """Write all files that serving needs into the empty `directory`."""


@runtime_checkable
class Distributed(Algorithm, Protocol):
    """Additional functions for rows on several hosts, or more rows than fit in memory."""

    def takes_dataset(self, chosen: Any, n_rows: int, /) -> bool:
        """Return whether `fit_dataset` may replace `fit` for this number of rows or more."""

    def fit_dataset(self, dataset: Dataset, chosen: Any, /) -> Any:
        """Return a model fitted to `dataset`, the same on all hosts."""

    def evaluate_dataset(self, model: Any, dataset: Dataset, /) -> Mapping[str, float]:
        """Return the metrics of `model` on `dataset` by name, the same on all hosts."""
