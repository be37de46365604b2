"""Encoding predictions as a response body."""

import csv
import io
import json
import math
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.errors import ContainerError, NotAcceptable
from container.formats import media_types, recordio_frames
from container.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    NPY,
    OF_CLASSES,
    PREDICTED_LABEL,
    RECORDIO,
)
from container.formats.recordio_messages import Record
from container.payloads import negotiation
from container.payloads.encoding import Encoder
from container.payloads.negotiation import ResponseFormat
from container.payloads.types import Predictions

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
LABELS = (
    st.lists(TEXTS | st.sampled_from(['"', ",", "\n", "\r", "\u2028", "1", ""]), min_size=1)
    | st.lists(st.integers(-(2**53), 2**53) | st.integers(-9, 9), min_size=1)
    | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1)
)
REPLIES = [
    names for length in range(1, 5) for names in permutations(OF_CLASSES, length)
]  # every choice of outputs, in every order


class Drawn(NamedTuple):
    """Predictions of a classifier, its labels, and the indices of bad rows."""

    answers: Predictions
    labels: list[Any]
    bad: set[int]


@st.composite
def classifications(draw: st.DrawFn) -> Drawn:
    """Draw predictions, some of them equal so that they are written once, and bad rows."""
    labels = draw(LABELS)
    n_rows = draw(st.integers(1, 8))
    indices = draw(st.lists(st.integers(0, len(labels) - 1), min_size=n_rows, max_size=n_rows))
    numbers = draw(st.lists(FLOATS, min_size=n_rows, max_size=n_rows))
    rows = [[number * (column % 2) for column in range(len(labels))] for number in numbers]
    times = draw(st.sampled_from([1, 10]))
    probabilities = np.array(rows * times, dtype=np.float32)
    probabilities[np.arange(n_rows), indices] = numbers
    bad = draw(st.sets(st.integers(0, n_rows * times - 1), max_size=3))
    probabilities[list(bad)] = math.nan
    return Drawn(Predictions(np.array(indices * times), probabilities), labels, bad)


def expected(drawn: Drawn, outputs: tuple[str, ...]) -> list[Any]:
    """Return for each row its outputs by their names, None for a bad row."""
    answers, labels, bad = drawn
    assert answers.indices is not None
    assert answers.probabilities is not None
    rows: list[Any] = []
    for index, probabilities in zip(answers.indices, answers.probabilities, strict=True):
        values = {
            "predicted_label": labels[index],
            "labels": labels,
            "probability": probabilities[index],
            "probabilities": list(probabilities),
        }
        rows.append(None if len(rows) in bad else {name: values[name] for name in outputs})
    return rows


def same(value: Any) -> Any:
    """Return a value in a form that tells -0.0 from 0.0 and 1 from 1.0, floats as float32."""
    if isinstance(value, np.float32):
        return np.float32(value).tobytes()
    return [same(element) for element in value] if isinstance(value, list) else repr(value)


def read_as(wanted: Any, found: Any) -> Any:
    """Return the value found, as float32 with its shortest digits if the expected one is."""
    if isinstance(wanted, list):
        return [read_as(one, other) for one, other in zip(wanted, found, strict=True)]
    if isinstance(wanted, np.float32):
        assert float(found) == float(str(wanted))
        return np.float32(found)
    return type(wanted)(found) if isinstance(found, str) else found


def assert_same(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    """Compare a row with what was read, bit for bit."""
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert same(read_as(value, found[name])) == same(value)


@given(classifications(), st.sampled_from(REPLIES))
def test_csv_is_read_back(drawn: Drawn, outputs: tuple[str, ...]) -> None:
    """Each row is a record of one column a value; a bad row is an empty line, in its place."""
    answers, labels, bad = drawn

    reply = Encoder(labels).encode(answers, ResponseFormat(CSV, outputs), bad)

    assert reply.endswith(b"\n")
    found = list(csv.reader(io.StringIO(reply.decode(), newline=""), strict=True))
    for row, cells in zip(expected(drawn, outputs), found, strict=True):
        values = [] if row is None else [cell for value in row.values() for cell in _listed(value)]
        assert same([read_as(*pair) for pair in zip(values, cells, strict=True)]) == same(values)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@given(classifications(), st.sampled_from(REPLIES))
def test_json_is_read_back(drawn: Drawn, outputs: tuple[str, ...]) -> None:
    """JSON and JSON Lines hold the same objects, one a row; a bad row is null, in its place."""
    answers, labels, bad = drawn
    encoder = Encoder(labels)

    whole = encoder.encode(answers, ResponseFormat(JSON, outputs), bad)
    lines = encoder.encode(answers, ResponseFormat(JSON_LINES, outputs), bad)

    found = json.loads(whole)["predictions"]
    assert whole.endswith(b"]}\n")
    assert lines.endswith(b"\n")
    assert repr([json.loads(line) for line in lines.decode().splitlines()]) == repr(found)
    for row, value in zip(expected(drawn, outputs), found, strict=True):
        assert (row is None) == (value is None)
        if row is not None:
            assert_same(row, value)


@given(classifications(), st.sampled_from(REPLIES))
def test_recordio_is_read_back(drawn: Drawn, outputs: tuple[str, ...]) -> None:
    """Each row is a record with a tensor a name in its label; a bad row is an empty one."""
    answers, labels, bad = drawn

    reply = Encoder(labels).encode(answers, ResponseFormat(RECORDIO, outputs), bad)

    records = [Record.FromString(payload) for payload in recordio_frames.frames(io.BytesIO(reply))]
    for row, record in zip(expected(drawn, outputs), records, strict=True):
        assert not record.features
        assert set(record.label) == set(row or ())
        for name, value in (row or {}).items():
            kind = record.label[name].WhichOneof("value")
            tensor = getattr(record.label[name], kind)
            found = [text.decode() for text in tensor.value] if kind == "bytes" else tensor.values
            wanted = _listed(value)
            assert (kind == "float32_tensor") == name.startswith("probabilit")
            assert [type(each)(other) for each, other in zip(wanted, found, strict=True)] == wanted


@given(classifications(), st.sampled_from(REPLIES))
def test_npy_is_read_back(drawn: Drawn, outputs: tuple[str, ...]) -> None:
    """NumPy reads the same values without pickle, or the response format is refused."""
    answers, labels, bad = drawn
    reply = ResponseFormat(NPY, outputs)
    try:
        negotiation.check(reply, labels)
    except NotAcceptable:
        assert len(outputs) > 1
        return

    found = np.load(io.BytesIO(Encoder(labels).encode(answers, reply, bad)), allow_pickle=False)

    is_list = outputs in {("labels",), ("probabilities",)}
    assert found.ndim == (2 if is_list or len(outputs) > 1 else 1)
    for row, values in zip(expected(drawn, outputs), found, strict=True):
        if row is None:
            assert all(
                value == "" if isinstance(value, str) else np.isnan(value)
                for value in np.atleast_1d(values)
            )
        else:
            wanted = [each for value in row.values() for each in _listed(value)]
            assert np.atleast_1d(values).tolist() == [np.asarray(each).item() for each in wanted]


@pytest.mark.parametrize(
    ("labels", "outputs", "dtype", "bad"),
    [
        (["a", "bc"], ("predicted_label",), "<U2", ()),
        ([1, 2], ("predicted_label",), "<i8", ()),
        ([1, 2], ("predicted_label",), "<f8", (0,)),
        ([1.0, 2.0], ("labels",), "<f8", ()),
        ([1, 2], ("probability",), "<f4", (1,)),
        ([1, 2], ("probability", "probabilities"), "<f4", ()),
        ([1, 2], ("predicted_label", "probabilities"), "<f8", ()),
    ],
)
def test_npy_has_the_type_of_what_it_holds(
    labels: list[Any], outputs: tuple[str, ...], dtype: str, bad: tuple[int, ...]
) -> None:
    """Numbers stay 32-bit floats until something needs more."""
    answers = Predictions(np.array([0, 1]), np.eye(2, dtype=np.float32))

    reply = Encoder(labels).encode(answers, ResponseFormat(NPY, outputs), bad)

    assert np.load(io.BytesIO(reply)).dtype == dtype


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        (CSV, b'"a,b",0.9,0.9,0.1\n\n'),
        (
            JSON,
            (
                b'{"predictions":[{"predicted_label":"a,b","probability":0.9,'
                b'"probabilities":[0.9,0.1]},null]}\n'
            ),
        ),
        (
            JSON_LINES,
            b'{"predicted_label":"a,b","probability":0.9,"probabilities":[0.9,0.1]}\nnull\n',
        ),
    ],
)
def test_reply_is_compact(media_type: str, expected: bytes) -> None:
    """These are the bytes that users see."""
    answers = Predictions(np.array([0, 1]), np.array([[0.9, 0.1], [0.5, 0.5]], dtype=np.float32))
    reply = ResponseFormat(media_type, ("predicted_label", "probability", "probabilities"))

    assert Encoder(["a,b", "c"]).encode(answers, reply, {1}) == expected


@given(st.lists(FLOATS, min_size=1), st.sampled_from(media_types.REPLIES), st.booleans())
def test_scores_are_read_back_bit_for_bit(
    scores: list[float], media_type: str, are_many: bool
) -> None:
    """A reader who parses doubles gets the same float32, smallest numbers and -0.0 included."""
    sent = np.array(scores * (40 if are_many else 1), dtype=np.float32)

    reply = Encoder([]).encode(
        Predictions(scores=sent), ResponseFormat(media_type, ("predicted_score",))
    )

    assert _scores(reply, media_type).tobytes() == sent.tobytes()


def _scores(reply: bytes, media_type: str) -> NDArray[np.float32]:
    if media_type == NPY:
        array: NDArray[np.float32] = np.load(io.BytesIO(reply))
        return array
    if media_type == RECORDIO:
        records = map(Record.FromString, recordio_frames.frames(io.BytesIO(reply)))
        found = [record.label["predicted_score"].float32_tensor.values[0] for record in records]
    elif media_type == CSV:
        found = [float(line) for line in reply.split()]
    else:
        lines = reply.splitlines() if media_type == JSON_LINES else []
        rows = [json.loads(line) for line in lines] or json.loads(reply)["predictions"]
        found = [row["predicted_score"] for row in rows]
    return np.array(found, dtype=np.float64).astype(np.float32)


@pytest.mark.parametrize("media_type", media_types.REPLIES)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_no_reply(media_type: str, number: float) -> None:
    """It is an error of the model, and the message names the row; bad rows are not checked."""
    numbers = np.array([1.0, number, number], dtype=np.float32)
    scores, names = Predictions(scores=numbers), ("predicted_score",)
    classes = Predictions(np.array([0, 0, 0]), numbers[:, np.newaxis])
    remedy = "which is not a finite number; check that row for values far from the training data."

    with pytest.raises(ContainerError) as score:
        Encoder([]).encode(scores, ResponseFormat(media_type, names))
    with pytest.raises(ContainerError) as probability:
        Encoder([7]).encode(classes, ResponseFormat(media_type, ("probabilities",)), {1})

    assert score.value.status == 500
    assert str(score.value) == f"The model returned the score {number} for row 2, {remedy}"
    assert (
        str(probability.value) == f"The model returned the probability {number} for row 3, {remedy}"
    )
    assert Encoder([]).encode(scores, ResponseFormat(media_type, names), {1, 2})


@pytest.mark.parametrize("output", ["probability", "probabilities"])
@pytest.mark.parametrize("media_type", media_types.REPLIES)
def test_output_that_the_model_did_not_return_is_an_error(media_type: str, output: str) -> None:
    """No other output is written in its place."""
    with pytest.raises(ContainerError) as caught:
        Encoder([7, 8]).encode(Predictions(np.array([1])), ResponseFormat(media_type, (output,)))

    assert str(caught.value) == (
        f"The model returned no probability for the output {output}; return it from `predict`."
    )


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (3.0, b"3.0"),
        (-0.0, b"-0.0"),
        (0.1, b"0.1"),
        (1e-05, b"1e-05"),
        (1e-45, b"1e-45"),
        (2.0**24, b"1.6777216e+07"),
        (3.4028235e38, b"3.4028235e+38"),
    ],
)
def test_score_is_written_in_its_shortest_form(score: float, text: bytes) -> None:
    """A score has the fewest digits that parse to the same 32-bit float."""
    answers = Predictions(scores=np.array([score], dtype=np.float32))

    assert (
        Encoder(()).encode(answers, ResponseFormat("text/csv", ("predicted_score",)))
        == text + b"\n"
    )


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("setosa", b"setosa"),
        ("007", b"007"),
        ("é", "é".encode()),
        ('a"b', b'"a""b"'),
        ("a\nb", b'"a\nb"'),
        (1, b"1"),
        (1.0, b"1.0"),
        (-1.5, b"-1.5"),
    ],
)
def test_label_is_quoted_only_where_it_must_be(label: object, text: bytes) -> None:
    """A label comes back as it was written."""
    answers = Predictions(np.array([0]))

    assert Encoder((label,)).encode(answers, ResponseFormat("text/csv", ("predicted_label",))) == (
        text + b"\n"
    )


@given(
    labels=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=70), min_size=1, max_size=4
    ),
    indices=st.lists(st.integers(0, 3), max_size=90),
    media_type=st.sampled_from([CSV, JSON, JSON_LINES]),
    marked=st.booleans(),
)
def test_many_rows_are_written_as_few_are(
    labels: list[str], indices: list[int], media_type: str, marked: bool
) -> None:
    """A response to many rows is the concatenation of the responses to each."""
    found = np.array([index % len(labels) for index in indices], dtype=np.intp)
    bad = {0} if marked and indices else set()
    encoder, reply = Encoder(labels), ResponseFormat(media_type, (PREDICTED_LABEL,))

    whole = encoder.encode(Predictions(found), reply, bad)

    single = [
        encoder.encode(Predictions(found[row : row + 1]), reply, {0} & {row} & bad)
        for row in range(len(found))
    ]
    if media_type == JSON:
        start, end = b'{"predictions":[', b"]}\n"
        rows = [body.removeprefix(start).removesuffix(end) for body in single]
        single = [start + b",".join(rows) + end]
    assert whole == b"".join(single)


@pytest.mark.parametrize("media_type", [CSV, JSON, JSON_LINES, NPY, RECORDIO])
@given(LABELS)
def test_one_label_is_written_as_a_row_that_is_alone(media_type: str, labels: list[Any]) -> None:
    """Each label is encoded equally the first time and from the cache."""
    reply, encoder = ResponseFormat(media_type, (PREDICTED_LABEL,)), Encoder(labels)
    try:
        negotiation.check(reply, labels)
    except NotAcceptable:
        return  # not asked for then

    for index in [*range(len(labels)), *range(len(labels))]:
        alone = encoder.encode(Predictions(np.array([index])), reply)
        assert encoder.encode_label(index, reply) == alone
