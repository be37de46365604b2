"""Request bodies for a user's program, responses from it, and the defaults for both."""

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
from container.script_mode.serving.script_errors import ProgramError, Refused

FLOATS = np.array([[0.1, 2], [np.float32(1e-7), -0.0]], dtype=np.float32)


def npy(array: Any) -> bytes:
    """Return the bytes that numpy.save writes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_model_that_was_fitted_on_a_data_frame_gets_one() -> None:
    """Scikit-learn then does not warn, and may choose columns by name; others get the array."""
    rows = np.array([[1, 2]], dtype=np.float32)
    names = np.array(["b", "a"], dtype=object)

    frame = inputs.with_names(rows, SimpleNamespace(feature_names_in_=names))
    assert (list(frame.columns), frame.to_numpy().tolist()) == (["b", "a"], [[1, 2]])
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    assert inputs.with_names(rows, SimpleNamespace(feature_names_in_=["b", "a"])) is rows
    assert inputs.with_names(rows, SimpleNamespace(feature_names_in_=names[:1])) is rows
    assert inputs.with_names("text", SimpleNamespace(feature_names_in_=names)) == "text"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "application/json"),
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("text/csv; label_size=0", "text/csv; label_size=0"),
        ("text/plain; charset=latin-1", "text/plain; charset=latin-1"),
    ],
)
def test_program_receives_the_content_type(header: str | None, expected: str) -> None:
    """It is the header, by default JSON; decoded text has no charset."""
    assert inputs.effective_content_type(header) == expected


@pytest.mark.parametrize(
    "content_type", ["text/csv", "application/json", "text/csv; header=absent"]
)
def test_program_receives_csv_and_json_as_text(content_type: str) -> None:
    """Other bodies are bytes, as in AWS's toolkit."""
    assert inputs.text_or_bytes("ä".encode(), content_type) == "ä"
    assert inputs.text_or_bytes("ä".encode(), "text/plain") == "ä".encode()


def test_text_that_is_not_utf8_is_refused() -> None:
    """The message has the position and the value of the byte."""
    with pytest.raises(MalformedPayload) as caught:
        inputs.text_or_bytes(b"1,\xff", "text/csv")

    assert str(caught.value) == (
        "The body is not UTF-8: the byte at 2 is 0xff; send text in UTF-8."
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
    """The number of features is an attribute of the model, or the length of the first row."""
    rows = inputs.decode_rows(body, content_type, model)

    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 2], [3, 4]]


def test_named_columns_are_reordered_for_the_model() -> None:
    """A model with named features receives the columns in its own order."""
    model = SimpleNamespace(n_features_in_=2, feature_names_in_=np.array(["a", "b"], dtype=object))

    assert inputs.decode_rows(b"b,a\n1,2\n", "text/csv", model).tolist() == [[2, 1]]


@pytest.mark.parametrize("body", [b"", b"x", b"[", b"1,2\n3"])
@pytest.mark.parametrize("content_type", ["text/csv", "application/json", "application/x-npy"])
def test_malformed_rows_are_refused(body: bytes, content_type: str) -> None:
    """A malformed body is the caller's error, for any model."""
    with pytest.raises(MalformedPayload):
        inputs.decode_rows(body, content_type, object())


def test_array_of_objects_is_never_unpickled() -> None:
    """Unpickling an array of objects could run code."""
    body = npy(np.array([[{}]], dtype=object))

    with pytest.raises(MalformedPayload):
        inputs.decode_rows(body, "application/x-npy", object())


def test_sparse_rows_need_a_model_with_a_number_of_features() -> None:
    """A sparse row does not show its length; the message has a remedy."""
    with pytest.raises(UnsupportedMediaType) as caught:
        inputs.decode_rows(b"1:2", "text/libsvm", object())

    assert str(caught.value).endswith("application/x-npy, or define input_fn.")
    model = SimpleNamespace(n_features_in_=2)
    assert inputs.decode_rows(b"1:2", "text/libsvm", model).tolist() == [[2, 0]]


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
        (["", "a\tb"], "text/csv", b'""\na\tb\n'),
        (["a\nb", "c\u2028"], "application/jsonlines", b'"a\\nb"\n"c\\u2028"\n'),
        (np.float64(0.5), "text/csv", b"0.5\n"),
        ([1, 2], "text/html, text/csv;q=0.5", b"1\n2\n"),
    ],
)
def test_prediction_has_the_format_of_awss_container(
    prediction: Any, accepted: str, body: bytes
) -> None:
    """A list is a list, a row is a line, and a number has the shortest digits."""
    assert outputs.encode(prediction, accepted)[0] == body


@pytest.mark.parametrize("prediction", [["a", "b"], FLOATS, np.array(["a"], dtype=object)])
def test_prediction_is_written_as_npy(prediction: Any) -> None:
    """The array can be read without pickle."""
    body, media_type = outputs.encode(prediction, "application/x-npy")

    assert media_type == "application/x-npy"
    assert np.load(io.BytesIO(body), allow_pickle=False).tolist() == np.asarray(prediction).tolist()


@pytest.mark.parametrize(
    ("prediction", "accepted", "error"),
    [
        ({"a": 1}, "text/csv", NotAcceptable),
        ([[1], [1, 2]], "text/csv", NotAcceptable),
        (np.zeros((1, 1, 1)), "text/csv", NotAcceptable),
        (["a", "b\nc"], "text/csv", NotAcceptable),
        ([[1, "b\r"], [2, "c"]], "text/csv", NotAcceptable),
        (np.array([["a\u2028b", "c"]], dtype=object), "text/csv", NotAcceptable),
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
    """The error is the caller's if another format would work, otherwise the program's."""
    with pytest.raises(error):
        outputs.encode(prediction, accepted)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("ä", ("ä".encode(), "text/x")),
        (bytearray(b"b"), (b"b", "text/x")),
        (("c", "text/c"), (b"c", "text/c")),
        ([b"d", "text/d"], (b"d", "text/d")),
        (Response("e", mimetype="application/e"), (b"e", "application/e")),
    ],
)
def test_result_of_output_fn_may_have_several_types(
    result: Any, expected: tuple[bytes, str]
) -> None:
    """It may be bytes or text, with or without a media type, or a Flask response."""
    assert outputs.response_of(result, "text/x;q=0.5, text/y", "output_fn", "a.py") == expected


def test_result_of_another_type_is_an_error_of_the_program() -> None:
    """The message has the function, the type and a remedy."""
    with pytest.raises(ProgramError) as caught:
        outputs.response_of({"a": 1}, "text/csv", "output_fn", "a.py")

    assert str(caught.value) == (
        "output_fn of a.py returned dict; return bytes or text, or one of them with its media type."
    )


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            ("a", "text/csv\r\nX: 1"),
            "the media type 'text/csv\\r\\nX: 1', which is not valid in a header",
        ),
        (("a", "t\u00e4xt/x"), "the media type 't\u00e4xt/x', which is not valid in a header"),
        (
            "\ud800",
            "text that cannot be encoded in UTF-8 (surrogates not allowed at 0); return bytes.",
        ),
    ],
)
def test_result_that_http_cannot_carry_is_an_error_of_the_program(result: Any, words: str) -> None:
    """The message has the function, the reason and a remedy."""
    with pytest.raises(ProgramError) as caught:
        outputs.response_of(result, "text/csv", "output_fn", "a.py")

    assert str(caught.value).startswith(f"output_fn of a.py returned {words}")


def test_response_with_the_status_of_an_error_keeps_it() -> None:
    """A program may refuse a request with a Flask response."""
    with pytest.raises(Refused) as caught:
        outputs.response_of(Response("no rows", status=422), "text/csv", "output_fn", "a.py")

    assert (caught.value.status, str(caught.value)) == (422, "no rows")


@pytest.mark.parametrize(
    ("header", "expected"), [(None, "d"), ("", "d"), ("*/*", "d"), ("a/b", "a/b")]
)
def test_program_receives_the_accept_header(header: str | None, expected: str) -> None:
    """It is the header, or the default if any type is accepted."""
    assert outputs.effective_accept(header, "d") == expected


@pytest.mark.parametrize(("rows", "n"), [(FLOATS, 2), ([1, 2, 3], 3), ({}, 0), (np.int64(1), 0)])
def test_rows_of_a_prediction_are_counted(rows: Any, n: int) -> None:
    """The metrics have the number of rows; other predictions count as 0."""
    assert outputs.count_rows(rows) == n


def test_json_is_ascii_and_has_no_nan() -> None:
    """Every client can read it."""
    body, _ = outputs.encode(["ä"], "application/json")

    assert body.isascii()
    assert json.loads(body) == ["ä"]
