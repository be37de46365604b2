"""Choice of the engine: what histogram refuses, and which engine auto takes."""

import logging
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import algorithm
from algorithm import Hyperparameters
from container.data.table import Table
from container.errors import HyperparameterError
from container.hyperparameters.declaration import declarations
from container.hyperparameters.loader import parse
from trees.engine_choice import HISTOGRAM_ROWS, refusals

THIS_XGBOOST = refusals(DecisionTreeClassifier(), is_weighted=False)

LARGE = Table(
    np.arange(HISTOGRAM_ROWS, dtype=np.float32).reshape(-1, 1),
    np.arange(HISTOGRAM_ROWS) // 1000 % 2,
)


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ({"criterion": "entropy"}, "criterion is entropy, but histograms hold sums"),
        ({"criterion": "log_loss"}, "criterion is log_loss, but "),
        ({"splitter": "random"}, "splitter is random, but "),
        ({"max_features": "sqrt"}, "max_features is sqrt, but "),
        ({"monotonic_cst": [1]}, "monotonic_cst is given, but "),
        (
            {"min_samples_split": 9, "max_leaf_nodes": 5},
            "min_samples_split is 9 and max_leaf_nodes",
        ),
        ({"min_samples_leaf": 9, "class_weight": "balanced"}, "min_samples_leaf is 9 and rows or "),
    ],
)
def test_what_the_engine_cannot_honour_is_refused_by_name(
    given: dict[str, Any], start: str
) -> None:
    """Each parameter that the engine lacks is refused, with reason and remedy."""
    table = Table(LARGE.features[:10], np.arange(10) % 2)

    with pytest.raises(HyperparameterError) as caught:
        algorithm.fit(table, Hyperparameters(engine="histogram", **given))

    message = str(caught.value)
    assert message.startswith(f"The engine histogram cannot grow this tree: {start}")
    assert message.endswith("Leave that out, or set engine to exact.")


@pytest.mark.parametrize("criterion", ["absolute_error", "poisson"])
def test_criteria_of_numbers_but_the_squared_error_are_refused(criterion: str) -> None:
    """Criteria that cannot be computed from sums of labels are refused."""
    refused = refusals(DecisionTreeRegressor(criterion=criterion), is_weighted=False)

    assert refused[0].startswith(f"criterion is {criterion}, but ")


def test_least_rows_of_a_leaf_are_refused_where_rows_have_weights() -> None:
    """min_samples_leaf is refused with weights of rows, as with weights of classes."""
    estimator = DecisionTreeClassifier(min_samples_leaf=0.1)

    assert refusals(estimator, is_weighted=False) == THIS_XGBOOST
    assert refusals(estimator, is_weighted=True)[0].startswith("min_samples_leaf is 0.1 and ")


@pytest.mark.parametrize(
    ("estimator", "given"),
    [
        (DecisionTreeClassifier, {"max_depth": 3, "min_samples_split": 7, "min_samples_leaf": 4}),
        (DecisionTreeClassifier, {"max_leaf_nodes": 9, "min_samples_leaf": 4, "max_depth": 3}),
        (DecisionTreeClassifier, {"class_weight": "balanced", "min_weight_fraction_leaf": 0.1}),
        (DecisionTreeRegressor, {"min_impurity_decrease": 0.1, "ccp_alpha": 0.1}),
    ],
)
def test_what_the_engine_can_do_is_not_refused(estimator: type, given: dict[str, Any]) -> None:
    """Nothing is refused, except by an XGBoost that is too old."""
    assert refusals(estimator(**given), is_weighted=False) == THIS_XGBOOST


def test_auto_is_exact_for_few_rows(caplog: pytest.LogCaptureFixture) -> None:
    """The engine and the reason are logged."""
    caplog.set_level(logging.INFO)
    table = Table(LARGE.features[:-1], LARGE.labels[:-1])

    algorithm.fit(table, Hyperparameters(max_depth=1))

    assert caplog.messages == [f"engine: exact, for fewer than {HISTOGRAM_ROWS} rows"]


def test_auto_is_histogram_for_many_rows(caplog: pytest.LogCaptureFixture) -> None:
    """Auto takes histogram for many rows, or logs that XGBoost is too old."""
    caplog.set_level(logging.INFO)

    algorithm.fit(LARGE, Hyperparameters(max_depth=1))

    reason = "; ".join(THIS_XGBOOST)
    histogram = f"engine: histogram, for {HISTOGRAM_ROWS} rows or more"
    exact = f"engine: exact, since histogram cannot do this: {reason}"
    assert caplog.messages == [exact if reason else histogram]


def test_auto_is_exact_where_the_job_needs_it(caplog: pytest.LogCaptureFixture) -> None:
    """Auto takes exact for parameters that histogram lacks, for any number of rows."""
    caplog.set_level(logging.INFO)

    found = algorithm.fit(LARGE, Hyperparameters(max_depth=1, criterion="entropy"))

    assert found.criterion == "entropy"
    assert caplog.messages[0].startswith(
        "engine: exact, since histogram cannot do this: criterion is entropy, but "
    )


def test_engine_and_bins_are_read() -> None:
    """The minimum of max_bins is 2."""
    assert parse({"engine": "histogram", "max_bins": "2"}, Hyperparameters) == Hyperparameters(
        engine="histogram", max_bins=2
    )
    with pytest.raises(HyperparameterError, match="'max_bins' is '1'"):
        parse({"max_bins": "1"}, Hyperparameters)


@pytest.mark.parametrize(
    ("given", "n_rows", "expected"),
    [
        ({"engine": "histogram"}, 1, True),
        ({"engine": "exact"}, 10 * HISTOGRAM_ROWS, False),
        ({"engine": "auto"}, HISTOGRAM_ROWS - 1, False),
        ({"engine": "auto"}, HISTOGRAM_ROWS, not THIS_XGBOOST),
        ({"engine": "auto", "criterion": "entropy"}, HISTOGRAM_ROWS, False),
        ({"engine": "auto", "task": "regression", "criterion": "poisson"}, HISTOGRAM_ROWS, False),
        ({"min_samples_leaf": 5, "weight": "w"}, HISTOGRAM_ROWS, False),
    ],
)
def test_rows_may_be_beyond_memory_for_histogram(
    given: dict[str, Any], n_rows: int, expected: bool
) -> None:
    """Rows may come in batches only if histogram is the engine."""
    assert algorithm.takes_dataset(Hyperparameters(**given), n_rows) == expected


def test_help_names_the_number_of_rows() -> None:
    """`train --help` has the number of rows from which auto takes histogram."""
    (found,) = (one.doc for one in declarations(Hyperparameters) if one.name == "engine")

    assert f"auto takes histogram from {HISTOGRAM_ROWS:,} rows on" in found
