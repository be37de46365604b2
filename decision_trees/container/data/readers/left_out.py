"""Rows of a source that are left out, because they have no value or no label."""

from collections import Counter
from dataclasses import replace

import numpy as np

from container.data.labels import NAMED_LIKE_MISSING
from container.data.readers.batches import Batch, BatchReader, SparseFeatures
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions

_NO_VALUE, _NO_LABEL = "rows without any value", "rows without a label"


class LeftOut:
    """Removes rows of a source from its batches, and counts them."""

    def __init__(self, reader: BatchReader, options: InputOptions) -> None:
        self._reader = reader
        self._notation = options.notation
        self._drops = options.missing_labels == "drop"
        self._counts: Counter[str] = Counter()
        self._first_unlabelled = ""

    def without(self, batch: Batch) -> Batch:
        """Return a batch without such rows, and with the missing values of the job as NaN."""
        if self._notation.na_numbers.size:
            batch = self._with_missing(batch)
        features, labels = batch.features, batch.labels
        values = features.values if isinstance(features, SparseFeatures) else features
        unlabelled = np.zeros(len(labels), dtype=np.bool_)
        if batch.unlabelled is not None:
            unlabelled |= batch.unlabelled
        if isinstance(labels, np.ndarray) and len(self._notation.na_numbers):
            unlabelled |= np.isin(labels.astype(np.float32), self._notation.na_numbers)
        if not unlabelled.any():
            return batch
        empty = unlabelled & np.isnan(values).all(axis=1) if values.ndim == 2 else ~unlabelled
        self._counts[_NO_VALUE] += int(empty.sum())
        self._counts[_NO_LABEL] += int((unlabelled & ~empty).sum())
        place = batch.first_unlabelled or "a label is a missing value"
        self._first_unlabelled = self._first_unlabelled or place
        return batch.take(np.flatnonzero(~unlabelled))

    def _with_missing(self, batch: Batch) -> Batch:
        features, with_missing = batch.features, self._notation.with_missing
        if isinstance(features, SparseFeatures):
            return replace(batch, features=replace(features, values=with_missing(features.values)))
        return replace(batch, features=with_missing(features))

    def counts(self) -> Counter[str]:
        """Return the number of rows of each kind, at the end of the source.

        Raises:
            CellError: rows have no label, and the job does not leave them out.
        """
        n_rows = self._counts[_NO_LABEL]
        if n_rows and not self._drops:
            many = f", as in {n_rows} rows" if n_rows > 1 else ""
            raise CellError(
                f"{self._first_unlabelled}: no label{many}",
                "set the hyperparameter missing_labels=drop to leave such rows out; "
                + NAMED_LIKE_MISSING,
            )
        return +(self._counts + self._reader.left_out)
