"""Surveys: what has been seen of the rows of a channel, here and on the other hosts of a job.

Moments: the mean and the deviation of numbers that come in parts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns
from container.data.labels import ClassLabels
from container.data.readers import detection
from container.data.readers.batches import Batch, Doubt, Part, Sparse
from container.data.table import Schema, check_columns, check_names
from container.errors import TrainingDataError
from container.formats import cells
from container.formats.cells import CellError

_TRUTHS = ("writes_index_0", "has_value_in_last", "has_weights", "has_weight_above_0")


@dataclass
class Moments:
    """How many numbers there are, their mean, and the sum of the squares of their distances."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation; 0 of no numbers."""
        return float(np.sqrt(self.squares / max(self.count, 1)))

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Take more numbers."""
        if len(numbers):
            mean = float(numbers.mean())
            self.merge(type(self)(len(numbers), mean, float(((numbers - mean) ** 2).sum())))

    def merge(self, other: Self) -> None:
        """Take the numbers of another part.

        Source: Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing
        Sample Variances (1979), http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf
        """
        count = self.count + other.count
        if not other.count:
            return
        distance, part = other.mean - self.mean, other.count / count
        self.squares += other.squares + distance**2 * self.count * part
        self.mean += distance * part
        self.count = count


@dataclass
class Summary:
    """What is known of the rows so far."""

    classes: ClassLabels = field(default_factory=ClassLabels)
    numbers: Moments = field(default_factory=Moments)
    doubts: list[Doubt] = field(default_factory=list)
    n_rows: int = 0
    source: str | None = None
    """The first source that has a row; it says what all others must be."""

    kind: str = ""
    columns: Columns | None = None
    columns_source: str = ""
    n_dense: int | None = None
    """How many features dense rows have; None when there are no dense rows."""

    n_sparse: int | None = None
    """How many features sparse rows have at least, an index 0 counted."""

    writes_index_0: bool = False
    has_value_in_last: bool = False
    has_weights: bool = False
    has_weight_above_0: bool = False

    def begin(self, source: object, part: Part) -> None:
        """Take the next source.

        Raises:
            TrainingDataError: it is in another format than the first.
            CellError: it has other columns than the first.
        """
        if not part.kind:
            return
        self._begin(str(source), part.kind, part.columns, str(source))
        if part.doubt is not None:
            self.doubts.append(part.doubt)

    def _begin(self, source: str, kind: str, columns: Columns | None, where: str) -> None:
        if self.source is None:
            self.source, self.kind = source, kind
        if kind != self.kind:
            raise TrainingDataError(
                f"The files of a channel must be in one format, but {self.source} is {self.kind} "
                f"and {source} is {kind}; leave one of them out, or convert it."
            )
        if columns is None:
            return
        if self.columns is None:
            self.columns, self.columns_source = columns, where
        check_columns(columns, self.columns, self.columns_source)

    def add(self, block: Batch) -> NDArray[np.int32] | None:
        """Take the next rows.

        Returns:
            The codes of their labels; None when labels are numbers.

        Raises:
            CellError: they do not fit those before.
        """
        self.n_rows += len(block.labels)
        is_empty = self._add_features(block.features)
        if block.weights is not None:
            self.has_weights = True
            self.has_weight_above_0 |= bool(block.weights.any())
        if isinstance(block.labels, np.ndarray):
            self.numbers.add(block.labels)
            return None
        return self.classes.add(block.labels, block.labels_are_text, is_empty)

    def _add_features(self, features: NDArray[np.float32] | Sparse) -> NDArray[np.bool_] | None:
        """Note the number of features; return which rows have no value, None when all may have."""
        if isinstance(features, Sparse):
            self._have(None, features.n_features)
            self.writes_index_0 |= bool((features.columns == 0).any())
            return None
        self._have(features.shape[1], None)
        missing = np.isnan(features)
        self.has_value_in_last |= not missing[:, -1].all()
        return np.asarray(missing.all(axis=1))

    def _have(self, n_dense: int | None, n_sparse: int | None) -> None:
        if None not in (n_dense, self.n_dense) and n_dense != self.n_dense:
            raise CellError(f"rows have {n_dense} features, those before {self.n_dense}")
        self.n_dense = self.n_dense if n_dense is None else n_dense
        if n_sparse is not None:
            self.n_sparse = max(self.n_sparse or 0, n_sparse)
        if self.n_sparse is not None and self.n_dense is not None:
            raise CellError("rows are sparse, those before dense, or the other way round")

    def merge(self, other: Self, host: str) -> None:
        """Take what another host has seen.

        Raises:
            TrainingDataError, CellError: the hosts have different columns; it names both.
        """
        if other.source is not None:
            source = f"{other.source} on {host}"
            self._begin(source, other.kind, other.columns, f"{other.columns_source} on {host}")
            self._have(other.n_dense, other.n_sparse)
            if self.n_rows and other.n_rows and self.has_weights != other.has_weights:
                has = ("no weights", "weights")
                found, before = has[other.has_weights], has[self.has_weights]
                raise CellError(f"rows have {found}, those on other hosts {before}")
        self.doubts += other.doubts
        self.n_rows += other.n_rows
        self.classes.merge(other.classes)
        self.numbers.merge(other.numbers)
        for truth in _TRUTHS:
            setattr(self, truth, getattr(self, truth) or getattr(other, truth))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        found = vars(self) | {"numbers": asdict(self.numbers), "classes": self.classes.to_json()}
        found["doubts"] = [asdict(doubt) for doubt in self.doubts]
        found["columns"] = None if self.columns is None else asdict(self.columns)
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Return what `to_json` was given."""
        columns = found["columns"]
        if columns is not None:
            names = columns["names"]
            columns = Columns(**columns | {"names": None if names is None else tuple(names)})
        doubts = [Doubt(**doubt) for doubt in found["doubts"]]
        classes, numbers = ClassLabels.from_json(found["classes"]), Moments(**found["numbers"])
        parts = {"columns": columns, "doubts": doubts, "classes": classes, "numbers": numbers}
        return cls(**{**found, **parts})

    @property
    def n_cells(self) -> int:
        """How many values the features have."""
        return self.n_rows * (self.n_dense or self.n_sparse or 0)

    def layout(self, like: Schema | None) -> Schema:
        """Return what all rows have in common.

        Args:
            like: the layout of the training data, when these are others.

        Raises:
            CellError: the whole is no good.
        """
        if not self.n_rows:
            raise CellError("there are no rows")
        base = self._libsvm_base(like)
        n_features = self._n_features(base or 0, like)
        if like is not None and self.columns is not None and like.feature_names is not None:
            check_names(self.columns.feature_names, like.feature_names, "the training data")
        self._check_cells()
        return Schema(n_features, self.columns, base, self._labels(like), self.classes.names)

    def _libsvm_base(self, like: Schema | None) -> int | None:
        if self.kind != detection.LIBSVM:
            return None
        if like is not None and like.libsvm_base is not None:
            return like.libsvm_base
        return 0 if self.writes_index_0 else 1

    def _n_features(self, base: int, like: Schema | None) -> int:
        if self.n_sparse is None:
            found = self.n_dense or 0
            if like is not None and found != like.n_features:
                raise CellError(
                    f"rows have {found} features, those of the training data {like.n_features}"
                )
            return found
        written = self.n_sparse - base
        if base and self.writes_index_0:
            raise CellError("there is the index 0, but the training data count features from 1")
        if written < 1:
            raise CellError("rows have a label and nothing else")
        if like is not None and written > like.n_features:
            raise CellError(f"there are {written} features, in the training data {like.n_features}")
        return written if like is None else like.n_features

    def _check_cells(self) -> None:
        if self.columns is not None:
            self._check_last_column(self.columns)
        label = self.classes.without_values()
        if label is not None:
            raise CellError(
                f"there is no value in any row with the label {cells.shown(label)}, as in a title "
                "or a footer",
                "leave such rows out",
            )
        if self.has_weights and not self.has_weight_above_0:
            raise CellError("every row has the weight 0", "give a weight to the rows that count")

    def _check_last_column(self, columns: Columns) -> None:
        """Refuse a last column without name and values: what a delimiter at the end makes."""
        last = columns.width - 1
        if columns.names is None and last in columns.features and not self.has_value_in_last:
            raise CellError(
                f"{columns.name(last)} is empty in every row, as where rows end with a delimiter",
                "remove that delimiter, or name the column in a header",
            )

    def _labels(self, like: Schema | None) -> NDArray[Any] | None:
        if not len(self.classes):
            return None
        if like is None or like.labels is None:
            self.classes.settle(self.doubts)
            return self.classes.labels()
        # The labels of the training data tell a header from data.
        self.classes.settle([doubt for doubt in self.doubts if doubt.was_header])
        return self.classes.labels_like(like.labels)
