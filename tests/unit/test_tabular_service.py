"""Base class of a scoring service, with a model that computes in float64 as most do."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray

from container.errors import ContainerError, NotAcceptable
from container.payloads import (
    Expected,
    Invocation,
    ModelNotReady,
    Predictions,
    Settings,
    TabularService,
)


class Sigmoid(TabularService[float]):
    """A model of one feature and two labels, whose single parameter is a slope."""

    n_calls = 0

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Refuse to load."""
        raise ModelNotReady(f"There is no slope in {settings.paths.model}.")

    def predict(self, features: NDArray[np.float32], _outputs: Sequence[str]) -> Predictions:
        """Return probabilities as float64; the row 9 loses its prediction."""
        self.n_calls += 1
        kept = features[features[:, 0] != 9, 0].astype(np.float64)
        right = 1 / (1 + np.exp(-self.model * kept))
        probabilities = np.column_stack([1 - right, right])
        return Predictions(probabilities.argmax(axis=1), probabilities)


def service() -> Sigmoid:
    """Return a service whose settings are the defaults."""
    return Sigmoid(2.0, Settings.from_environ({}), Expected(1), ["left", "right"])


def test_service_reads_and_writes_every_format_around_predict() -> None:
    """The author writes `predict`; media types and outputs are inherited."""
    body = b'{"instances": [[-3], [0.25]]}'
    accept = "application/jsonlines;output=predicted_label+probability"

    answer = service().answer(Invocation(body, "application/json", accept))

    first, second = (str(np.float32(1 / (1 + np.exp(-2.0 * x)))) for x in (3, 0.25))
    assert answer.media_type == "application/jsonlines"
    assert answer.n_rows == 2
    assert answer.body.decode() == (
        f'{{"predicted_label":"left","probability":{first}}}\n'
        f'{{"predicted_label":"right","probability":{second}}}\n'
    )


def test_wrong_number_of_predictions_is_an_error_of_the_server() -> None:
    """No response has its rows shifted; the message says what to return."""
    with pytest.raises(ContainerError) as caught:
        service().answer(Invocation(b"1\n9\n2\n", "text/csv"))

    assert caught.value.status == 500
    assert str(caught.value) == (
        "The model returned 2 predictions for 3 rows; return one for each row from `predict`."
    )


def test_single_row_is_answered_by_the_faster_function() -> None:
    """It is called for a plain row and a label only; anything else goes to `predict`."""
    rows: list[list[float]] = []

    def predict_row(row: Sequence[float]) -> int:
        rows.append(list(row))
        return 1

    quick = Sigmoid(2.0, Settings.from_environ({}), Expected(1), ["left", "right"], predict_row)

    assert quick.answer(Invocation(b"-3\n", "text/csv")).body == b"right\n"
    assert quick.n_calls == 0
    assert quick.answer(Invocation(b"-3\n-3\n", "text/csv")).body == b"left\nleft\n"
    assert quick.answer(Invocation(b"-3\n", None, "*/*;output=probability")).body.startswith(
        b"0.99"
    )
    assert quick.n_calls == 2
    assert rows == [[-3.0]]


def test_label_with_a_line_break_does_not_keep_the_server_from_starting() -> None:
    """Only labels in CSV, the default, are refused; JSON and probabilities are not."""
    found = Sigmoid(2.0, Settings.from_environ({}), Expected(1), ["left\n", "right"])
    rows = Invocation(b"1\n2\n", "text/csv")

    with pytest.raises(NotAcceptable):
        found.answer(rows)
    for accept in ("application/json", "text/csv;output=probabilities"):
        assert found.answer(rows._replace(accept=accept)).n_rows == 2
