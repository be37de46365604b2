"""Summary of the rows of a channel, on this host and merged over all hosts; it makes the schema."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns, HeaderGuess, check_columns, check_names
from container.data.labels import ClassLabels, Moments
from container.data.readers.batches import Batch, BatchReader, SparseFeatures
from container.data.readers.detection import LIBSVM
from container.data.readers.text import csv_header
from container.data.table import Description, Schema
from container.errors import TrainingDataError
from container.formats import cells
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions

_FLAGS = ("writes_index_0", "has_weights", "has_weight_above_0")


@dataclass
class Summary:
    """What is known of the rows so far."""

    class_labels: ClassLabels = field(default_factory=ClassLabels)
    label_moments: Moments = field(default_factory=Moments)
    header_guesses: list[HeaderGuess] = field(default_factory=list)
    n_rows: int = 0
    source: str | None = None
    """The first source that has a row; all others must have its format and columns."""

    format_name: str = ""
    columns: Columns | None = None
    columns_source: str = ""
    n_dense: int | None = None
    """Number of features in dense rows; None without dense rows."""

    n_sparse: int | None = None
    """Minimum number of features in sparse rows, including index 0; None without sparse rows."""

    n_filled: int = 0
    """Number of features up to the last one that has a value, in dense rows."""

    writes_index_0: bool = False
    booleans: dict[int, str] = field(default_factory=dict)
    """Place of the first boolean of each feature that has one."""

    latest: str = ""
    """The source that is being read."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Number of rows that were left out, by what they are."""

    has_weights: bool = False
    has_weight_above_0: bool = False

    def begin(self, source: object, reader: BatchReader) -> None:
        """Add a source before its rows are read.

        Raises:
            TrainingDataError: its format differs from that of the first source.
            CellError: its columns differ from those of the first source.
        """
        self.latest = str(source)
        if not reader.format_name:
            return
        self._begin(str(source), reader.format_name, reader.columns, str(source))
        if reader.header_guess is not None:
            self.header_guesses.append(reader.header_guess)

    def _begin(
        self, source: str, format_name: str, columns: Columns | None, columns_source: str
    ) -> None:
        if self.source is None:
            self.source, self.format_name = source, format_name
        if format_name != self.format_name:
            raise TrainingDataError(
                f"The files of a channel must be in one format, but {self.source} is "
                f"{self.format_name} and {source} is {format_name}; remove or convert one of "
                "them."
            )
        if columns is None:
            return
        if self.columns is None:
            self.columns, self.columns_source = columns, columns_source
        check_columns(columns, self.columns, self.columns_source)

    def add(self, batch: Batch) -> NDArray[np.int32] | None:
        """Add rows.

        Returns:
            The codes of their class labels; None if labels are numbers.

        Raises:
            CellError: they do not fit those before.
        """
        self.n_rows += len(batch.labels)
        is_empty = self._add_features(batch.features)
        for index, place in batch.booleans.items():
            self.booleans.setdefault(index, f"{place} of {self.latest}")
        if batch.weights is not None:
            self.has_weights = True
            self.has_weight_above_0 |= bool(batch.weights.any())
        if isinstance(batch.labels, np.ndarray):
            self.label_moments.add(batch.labels)
            return None
        return self.class_labels.add(batch.labels, batch.labels_are_text, is_empty)

    def _add_features(
        self, features: NDArray[np.float32] | SparseFeatures
    ) -> NDArray[np.bool_] | None:
        """Add features; return which rows have no value, or None if that is not checked."""
        if isinstance(features, SparseFeatures):
            self._add_width(None, features.n_features)
            self.writes_index_0 |= bool((features.columns == 0).any())
            return None
        self._add_width(features.shape[1], None)
        missing = np.isnan(features)
        last = features.shape[1]
        while last > self.n_filled and missing[:, last - 1].all():
            last -= 1
        self.n_filled = max(self.n_filled, last)
        return np.asarray(missing.all(axis=1))

    def _add_width(self, n_dense: int | None, n_sparse: int | None) -> None:
        if None not in (n_dense, self.n_dense) and n_dense != self.n_dense:
            raise CellError(f"rows have {n_dense} features, but those before {self.n_dense}")
        self.n_dense = self.n_dense if n_dense is None else n_dense
        if n_sparse is not None:
            self.n_sparse = max(self.n_sparse or 0, n_sparse)
        if self.n_sparse is not None and self.n_dense is not None:
            raise CellError("sparse and dense rows are mixed")

    def merge(self, other: Self, host: str) -> None:
        """Add the summary of another host.

        Raises:
            TrainingDataError, CellError: the hosts have different data; the message names both.
        """
        if other.source is not None:
            source = f"{other.source} on {host}"
            columns_source = f"{other.columns_source} on {host}"
            self._begin(source, other.format_name, other.columns, columns_source)
            self._add_width(other.n_dense, other.n_sparse)
            if self.n_rows and other.n_rows and self.has_weights != other.has_weights:
                raise CellError("rows of some hosts have weights, but not those of all")
        self.header_guesses += other.header_guesses
        for index, place in other.booleans.items():
            self.booleans.setdefault(index, f"{place} on {host}")
        self.n_rows += other.n_rows
        self.n_filled = max(self.n_filled, other.n_filled)
        self.class_labels.merge(other.class_labels)
        self.label_moments.merge(other.label_moments)
        self.left_out += other.left_out
        for flag in _FLAGS:
            setattr(self, flag, getattr(self, flag) or getattr(other, flag))

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON."""
        return vars(self) | {
            "class_labels": self.class_labels.to_json(),
            "label_moments": asdict(self.label_moments),
            "header_guesses": [asdict(guess) for guess in self.header_guesses],
            "columns": None if self.columns is None else asdict(self.columns),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Return the summary that `to_json` returned."""
        columns = found["columns"]
        if columns is not None:
            names = columns["names"]
            names = None if names is None else tuple(names)
            columns = Columns(**columns | {"names": names, "ignored": tuple(columns["ignored"])})
        parts = {
            "class_labels": ClassLabels.from_json(found["class_labels"]),
            "label_moments": Moments(**found["label_moments"]),
            "header_guesses": [HeaderGuess(**guess) for guess in found["header_guesses"]],
            "columns": columns,
            "left_out": Counter(found["left_out"]),
            "booleans": {int(index): place for index, place in found["booleans"].items()},
        }
        return cls(**{**found, **parts})

    @property
    def n_cells(self) -> int:
        """Number of cells in the feature matrix."""
        return self.n_rows * (self.n_dense or self.n_sparse or 0)

    def schema(self, like: Schema | None) -> Schema:
        """Return the schema of all rows.

        Args:
            like: the schema of the training data; None if these are the training data.

        Raises:
            CellError: the rows as a whole cannot be used.
        """
        if not self.n_rows:
            raise CellError("there are no rows")
        base = self._libsvm_base(like)
        columns = self._columns(like)
        n_empty = self.columns.width - columns.width if columns and self.columns else 0
        n_features = self._n_features(base or 0, n_empty, like)
        if like is not None and columns is not None and like.feature_names is not None:
            check_names(columns.feature_names, like.feature_names, "the training data")
        self._check_cells()
        labels = self._labels(like), self.class_labels.names
        return Schema(n_features, columns, base, *labels, self.booleans, n_empty)

    def _columns(self, like: Schema | None) -> Columns | None:
        """Return the columns without those at the end that have neither name nor value."""
        if self.columns is None or not self.n_dense:
            return self.columns
        at_least = self.n_filled if like is None else max(self.n_filled, like.n_features)
        return self.columns.without_unnamed(max(0, self.n_dense - at_least))

    def description(self, schema: Schema, options: InputOptions) -> Description:
        """Return a description of all rows, which have this schema."""
        counted = self.class_labels.counts.tolist(), self.label_moments, self.left_out
        return Description(self.format_name, self.n_rows, schema, *counted, options)

    def _libsvm_base(self, like: Schema | None) -> int | None:
        if self.format_name != LIBSVM:
            return None
        if like is not None and like.libsvm_base is not None:
            return like.libsvm_base
        return 0 if self.writes_index_0 else 1

    def _n_features(self, base: int, n_empty: int, like: Schema | None) -> int:
        if self.n_sparse is None:
            found = (self.n_dense or 0) - n_empty
            if like is not None and found != like.n_features:
                raise CellError(
                    f"rows have {found} features, but the training data has {like.n_features}"
                )
            return found
        written = self.n_sparse - base
        if base and self.writes_index_0:
            raise CellError(
                "there is an index 0, but the indices of the training data begin with 1"
            )
        if written < 1:
            raise CellError("rows have a label, but no features")
        if like is not None and written > like.n_features:
            raise CellError(
                f"rows have {written} features, but the training data has {like.n_features}"
            )
        return written if like is None else like.n_features

    def _check_cells(self) -> None:
        label = self.class_labels.without_values()
        if label is not None:
            raise CellError(
                f"all rows with the label {cells.shown(label)} are empty, as a title or footer is",
                "remove them",
            )
        if self.has_weights and not self.has_weight_above_0:
            raise CellError("every row has the weight 0", "give some rows a weight above 0")

    def _labels(self, like: Schema | None) -> NDArray[Any] | None:
        if not len(self.class_labels):
            return None
        if like is None or like.labels is None:
            csv_header.check_guesses(self.header_guesses, self.class_labels)
            return self.class_labels.labels()
        # The labels of the training data distinguish a header from data.
        headers = [guess for guess in self.header_guesses if guess.is_header]
        csv_header.check_guesses(headers, self.class_labels)
        return self.class_labels.labels_like(like.labels)
