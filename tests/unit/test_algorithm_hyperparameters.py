"""Hyperparameters of algorithm.py: names, defaults and ranges equal scikit-learn's."""

import inspect
import json
from collections.abc import Iterator
from math import inf, nextafter
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from algorithm import Hyperparameters
from container.errors import HyperparameterError
from container.hyperparameters.declaration import Declaration, Kind, declarations
from container.hyperparameters.input_options import InputOptions
from container.hyperparameters.loader import parse
from container.hyperparameters.specification import specification

ESTIMATORS = [DecisionTreeClassifier, DecisionTreeRegressor]
OWN = [*InputOptions.model_fields, "engine", "max_bins"]
LEARNT = {one.name: one for one in declarations(Hyperparameters) if one.name not in OWN}
DECLARED = [
    (estimator, name, kind)
    for estimator in ESTIMATORS
    for name, declaration in LEARNT.items()
    for kind in declaration.kinds
    if name != "criterion" and name in inspect.signature(estimator).parameters
]


def signature(estimator: type) -> dict[str, Any]:
    """Return the parameters of an estimator with their defaults."""
    parameters = inspect.signature(estimator).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def inside(kind: Kind) -> Iterator[Any]:
    """Yield the smallest and largest values of a type."""
    match kind:
        case {"enum": words}:
            yield from words
        case {"const": word}:
            yield word
        case {"type": "integer", "minimum": minimum}:
            yield minimum
        case {"type": "number"}:
            yield float(kind["minimum"] if "minimum" in kind else nextafter(lowest(kind), inf))
            excluded = "exclusiveMaximum" in kind
            yield float(nextafter(highest(kind), -inf) if excluded else highest(kind))


def outside(kind: Kind) -> Iterator[Any]:
    """Yield the nearest values outside of a type."""
    match kind:
        case {"type": "integer", "minimum": minimum}:
            yield minimum - 1
        case {"type": "number"}:
            excluded = "exclusiveMinimum" in kind
            yield float(lowest(kind) if excluded else nextafter(lowest(kind), -inf))
            if "maximum" in kind or "exclusiveMaximum" in kind:
                below = "exclusiveMaximum" in kind
                yield float(highest(kind) if below else nextafter(highest(kind), inf))
            else:
                yield inf


def lowest(kind: Kind) -> float:
    """Return the lower bound of a number."""
    return float(kind.get("minimum", kind.get("exclusiveMinimum")))


def highest(kind: Kind) -> float:
    """Return the upper bound of a number, or a large number."""
    return float(kind.get("maximum", kind.get("exclusiveMaximum", 1e300)))


def fit(estimator: type, **parameters: object) -> None:
    """Fit an estimator on four rows."""
    features = np.arange(8.0).reshape(4, 2)
    estimator(**parameters).fit(features, np.array([0.0, 1.0, 0.0, 1.0]))


def test_every_parameter_of_scikit_learn_is_offered() -> None:
    """The hyperparameters are the parameters of scikit-learn's estimators."""
    assert set(LEARNT) == {name for estimator in ESTIMATORS for name in signature(estimator)}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_defaults_are_those_of_scikit_learn(estimator: type) -> None:
    """Defaults equal scikit-learn's, except the seed and the criterion, which is None."""
    expected = signature(estimator) | {"random_state": 0, "criterion": None}

    assert {name: LEARNT[name].default for name in expected} == expected


def test_criteria_are_those_that_are_not_deprecated() -> None:
    """The criteria are those of both estimators, without deprecated ones."""
    words = LEARNT["criterion"].kinds[0]["enum"]
    constraints = [estimator._parameter_constraints["criterion"][0] for estimator in ESTIMATORS]

    assert set(words) == set().union(*(constraint.options for constraint in constraints))


@pytest.mark.parametrize(("estimator", "name", "kind"), DECLARED)
def test_scikit_learn_takes_what_is_offered(estimator: type, name: str, kind: Kind) -> None:
    """scikit-learn fits with the outermost values of each type without a warning."""
    for value in inside(kind):
        assert parse({name: str(value)}, Hyperparameters) == Hyperparameters(**{name: value})
        fit(estimator, **{name: value})


@pytest.mark.parametrize(("estimator", "name", "kind"), DECLARED)
def test_scikit_learn_refuses_what_is_refused(estimator: type, name: str, kind: Kind) -> None:
    """The nearest values outside are refused here and by scikit-learn."""
    for value in outside(kind):
        with pytest.raises(HyperparameterError):
            parse({name: str(value)}, Hyperparameters)
        with pytest.raises(ValueError, match=name):
            fit(estimator, **{name: value})


@pytest.mark.parametrize("declaration", declarations(Hyperparameters), ids=lambda one: one.name)
def test_default_may_be_written_out(declaration: Declaration) -> None:
    """A default that is written out, in any notation, equals a default that is left out."""
    default = declaration.default

    for written in (default, str(default), json.dumps(default), json.dumps(str(default))):
        assert parse({declaration.name: written}, Hyperparameters) == Hyperparameters()


def test_seed_is_any_that_numpy_takes() -> None:
    """The largest seed is the largest number of 32 bits."""
    fit(DecisionTreeClassifier, random_state=2**32 - 1)

    assert parse({"random_state": str(2**32 - 1)}, Hyperparameters).random_state == 2**32 - 1
    with pytest.raises(HyperparameterError, match="from 0 to 4294967295, or None"):
        parse({"random_state": str(2**32)}, Hyperparameters)


def test_only_what_shapes_the_tree_is_tuned() -> None:
    """Only hyperparameters that change the predictions are tunable."""
    tunable = {one["Name"] for one in specification(Hyperparameters) if one["IsTunable"]}

    assert tunable == {
        "ccp_alpha",
        "criterion",
        "max_depth",
        "max_leaf_nodes",
        "min_impurity_decrease",
        "min_weight_fraction_leaf",
        "splitter",
    }


def test_every_mistake_is_named_in_what_the_platform_shows() -> None:
    """The first 1024 characters of the message name all wrong hyperparameters."""
    wrong = dict.fromkeys([*LEARNT, "num_round", "eta", "objective"], "x" * 100)

    with pytest.raises(HyperparameterError) as caught:
        parse(wrong, Hyperparameters)

    assert all(name in str(caught.value)[:1024] for name in wrong)
