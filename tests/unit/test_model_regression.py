"""Loading the artifact of a regressor: complete and correct, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from artifact import export, model
from artifact.metadata import ArtifactError
from artifact.model import SCORE_TOLERANCE, near

FEATURES = np.arange(100, dtype=np.float32).reshape(-1, 2)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The artifact of a tree whose scores are 0 to 49."""
    estimator = DecisionTreeRegressor(random_state=0).fit(FEATURES, np.arange(50.0))
    export.save(estimator, tmp_path, FEATURES, {})
    return tmp_path


def change(directory: Path, scores: list[Any] | None = None, **values: Any) -> None:
    """Give fields of model.json, or the scores of its probe, other values."""
    file = directory / "model.json"
    record = json.loads(file.read_text()) | values
    if scores is not None:
        record["probe"]["scores"] = scores
    file.write_text(json.dumps(record))


def probe_scores(directory: Path) -> list[float]:
    """Return the scores of the probe."""
    scores: list[float] = json.loads((directory / "model.json").read_text())["probe"]["scores"]
    return scores


def reason(directory: Path) -> str:
    """Return why the artifact is refused."""
    with pytest.raises(ArtifactError) as caught:
        model.load(directory)
    return str(caught.value)


@pytest.mark.parametrize("threads", [1, 2])
def test_model_answers_with_one_score_a_row(directory: Path, threads: int) -> None:
    """With any number of threads, the scores are scikit-learn's; no rows have no scores."""
    found = model.load(directory, threads)

    assert found.record.task == "regression"
    assert found.scores(FEATURES).tolist() == list(range(50))
    assert found.answers(FEATURES).tolist() == list(range(50))
    assert found.scores(FEATURES[:0]).shape == (0,)


def test_model_that_scores_its_probe_differently_is_refused(directory: Path) -> None:
    """Scores that differ by more than the tolerance are another model's."""
    change(directory, scores=[score + 0.01 for score in probe_scores(directory)])

    assert reason(directory) == (
        "the model's answers to its own probe differ from those at training; serve it with the "
        "image that trained it, or train again"
    )


def test_model_within_the_tolerance_is_taken(directory: Path) -> None:
    """Another machine may compute scores that differ in the last digits."""
    change(directory, scores=[score + 0.004 for score in probe_scores(directory)])

    assert model.load(directory).record.n_features == 2


@pytest.mark.parametrize("scores", [[], [1.0], ["a"] * 9, [[1.0]] * 9, [None] * 9, 1.0])
def test_probe_that_does_not_fit_the_graph_is_refused(directory: Path, scores: Any) -> None:
    """A probe that was changed by hand is refused when it is loaded."""
    change(directory, scores=scores)

    assert reason(directory)


@pytest.mark.parametrize(
    "values",
    [
        {"n_features": 1},
        {"n_features": "2"},
        {"feature_names": ["width"]},
        {"probe": {"features": [], "scores": []}},
        {"task": "classification"},
        {
            "task": "classification",
            "labels": ["a"],
            "probe": {"features": [[0.0, 1.0]], "labels": [0], "probabilities": [[1.0]]},
        },
    ],
    ids=["n_features", "text", "names", "no_probe", "task", "task_and_probe"],
)
def test_record_that_does_not_fit_its_graph_is_refused(
    directory: Path, values: dict[str, Any]
) -> None:
    """A record that was changed by hand is refused when it is loaded, not at the first request."""
    change(directory, **values)

    assert reason(directory)


def test_artifact_of_two_trainings_is_refused(directory: Path) -> None:
    """The checksum in model.json is that of model.onnx."""
    graph = (directory / "model.onnx").read_bytes()
    (directory / "model.onnx").write_bytes(graph + b"\0")

    assert "the files are not from one training, so copy all again" in reason(directory)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ([0.0, 1.0], [True, True]),
        ([0.9 * SCORE_TOLERANCE, 1.0], [True, True]),
        ([0.0, 1 - 1.2 * SCORE_TOLERANCE], [True, False]),
        ([np.nan, np.inf], [False, False]),
    ],
)
def test_score_is_near_within_a_part_of_the_spread(found: list[float], good: list[bool]) -> None:
    """The tolerance is that part of the difference between the least and the largest score."""
    for scale in (1e-30, 1.0, 3e38):
        scores, expected = np.array([found, [0.0, 1.0]]) * scale

        assert near(scores.astype("f4"), expected.astype("f4")).tolist() == good


def test_spread_of_the_largest_scores_is_finite() -> None:
    """A spread beyond float32 does not make the tolerance infinite."""
    expected = np.array([-3e38, 3e38], dtype=np.float32)

    assert near(np.zeros(2, dtype=np.float32), expected).tolist() == [False, False]


def test_equal_scores_are_near_within_their_rounding() -> None:
    """Without a spread, only a few units in the last place are allowed."""
    expected = np.full(2, 1e6, dtype=np.float32)
    found = expected + np.array([0.25, 2.0], dtype=np.float32)

    assert near(found, expected).tolist() == [True, False]
