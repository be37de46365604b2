"""Batches from rows of text cells that are parsed one by one: labels, weights and numbers."""

from array import array
from dataclasses import dataclass, field

import numpy as np

from container.data.columns import Columns
from container.data.readers.batches import Batch
from container.formats import cells, csv_rows
from container.formats.cells import CellError, Notation


class FeatureError(CellError):
    """A feature that is no number; other columns may have such cells too."""


@dataclass
class RowBatchBuilder:
    """Collects the rows of one batch."""

    columns: Columns
    labels_are_numbers: bool
    notation: Notation
    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    class_labels: list[str] = field(default_factory=list)
    numeric_labels: "array[float]" = field(default_factory=lambda: array("d"))
    weights: "array[float]" = field(default_factory=lambda: array("d"))
    booleans: dict[int, str] = field(default_factory=dict)
    """Place of the first boolean of each feature that has one."""

    unlabelled: list[int] = field(default_factory=list)
    first_unlabelled: str = ""

    def add(self, row: int, found: list[str]) -> None:
        """Append a row; raise FeatureError for a bad feature, CellError for another mistake."""
        columns = self.columns
        if len(found) != columns.width:
            count = "1 column" if len(found) == 1 else f"{len(found)} columns"
            raise CellError(f"row {row} has {count}, but the rows before have {columns.width}")
        features = found.copy()
        for index in columns.others:
            del features[index]
        values = csv_rows.plain_numbers(features) if self.notation.decimal == "." else None
        self.numbers.extend(values or [self._number(row, *cell) for cell in enumerate(features)])
        self._add_label(row, found[columns.label])
        if columns.weight is not None:
            self._add_weight(row, found[columns.weight])

    def batch(self) -> Batch:
        """Return the rows that were added."""
        numeric_labels = np.frombuffer(self.numeric_labels, dtype=np.float64)
        labels = numeric_labels if self.labels_are_numbers else self.class_labels
        unlabelled = np.zeros(len(labels), dtype=np.bool_)
        unlabelled[self.unlabelled] = True
        return Batch(
            csv_rows.as_matrix(self.numbers, len(self.columns.features)),
            labels,
            None if self.columns.weight is None else np.frombuffer(self.weights, dtype=np.float64),
            booleans=self.booleans,
            unlabelled=unlabelled if self.unlabelled else None,
            first_unlabelled=self.first_unlabelled,
        )

    def _number(self, row: int, index: int, cell: str) -> float:
        if cells.is_boolean(cell):
            self.booleans.setdefault(index, f"row {row}")
        try:
            return cells.number(
                cell, lambda: f"row {row}, {self.columns.feature(index)}", self.notation
            )
        except CellError as error:
            raise FeatureError(str(error), error.remedy) from error

    def _add_label(self, row: int, cell: str) -> None:
        where = f"row {row}, {self.columns.name(self.columns.label)}"
        if cells.is_missing(cell, self.notation):
            self.unlabelled.append(len(self.class_labels) + len(self.numeric_labels))
            self.first_unlabelled = self.first_unlabelled or f"{where} is {cells.shown(cell)}"
        if '"' in cell and cell.lstrip(" \t") != cell and cell.strip(" \t").startswith('"'):
            raise CellError(f"{where} is {cells.shown(cell)}, a quote after a blank")
        if self.labels_are_numbers:
            self.numeric_labels.append(cells.number(cell, lambda: where, self.notation))
        else:
            self.class_labels.append(cell.strip(" \t"))

    def _add_weight(self, row: int, cell: str) -> None:
        where = f"row {row}, {self.columns.name(self.columns.weight or 0)}"
        weight = cells.number(cell, lambda: where, self.notation)
        n_rows = len(self.weights)
        if not weight >= 0 and self.unlabelled[-1:] != [n_rows]:
            raise CellError(f"{where} is {cells.shown(cell)}, not a weight of at least 0")
        self.weights.append(weight)
