"""The models that the requests in serving_*.yaml ask; each is fitted on first use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from artifact import export
from artifact.export import Naming

FLOWERS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
DIGITS = ["hundreds", "tens", "ones"]


@dataclass(frozen=True)
class Made:
    """A fitted estimator, with what is needed to export it."""

    estimator: Any
    features: NDArray[np.float32]
    naming: Naming

    def save(self, base_dir: Path) -> None:
        """Write the artifact below a new /opt/ml."""
        (base_dir / "model").mkdir(parents=True)
        export.save(self.estimator, base_dir / "model", self.features, {}, self.naming)


@cache
def flowers() -> tuple[NDArray[np.float32], list[str]]:
    """Return the Iris table: 150 rows, 4 features, 3 labels."""
    table = load_iris()
    return table.data.astype(np.float32), table.target_names[table.target].tolist()


@cache
def digits(n_columns: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return all rows of digits, and the numbers that they form.

    So the score of a row shows which digits were read, and in which order.
    """
    rows = np.indices((10,) * n_columns).reshape(n_columns, -1).T
    return rows.astype(np.float32), rows @ 10.0 ** np.arange(n_columns)[::-1]


@cache
def buyers() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return 200 rows of 2 features, with labels 0 and 1 that overlap."""
    random = np.random.default_rng(0)
    features = random.uniform(0, 100, size=(200, 2)).astype(np.float32)
    return features, (features[:, 0] + random.normal(0, 15, 200) > 50).astype(np.int64)


def _flowers(estimator: Any, names: list[str] | None = None, base: int = 1) -> Made:
    features, labels = flowers()
    return Made(estimator.fit(features, labels), features, Naming(names, base))


def _digits(n_columns: int, names: list[str] | None = None) -> Made:
    features, numbers = digits(n_columns)
    return Made(
        DecisionTreeRegressor(random_state=0).fit(features, numbers), features, Naming(names)
    )


def _buyers() -> Made:
    features, labels = buyers()
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    return Made(tree.fit(features, labels), features, Naming(["age", "income"]))


def _labelled(*labels: str) -> Made:
    """Return a model of one feature: 1 has the first label, 2 the second, and so on."""
    features = np.arange(1, len(labels) + 1, dtype=np.float32)[:, np.newaxis]
    return Made(DecisionTreeClassifier().fit(features, labels), features, Naming())


def _tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(min_samples_leaf=3, random_state=0)


MODELS: Mapping[str, Callable[[], Made]] = {
    "flowers": lambda: _flowers(_tree()),
    "flowers_with_names": lambda: _flowers(_tree(), FLOWERS),
    "flowers_from_zero": lambda: _flowers(_tree(), base=0),
    "flowers_without_gaps": lambda: _flowers(LogisticRegression(max_iter=1000)),
    "buyers": _buyers,
    "digits": lambda: _digits(3),
    "digits_with_names": lambda: _digits(3, DIGITS),
    "digits_with_numbers_as_names": lambda: _digits(3, ["1", "2", "3"]),
    "digits_with_blanks_in_names": lambda: _digits(3, ["hundreds ", "\ufefftens", "ones\u00a0"]),
    "digits_with_numbers_and_blanks_as_names": lambda: _digits(3, ["1 ", "2", "3"]),
    "digits_with_names_apart_by_blanks": lambda: _digits(3, ["x", "x ", "y"]),
    "labels_of_two_lines": lambda: _labelled("one", "two\nlines", "and\u2028more"),
    "labels_to_quote": lambda: _labelled('"quoted"', "with, comma", "nul\0 within", "\u00e9;|'"),
    "digit": lambda: _digits(1),
    "digit_with_name": lambda: _digits(1, ["ones"]),
}
"""Functions that fit the models, by name.

`flowers_from_zero` counts features from 0 in libsvm; `flowers_without_gaps`
accepts no missing cells.
"""


@cache
def made(name: str) -> Made:
    """Return a model by its name."""
    return MODELS[name]()


def saved(directory: Path) -> Mapping[str, Path]:
    """Write the artifacts of all models, and return their replacements of /opt/ml by name."""
    for name in MODELS:
        made(name).save(directory / name)
    return {name: directory / name for name in MODELS}
