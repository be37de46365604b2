"""Load an artifact and predict with it, without scikit-learn."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import tree
from artifact.metadata import (
    INPUT,
    LABEL_INDEX,
    N_PROBABILITIES,
    ONNX_FILE,
    PROBABILITIES,
    REASON_CHARACTERS,
    RECORD_FILE,
    REGRESSION,
    TREE_FILE,
    ArtifactError,
    Metadata,
    ScoreProbe,
    from_json,
    read,
)
from artifact.tree import Tree

PROBABILITY_TOLERANCE = 1e-5
"""Maximum error of a probability; 32-bit arithmetic may differ between machines."""


SCORE_TOLERANCE = 1e-4
"""Maximum error of a score, relative to the spread of all expected scores.

Expected scores are computed in float64, these in float32; a wrong branch in a tree, or a pipeline
step that is computed differently, causes a far larger error."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Maximum relative error that is rounding to 32-bit floats, even if all scores are equal."""


class Model:
    """Predicts the index of each row's label, or its score if the task is regression."""

    def __init__(
        self, graph: bytes, record: Metadata, threads: int = 1, tree: Tree | None = None
    ) -> None:
        """Create a session for `graph`, an ONNX model, with `threads` threads.

        Raises:
            ArtifactError: onnxruntime cannot use the graph, or the tree does not fit.
        """
        # Imported late: training needs them only after the fit, and a model of your own never.
        from artifact import onnx_file, session

        if tree is not None:
            tree.check(record.n_features, len(record.labels))
        onnx_file.check(graph, None if tree is None else tree.nodes)
        try:
            self._session = session.of_graph(graph, threads)
        except Exception as error:
            reason = " ".join(str(error).split())[:REASON_CHARACTERS]
            raise ArtifactError(f"{ONNX_FILE} cannot be loaded ({reason}); train again") from error
        self._has_index = LABEL_INDEX in [found.name for found in self._session.get_outputs()]
        # In artifacts of earlier versions the optional input is an initializer.
        inputs = [*self._session.get_inputs(), *self._session.get_overridable_initializers()]
        is_optional = N_PROBABILITIES in [found.name for found in inputs]
        self._label_alone = {N_PROBABILITIES: np.array([0])} if is_optional else {}
        self.record = record
        self.tree = tree
        """Predicts a single row, faster than the session; None if the model is not a tree."""

    @property
    def predict_row(self) -> Callable[[Sequence[float]], int | float] | None:
        """Function from one row to the index of its label, or its score; None without a tree.

        The row has n_features float32 values, none missing.
        """
        if self.tree is None:
            return None
        return self.tree.score if self.record.task == REGRESSION else self.tree.label

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of every label.

        Args:
            features: shape (n_rows, n_features), NaN for a missing cell.

        Returns:
            Shape (n_rows, n_labels), columns in the order of `record.labels`.
        """
        result: NDArray[np.float32] = self._session.run([PROBABILITIES], {INPUT: features})[0]
        return result

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return the index of each row's label, shape (n_rows,).

        The first of several equal probabilities wins, as in scikit-learn.
        """
        if self._has_index:
            inputs = {INPUT: features, **self._label_alone}
            found: NDArray[np.int64] = self._session.run([LABEL_INDEX], inputs)[0]
            return found.astype(np.intp, copy=False)
        indices: NDArray[np.intp] = self.probabilities(features).argmax(axis=1)
        return indices

    def labels_and_probabilities(
        self, features: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return what `predict` and `probabilities` return, computed once.

        Labels that are equally likely in float32 may not be so in the graph, so its label wins.
        """
        if not self._has_index:
            probabilities = self.probabilities(features)
            return probabilities.argmax(axis=1), probabilities
        outputs = [LABEL_INDEX, PROBABILITIES]
        labels, probabilities = self._session.run(outputs, {INPUT: features})
        return labels.astype(np.intp, copy=False), probabilities

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the score of each row of a regression model, shape (n_rows,)."""
        result: NDArray[np.generic] = self._session.run(None, {INPUT: features})[0]
        return result.astype(np.float32, copy=False).reshape(-1)

    def answers(self, features: NDArray[np.float32]) -> NDArray[np.intp] | NDArray[np.float32]:
        """Return `scores` if the task is regression, otherwise the labels of `predict`."""
        return self.scores(features) if self.record.task == REGRESSION else self.predict(features)

    def check(self) -> None:
        """Predict the probe rows of the record, and compare with their predictions.

        Raises:
            ArtifactError: the probe does not fit the graph, or a prediction differs.
        """
        try:
            rows = np.array(self.record.probe.features, dtype=np.float32)
            rows = rows.reshape(-1, self.record.n_features)
            found, expected = self._probed(rows)
            answers = self.answers(rows)
        except Exception as error:
            raise ArtifactError(f"{RECORD_FILE} does not fit {ONNX_FILE} ({error})") from error
        if not len(found) or found.shape != expected.shape:
            raise ArtifactError(f"{RECORD_FILE} does not fit {ONNX_FILE}; train again")
        if not self._is_right(rows, answers, found, expected):
            raise ArtifactError(
                "the model's answers to its own probe differ from those at training; "
                "serve it with the image that trained it, or train again"
            )

    def _probed(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return scores or probabilities of the probe rows, and the expected ones."""
        probe = self.record.probe
        if isinstance(probe, ScoreProbe):
            return self.scores(rows), np.array(probe.scores, dtype=np.float32)
        expected = np.array(probe.probabilities, dtype=np.float32)
        return self.probabilities(rows), expected.reshape(-1, len(self.record.labels))

    def _is_right(
        self,
        rows: NDArray[np.float32],
        answers: NDArray[Any],
        found: NDArray[np.float32],
        expected: NDArray[np.float32],
    ) -> bool:
        probe = self.record.probe
        if self.tree is not None and not self.tree.agree(rows, answers).all():
            return False
        if isinstance(probe, ScoreProbe):
            return bool(near(found, expected).all())
        same_labels = answers.tolist() == probe.labels
        return same_labels and np.allclose(found, expected, atol=PROBABILITY_TOLERANCE)


def near(found: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for each score whether it is close to the expected one, all of which are finite."""
    wide = expected.astype(np.float64)  # differences do not overflow in it
    tolerance = SCORE_TOLERANCE * float(np.ptp(wide))
    right: NDArray[np.bool_] = np.isclose(found, wide, rtol=ROUNDING, atol=tolerance)
    return right


_PRELOADED: dict[Path, Model] = {}


@contextmanager
def preloading(directory: Path, threads: int) -> Iterator[None]:
    """Load the artifact while the body of the `with` runs, for a `load` after the fork.

    The processes share its memory. A session with threads is left to `load`, because threads do
    not survive a fork; so is an artifact that cannot be used, because `load` raises the error.
    """
    with ThreadPoolExecutor(1) as beside:
        if threads == 1:
            beside.submit(_preload, directory)
        from artifact import session  # noqa: F401 - its pages are shared in any case

        yield


def _preload(directory: Path) -> None:
    _PRELOADED[directory] = load(directory)


def is_preloaded(directory: Path) -> bool:
    """Return whether the next `load` of a directory needs no file."""
    return directory in _PRELOADED


def load(directory: Path, threads: int = 1) -> Model:
    """Load the artifact in `directory`, and check its checksums and its predictions.

    A preloaded artifact is not read again.

    Raises:
        ArtifactError: it is absent, incomplete, changed, of another version, or predicts wrongly.
    """
    if threads == 1 and directory in _PRELOADED:
        return _PRELOADED.pop(directory)
    record = from_json(read(directory / RECORD_FILE))
    nodes = None
    if record.tree_sha256 is not None:
        nodes = tree.from_bytes(_checked(directory / TREE_FILE, record.tree_sha256))
    model = Model(_checked(directory / ONNX_FILE, record.sha256), record, threads, nodes)
    model.check()
    return model


def _checked(file: Path, sha256: str) -> bytes:
    """Return the content of a file; raise ArtifactError if its checksum differs."""
    content = read(file)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ArtifactError(
            f"{file.name} has the checksum {found[:12]}..., {RECORD_FILE} says {sha256[:12]}...; "
            "the files are not from one training, so copy all again"
        )
    return content
