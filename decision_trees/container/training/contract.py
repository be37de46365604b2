"""Contract of algorithm.py: what the training job calls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from container.data.dataset import Dataset
from container.data.table import Table
from container.hyperparameters.input_options import InputOptions


class Algorithm(Protocol):
    """What algorithm.py gives; mypy names what a fork has forgotten."""

    @property
    def Hyperparameters(self) -> type[InputOptions]:  # noqa: N802 - a class, so named like one
        """A frozen dataclass whose fields are made by `hyperparameter`."""

    def fit(self, table: Table, chosen: Any, /) -> Any:
        """Return the model learnt from `table` with the hyperparameters `chosen`."""

    def evaluate(self, model: Any, table: Table, /) -> Mapping[str, float]:
        """Return metrics by name, of `model` on `table`."""

    def describe(self, model: Any, /) -> Mapping[str, float]:
        """Return what there is to say of `model` in numbers, such as its size."""

    def save(
        self,
        model: Any,
        directory: Path,
        table: Table,
        record: Mapping[str, Any],
        /,
    ) -> None:
        """Write everything that serving needs into the empty `directory`."""


@runtime_checkable
class Distributed(Algorithm, Protocol):
    """What algorithm.py gives beside that, if it can learn from rows that it never has all of."""

    def takes_dataset(self, chosen: Any, n_rows: int, /) -> bool:
        """Say whether `fit_dataset` can take the place of `fit` for so many rows or more."""

    def fit_dataset(self, dataset: Dataset, chosen: Any, /) -> Any:
        """Return the model learnt from `dataset`, the same on all hosts."""

    def evaluate_dataset(self, model: Any, dataset: Dataset, /) -> Mapping[str, float]:
        """Return metrics by name, of `model` on `dataset`, the same on all hosts."""
