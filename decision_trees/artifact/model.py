"""Load an artifact and predict with it. Nothing here, nor below, needs scikit-learn."""

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Since 1.29 onnxruntime reports its use to its maker, unless this is set before it is imported.
# https://github.com/microsoft/onnxruntime/pull/27379
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # noqa: TID251 - here no import can forget it

import onnxruntime

from artifact.record import ONNX_FILE, RECORD_FILE, ArtifactError, Record, from_json

INPUT = "features"
PROBABILITIES = "probabilities"

_PROBABILITY_TOLERANCE = 1e-5  # float32 arithmetic of linear models may differ between machines


class Model:
    """A classifier: rows in, for each the index of its label out."""

    def __init__(self, graph: bytes, record: Record, threads: int = 1) -> None:
        """Make a session for `graph`, an ONNX model, that computes with `threads` threads.

        Call it after a fork, never before: onnxruntime starts threads when it is imported.

        Raises:
            ArtifactError: onnxruntime cannot use the graph.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ArtifactError(f"{ONNX_FILE} cannot be loaded ({error}); train again") from error
        self.record = record

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
        """Return for each row of `features` the index of its label, shape (n_rows,).

        The first of several equal probabilities wins, as in scikit-learn.
        """
        indices: NDArray[np.intp] = self.probabilities(features).argmax(axis=1)
        return indices

    def check(self) -> None:
        """Answer the probe of the record.

        Raises:
            ArtifactError: the probe does not fit the graph, or an answer is another.
        """
        probe, shape = self.record.probe, (-1, self.record.n_features)
        try:
            features = np.array(probe.features, dtype=np.float32).reshape(shape)
            expected = np.array(probe.probabilities, dtype=np.float32)
            found = self.probabilities(features)
        except Exception as error:
            raise ArtifactError(f"{RECORD_FILE} does not fit {ONNX_FILE} ({error})") from error
        if found.shape != expected.shape or found.shape[1] != len(self.record.labels):
            raise ArtifactError(f"{RECORD_FILE} does not fit {ONNX_FILE}; train again")
        same_labels = found.argmax(axis=1).tolist() == probe.labels
        if not same_labels or not np.allclose(found, expected, atol=_PROBABILITY_TOLERANCE):
            raise ArtifactError(
                "the model's answers to its own probe differ from those at training; "
                "serve it with the image that trained it, or train again"
            )


def load(directory: Path, threads: int = 1) -> Model:
    """Read the artifact in `directory`, and check it: checksum first, then its answers.

    Raises:
        ArtifactError: it is absent, incomplete, changed, of another version, or answers wrongly.
    """
    record = from_json(_read(directory / RECORD_FILE).decode(errors="replace"))
    graph = _read(directory / ONNX_FILE)
    found = hashlib.sha256(graph).hexdigest()
    if found != record.sha256:
        raise ArtifactError(
            f"{ONNX_FILE} has the checksum {found[:12]}..., {RECORD_FILE} says "
            f"{record.sha256[:12]}...; the files are not from one training, so copy both again"
        )
    model = Model(graph, record, threads)
    model.check()
    return model


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{file} cannot be read ({error.strerror}); the artifact is {RECORD_FILE} and "
            f"{ONNX_FILE}, as `train` writes them"
        ) from error
