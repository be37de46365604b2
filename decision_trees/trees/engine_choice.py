"""Choice of the engine of a job: exact (scikit-learn) or histogram (XGBoost)."""

import logging
from collections.abc import Iterator
from typing import Any

from container.errors import HyperparameterError

logger = logging.getLogger(__name__)

HISTOGRAM_ROWS = 400_000
"""Minimum number of rows for which auto takes histogram: it is not slower from here on.

Measured by benchmarks/histogram.py with 28 features, 3 classes and 2 cores: 8 times as fast at
depth 6, 6 to 10 times at depth 12, as fast without a limit. There exact is faster for 100,000 and
200,000 rows. Accuracies are alike.
"""

_CRITERIA = ("gini", "squared_error")


def takes_histogram(asked: str, estimator: Any, n_rows: int, is_weighted: bool) -> bool:
    """Return whether histogram grows the tree of a table; log the reason if auto is asked for."""
    if asked != "auto":
        return asked == "histogram"
    if n_rows < HISTOGRAM_ROWS:
        logger.info("engine: exact, for fewer than %d rows", HISTOGRAM_ROWS)
        return False
    refused = refusals(estimator, is_weighted)
    if refused:
        logger.info("engine: exact, since histogram cannot do this: %s", "; ".join(refused))
        return False
    logger.info("engine: histogram, for %d rows or more", HISTOGRAM_ROWS)
    return True


def takes_batches(asked: str, estimator: Any, n_rows: int, is_weighted: bool) -> bool:
    """Return whether the rows may come in batches: only histogram reads them so."""
    if asked != "auto":
        return asked == "histogram"
    return n_rows >= HISTOGRAM_ROWS and not refusals(estimator, is_weighted)


def check_batches(asked: str, n_hosts: int) -> None:
    """Refuse exact for rows that come in batches; raises HyperparameterError."""
    if asked == "exact":
        raise HyperparameterError(
            f"The engine exact grows a tree on one host, and the job has {n_hosts}; set "
            "the number of instances to 1, or engine to histogram."
        )
    if asked == "auto":
        reason = f"{n_hosts} hosts" if n_hosts > 1 else "rows beyond memory"
        logger.info("engine: histogram, for %s", reason)


def refusals(estimator: Any, is_weighted: bool) -> list[str]:
    """Return the reasons why histogram cannot grow a tree; none if it can.

    Args:
        estimator: a DecisionTreeClassifier or DecisionTreeRegressor with its parameters.
        is_weighted: whether rows have weights of their own.

    Returns:
        One part of a sentence for each reason.
    """
    asked = estimator.get_params()
    weighted = is_weighted or asked.get("class_weight") is not None
    return [*_of_splits(asked), *_of_sizes(asked, weighted), *_of_the_package()]


def _of_splits(asked: dict[str, Any]) -> Iterator[str]:
    if asked["criterion"] not in _CRITERIA:
        yield (
            f"criterion is {asked['criterion']}, but histograms hold sums, from which only gini "
            "and squared_error can be computed"
        )
    if asked["splitter"] != "best":
        yield f"splitter is {asked['splitter']}, but histograms give the best split"
    if asked["max_features"] is not None:
        yield f"max_features is {asked['max_features']}, but every split looks at all features"
    if asked["monotonic_cst"] is not None:
        yield "monotonic_cst is given, but XGBoost's constraints differ from scikit-learn's"


def _of_sizes(asked: dict[str, Any], weighted: bool) -> Iterator[str]:
    leaf, split = asked["min_samples_leaf"], asked["min_samples_split"]
    if leaf != 1 and weighted:
        yield (
            f"min_samples_leaf is {leaf} and rows or classes have weights, but histograms hold the "
            "weight of rows, not their number (min_weight_fraction_leaf can be used)"
        )
    if split != 2 and asked["max_leaf_nodes"] is not None:
        yield (
            f"min_samples_split is {split} and max_leaf_nodes is given, but nodes that are too "
            "small are only found after the growth, when other nodes should have been split instead"
        )


def _of_the_package() -> Iterator[str]:
    if _xgboost_version() < (3, 4):
        yield (
            "it needs XGBoost 3.4 or later and Python 3.12 or later, because older versions ignore "
            "the least size of leaves in some trees"
        )


def _xgboost_version() -> tuple[int, ...]:
    """Return the first two parts of the version, (0,) if it is not installed."""
    try:
        import xgboost  # imported here: exact does not need it, and it takes a second to load
    except ModuleNotFoundError:
        return (0,)
    return tuple(int(part) for part in xgboost.__version__.split(".")[:2])
