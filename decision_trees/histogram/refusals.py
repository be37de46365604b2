"""What scikit-learn can do and the histogram engine cannot, by name."""

from collections.abc import Iterator
from typing import Any

CRITERIA = ("gini", "squared_error")

_LEAST_VERSION = (3, 4)


def refusals(estimator: Any, is_weighted: bool) -> list[str]:
    """Return what keeps the engine from growing the tree that an estimator is asked for.

    Args:
        estimator: a DecisionTreeClassifier or DecisionTreeRegressor with its parameters.
        is_weighted: whether rows have weights of their own.

    Returns:
        One part of a sentence for each; none when the tree can be grown.
    """
    asked = estimator.get_params()
    weighted = is_weighted or asked.get("class_weight") is not None
    return [*_of_splits(asked), *_of_sizes(asked, weighted), *_of_the_package()]


def _of_splits(asked: dict[str, Any]) -> Iterator[str]:
    if asked["criterion"] not in CRITERIA:
        yield (
            f"criterion is {asked['criterion']}, but histograms hold sums, from which only gini "
            "and squared_error can be told"
        )
    if asked["splitter"] != "best":
        yield f"splitter is {asked['splitter']}, but histograms give the best split"
    if asked["max_features"] is not None:
        yield f"max_features is {asked['max_features']}, but every split looks at all features"
    if asked["monotonic_cst"] is not None:
        yield "monotonic_cst is given, but XGBoost's constraints are others than scikit-learn's"


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
            "small are only known when the tree has grown, and others would have split instead"
        )


def _of_the_package() -> Iterator[str]:
    import xgboost  # only now: no other engine needs it, and it takes a second to load

    version = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
    if version < _LEAST_VERSION:
        yield (
            f"XGBoost is {xgboost.__version__}, but only 3.4 and later honour the least size of "
            "leaves in all trees (they need Python 3.12)"
        )
