"""What is compared before a model is written, and the reasons that the owner of a job gets."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from artifact import export, verification
from artifact.metadata import WAY_OUT, ArtifactError
from support.ensembles import as_model, class_labels, training_rows
from support.processes import python


def forest(missing: float = 0, **options: Any) -> tuple[Any, NDArray[np.float32]]:
    """Return a fitted forest, and its training rows."""
    rows = training_rows(200, 0, missing)
    options = {"random_state": 0} | options
    return RandomForestClassifier(20, **options).fit(rows, class_labels(200, 2, 0)), rows


def refusal(estimator: Any, changed: Any, rows: NDArray[np.float32]) -> str:
    """Return why the model of `estimator` is not that of `changed`, which is the oracle."""
    graph = export.to_onnx(estimator, rows.shape[1])
    model = as_model(estimator)
    answers = verification.answers_of(changed, rows)
    with pytest.raises(ArtifactError) as caught:
        verification.check(model, graph, changed, rows, answers)
    return str(caught.value)


def reason(estimator: Any, rows: NDArray[Any], directory: Path) -> str:
    """Return why an estimator is not saved: a mistake of the owner, not of the program."""
    with pytest.raises(ArtifactError) as caught:
        export.save(estimator, directory, rows.astype(np.float32), {})
    assert not list(directory.iterdir())
    assert caught.value.exit_code == os.EX_DATAERR
    assert str(caught.value).endswith(WAY_OUT)
    return str(caught.value)


def test_threshold_that_is_off_by_one_bit_is_found() -> None:
    """No training row shows it, but a row at the threshold does."""
    rows = np.random.default_rng(0).random((200, 3), dtype=np.float32)
    labels = class_labels(200, 2, 0)
    estimator, changed = (
        RandomForestClassifier(20, random_state=0).fit(rows, labels) for _ in range(2)
    )
    for tree in changed.estimators_:
        splits = tree.tree_.children_left != -1
        tree.tree_.threshold[splits] = np.nextafter(
            tree.tree_.threshold[splits].astype(np.float32), np.float32(-9)
        )

    message = refusal(estimator, changed, rows)

    assert " rows at thresholds, 0 of them with missing values" in message


def test_missing_values_that_go_to_the_other_side_are_found() -> None:
    """The message names missing values as the cause, and how many rows there are."""
    estimator, rows = forest(missing=0.2)
    changed, _ = forest(missing=0.2)
    for tree in changed.estimators_:
        tree.tree_.missing_go_to_left[:] = 1 - tree.tree_.missing_go_to_left

    message = refusal(estimator, changed, rows)

    assert "treats missing values differently" in message


def test_probability_that_is_off_is_found_although_all_labels_are_right() -> None:
    """The message says by how much it is off."""
    rows = training_rows(200, 0)
    estimator, changed = (LogisticRegression().fit(rows, rows[:, 0] > rows[:, 1]) for _ in range(2))
    changed.coef_ *= 1.1
    changed.intercept_ *= 1.1

    message = refusal(estimator, changed, rows)

    assert message.startswith(
        "the exported model predicts another probability than LogisticRegression for "
    )
    assert "(off by up to 0.0" in message
    assert "scale the features, or use another estimator" in message


def test_score_of_an_ensemble_may_only_be_rounded() -> None:
    """A score that is off by a part in a million is another one."""
    rows = training_rows(200, 0)
    labels = np.random.default_rng(0).normal(100, 9, 200)
    estimator, changed = (HistGradientBoostingRegressor().fit(rows, labels) for _ in range(2))
    changed._baseline_prediction *= 1 + 1e-6

    message = refusal(estimator, changed, rows)

    assert "another score than HistGradientBoostingRegressor for 200 of 200 training" in message


class LastOfTies(RandomForestClassifier):  # type: ignore[misc]
    """Forest whose last label wins a tie."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """Return the last of the most probable labels."""
        reversed_ = self.predict_proba(rows)[:, ::-1]
        labels: NDArray[Any] = self.classes_[::-1][reversed_.argmax(axis=1)]
        return labels


def test_tie_that_is_decided_otherwise_is_named_as_the_cause(tmp_path: Path) -> None:
    """Rows with an equal number of votes have another label."""
    rows = training_rows(200, 0)
    estimator = LastOfTies(20, random_state=0).fit(rows[:, :1], class_labels(200, 2, 0))
    for tree in estimator.estimators_:
        tree.tree_.value[:] = 0.5

    message = reason(estimator, rows[:, :1], tmp_path)

    assert "predicts another label than LastOfTies for 200 of 200 training rows, 0 of" in message
    assert "does not choose" in message


def test_classifier_without_probabilities_is_refused_with_a_way_out(tmp_path: Path) -> None:
    """The message names a class that adds them, or other ways to serve it."""
    rows = training_rows(100, 0)
    estimator = SVC().fit(rows, class_labels(100, 2, 0))

    assert "SVC has no predict_proba; put it into a CalibratedClassifierCV" in reason(
        estimator, rows, tmp_path
    )


class Broken(LogisticRegression):  # type: ignore[misc]
    """Classifier whose predictions fail."""

    def predict(self, _rows: NDArray[np.float32]) -> NDArray[Any]:
        """Raise an error."""
        raise KeyError("column 7")


@pytest.mark.parametrize(
    "estimator",
    [
        Broken(),
        make_pipeline(FunctionTransformer(np.abs), LogisticRegression()),
        StandardScaler(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_any_estimator_that_fails_is_refused_by_name(tmp_path: Path, estimator: Any) -> None:
    """Whatever an estimator raises is never called a fault of the program."""
    rows = training_rows(100, 0)

    assert type(estimator).__name__ in reason(
        estimator.fit(rows, class_labels(100, 2, 0)), rows, tmp_path
    )


def test_forest_of_several_jobs_is_compared_with_one_job(tmp_path: Path) -> None:
    """Several jobs add votes in any order, so that ties may tip over from call to call."""
    for seed in range(5):
        estimator, rows = forest(n_jobs=2, random_state=seed)
        export.save(estimator, tmp_path, rows, {})

    assert (tmp_path / "model.onnx").exists()


def test_check_of_many_columns_needs_little_memory() -> None:
    """The memory is linear in the table, and no row becomes a list of Python's numbers."""
    ended = python(
        "import resource, tempfile, pathlib, numpy as np\n"
        "from sklearn.tree import DecisionTreeClassifier\n"
        "from artifact import export\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = np.random.default_rng(0).random((300, 30_000), dtype=np.float32)\n"
        "labels = np.arange(300) % 2\n"
        "few = DecisionTreeClassifier().fit(rows[:, :3], labels)\n"
        "directory = pathlib.Path(tempfile.mkdtemp())\n"
        "export.save(few, directory, rows[:, :3].copy(), {})\n"
        "tree = DecisionTreeClassifier().fit(rows, labels)\n"
        "before = peak()\n"
        "export.save(tree, directory, rows, {})\n"
        "print((peak() - before) / 1024)\n"
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert float(ended.stdout) < 150


def test_tree_is_compared_in_slices(tmp_path: Path) -> None:
    """Few rows at a time are predicted if a row has many columns or labels."""
    assert verification._slice_rows(28) == verification.SLICE_ROWS
    assert verification._slice_rows(30_000) * 30_000 <= verification.SLICE_CELLS
    assert verification._slice_rows(10**9) == 1

    rows = training_rows(100, 0)
    export.save(DecisionTreeClassifier().fit(rows, np.arange(100) % 30), tmp_path, rows, {})
