"""What a program is given of a request, and what becomes of its answers, by default."""

import io
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flask import Response

from container.errors import ContainerError, MalformedPayload, NotAcceptable, UnsupportedMediaType
from container.script_mode.serving import default_inputs as inputs
from container.script_mode.serving import default_outputs as outputs
from container.script_mode.serving.failures import ProgramError, Refused

FLOATS = np.array([[0.1, 2], [np.float32(1e-7), -0.0]], dtype=np.float32)


def npy(array: Any) -> bytes:
    """Return what numpy.save writes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (None, "application/json"),
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("text/csv; label_size=0", "text/csv; label_size=0"),
        ("text/plain; charset=latin-1", "text/plain; charset=latin-1"),
    ],
)
def test_program_is_told_the_content_type(header: str | None, named: str) -> None:
    """It is as sent, JSON without one, and without the charset of what has become text."""
    assert inputs.named(header) == named


@pytest.mark.parametrize(
    "content_type", ["text/csv", "application/json", "text/csv; header=absent"]
)
def test_program_gets_csv_and_json_as_text(content_type: str) -> None:
    """So does AWS's toolkit; other bodies are bytes."""
    assert inputs.content("ä".encode(), content_type) == "ä"
    assert inputs.content("ä".encode(), "text/plain") == "ä".encode()


def test_text_that_is_not_utf8_is_refused() -> None:
    """The caller is told which byte it is."""
    with pytest.raises(MalformedPayload) as caught:
        inputs.content(b"1,\xff", "text/csv")

    assert str(caught.value) == (
        "The body has the byte 0xff at 2, which is not UTF-8; send text in UTF-8."
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", b"1,2\n3,4\n"),
        ("text/csv", b"1,2\r\n3,4"),
        ("application/json", b"[[1, 2], [3, 4]]"),
        ("application/json", b'{"instances": [{"features": [1, 2]}, {"features": [3, 4]}]}'),
        ("application/jsonlines", b'{"features": [1, 2]}\n{"features": [3, 4]}\n'),
        ("application/x-npy", npy([[1, 2], [3, 4]])),
    ],
)
@pytest.mark.parametrize("model", [SimpleNamespace(), SimpleNamespace(n_features_in_=2)])
def test_rows_are_read_for_any_model(content_type: str, body: bytes, model: Any) -> None:
    """The model, or else the first row, says how many features there are."""
    rows = inputs.rows(body, content_type, model)

    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 2], [3, 4]]


def test_rows_are_put_into_the_order_of_the_model() -> None:
    """A model that was fitted on named columns gets them in its order."""
    model = SimpleNamespace(n_features_in_=2, feature_names_in_=np.array(["a", "b"], dtype=object))

    assert inputs.rows(b"b,a\n1,2\n", "text/csv", model).tolist() == [[2, 1]]


@pytest.mark.parametrize("body", [b"", b"x", b"[", b"1,2\n3"])
@pytest.mark.parametrize("content_type", ["text/csv", "application/json", "application/x-npy"])
def test_rows_that_cannot_be_read_are_refused(body: bytes, content_type: str) -> None:
    """It is the caller's fault, whatever the model is."""
    with pytest.raises(MalformedPayload):
        inputs.rows(body, content_type, object())


def test_array_of_objects_is_never_unpickled() -> None:
    """A pickle in an array would run code."""
    body = npy(np.array([[{}]], dtype=object))

    with pytest.raises(MalformedPayload):
        inputs.rows(body, "application/x-npy", object())


def test_sparse_rows_need_a_model_that_knows_its_features() -> None:
    """Their width cannot be seen; the message says what to do."""
    with pytest.raises(UnsupportedMediaType) as caught:
        inputs.rows(b"1:2", "text/libsvm", object())

    assert str(caught.value).endswith("application/x-npy, or define input_fn.")
    model = SimpleNamespace(n_features_in_=2)
    assert inputs.rows(b"1:2", "text/libsvm", model).tolist() == [[2, 0]]


@pytest.mark.parametrize(
    ("prediction", "accepted", "body"),
    [
        (np.array(["a", "b"]), "application/json", b'["a", "b"]\n'),
        (FLOATS, "application/json", b"[[0.1, 2.0], [1e-07, -0.0]]\n"),
        ({"a": FLOATS[0]}, "application/json", b'{"a": [0.1, 2.0]}\n'),
        (np.array([1, 2]), "application/jsonlines", b"1\n2\n"),
        ([{"a": 1}, {"a": 2}], "application/jsonlines", b'{"a": 1}\n{"a": 2}\n'),
        (FLOATS, "text/csv", b"0.1,2.0\n1e-07,-0.0\n"),
        (["a,b", 'c"'], "text/csv", b'"a,b"\n"c"""\n'),
        (np.float64(0.5), "text/csv", b"0.5\n"),
        ([1, 2], "text/html, text/csv;q=0.5", b"1\n2\n"),
    ],
)
def test_prediction_is_written_as_awss_container_writes_it(
    prediction: Any, accepted: str, body: bytes
) -> None:
    """A list is a list, a row is a line, and a number has no more digits than it needs."""
    assert outputs.encode(prediction, accepted)[0] == body


@pytest.mark.parametrize("prediction", [["a", "b"], FLOATS, np.array(["a"], dtype=object)])
def test_prediction_is_written_as_an_array(prediction: Any) -> None:
    """It reads back without pickle."""
    body, media_type = outputs.encode(prediction, "application/x-npy")

    assert media_type == "application/x-npy"
    assert np.load(io.BytesIO(body), allow_pickle=False).tolist() == np.asarray(prediction).tolist()


@pytest.mark.parametrize(
    ("prediction", "accepted", "error"),
    [
        ({"a": 1}, "text/csv", NotAcceptable),
        ([[1], [1, 2]], "text/csv", NotAcceptable),
        (np.zeros((1, 1, 1)), "text/csv", NotAcceptable),
        ([None, 1], "application/x-npy", NotAcceptable),
        ([1], "image/png", NotAcceptable),
        ([1], "application/x-recordio-protobuf", NotAcceptable),
        ([float("nan")], "application/json", ProgramError),
        ([object()], "application/json", ProgramError),
    ],
)
def test_prediction_that_cannot_be_written_is_refused(
    prediction: Any, accepted: str, error: type[ContainerError]
) -> None:
    """The status says whether the caller may ask for another format."""
    with pytest.raises(error):
        outputs.encode(prediction, accepted)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("ä", ("ä".encode(), "text/x")),
        (bytearray(b"b"), (b"b", "text/x")),
        (("c", "text/c"), (b"c", "text/c")),
        ([b"d", "text/d"], (b"d", "text/d")),
        (Response("e", mimetype="application/e"), (b"e", "application/e")),
    ],
)
def test_answer_of_a_program_is_taken_in_each_form(
    answer: Any, expected: tuple[bytes, str]
) -> None:
    """Bytes or text, with or without a media type, or a response."""
    assert outputs.body(answer, "text/x;q=0.5, text/y", "output_fn", "a.py") == expected


def test_answer_of_another_type_is_the_programs_fault() -> None:
    """The message names the function, the type, and what to return."""
    with pytest.raises(ProgramError) as caught:
        outputs.body({"a": 1}, "text/csv", "output_fn", "a.py")

    assert str(caught.value) == (
        "output_fn of a.py returned dict; return bytes or text, or one of them with its media type."
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            ("a", "text/csv\r\nX: 1"),
            "the media type 'text/csv\\r\\nX: 1', which no header can hold",
        ),
        (("a", "t\u00e4xt/x"), "the media type 't\u00e4xt/x', which no header can hold"),
        ("\ud800", "text that UTF-8 cannot write (surrogates not allowed at 0); return bytes."),
    ],
)
def test_answer_that_http_cannot_carry_is_the_programs_fault(answer: Any, words: str) -> None:
    """The message names the function, what is wrong, and what to return."""
    with pytest.raises(ProgramError) as caught:
        outputs.body(answer, "text/csv", "output_fn", "a.py")

    assert str(caught.value).startswith(f"output_fn of a.py returned {words}")


def test_response_with_the_status_of_an_error_keeps_it() -> None:
    """A program may refuse a request in this way too."""
    with pytest.raises(Refused) as caught:
        outputs.body(Response("no rows", status=422), "text/csv", "output_fn", "a.py")

    assert (caught.value.status, str(caught.value)) == (422, "no rows")


@pytest.mark.parametrize(("header", "told"), [(None, "d"), ("", "d"), ("*/*", "d"), ("a/b", "a/b")])
def test_program_is_told_what_is_accepted(header: str | None, told: str) -> None:
    """The header, or the default."""
    assert outputs.wanted(header, "d") == told


@pytest.mark.parametrize(("rows", "n"), [(FLOATS, 2), ([1, 2, 3], 3), ({}, 0), (np.int64(1), 0)])
def test_rows_are_counted_where_they_can_be(rows: Any, n: int) -> None:
    """Metrics tell of rows; a prediction of another kind counts none."""
    assert outputs.count(rows) == n


def test_json_is_ascii_and_has_no_nan() -> None:
    """Any client can read it."""
    body, _ = outputs.encode(["ä"], "application/json")

    assert body.isascii()
    assert json.loads(body) == ["ä"]
