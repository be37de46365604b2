"""Content negotiation: the media type of a response, and the outputs in it."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import NotAcceptable, SettingsError
from container.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    NPY,
    OF_CLASSES,
    OF_NUMBERS,
    RECORDIO,
    REPLIES,
)
from container.payloads import negotiation
from container.payloads.negotiation import Defaults, ResponseFormat, choose

THERE_ARE = "there are predicted_label, labels, probability and probabilities."
ALL = (
    "text/csv, application/json, application/jsonlines, application/x-npy "
    "or application/x-recordio-protobuf"
)


def media_type(header: str | None, default: str = CSV) -> str:
    """Return the media type that a header gets."""
    return choose(header, None, Defaults(default), "classification").media_type


def outputs(header: str | None, attributes: str | None = None) -> tuple[str, ...]:
    """Return the outputs that the headers of a request get from a classifier."""
    return choose(header, attributes, Defaults(), "classification").outputs


@pytest.mark.parametrize("header", [None, "", " ", ",", "*/*", "*", "text/html, */*;q=0.8"])
def test_request_that_leaves_it_open_gets_the_default(header: str | None) -> None:
    """If Accept names no supported type and refuses none, the default type is sent."""
    for default in REPLIES:
        assert media_type(header, default) == default


@pytest.mark.parametrize("wanted", REPLIES)
def test_type_that_is_named_is_sent(wanted: str) -> None:
    """Letter case, parameters and blanks are ignored; the response's type has no parameters."""
    for header in (wanted, wanted.upper(), f" {wanted} ; charset=utf-8;verbose , image/png"):
        assert media_type(header, JSON) == wanted


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/csv;q=0.5, application/json", JSON),
        ("application/json;q=0.8;x=y, application/jsonlines;Q=.9", JSON_LINES),
        ("application/json, application/jsonlines", JSON),
        ("application/jsonlines, application/json", JSON_LINES),
        ("*/*, application/json", JSON),
        ("text/*, application/x-npy;q=0.9", CSV),
        ("application/*", JSON),
        ("application/*, application/json;q=0", JSON_LINES),
        ("*/*;q=0.1, text/*;q=0", JSON),
        ("*/*;q=0.5, text/csv;q=0.4", JSON),
        ("text/csv;q=0, *", JSON),
        ("text/csv; q=0.000, application/x-recordio-protobuf; q=1.000", RECORDIO),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", CSV),
    ],
)
def test_best_type_is_the_callers(header: str, expected: str) -> None:
    """Quality counts first, of the closest range; then closeness, then the header's order."""
    assert media_type(header) == expected


@pytest.mark.parametrize("header", ["image/png", "text/csv;q=0", "*/*;q=0", "text/plain", "*/csv"])
def test_types_of_others_are_not_acceptable(header: str) -> None:
    """The message names the supported types."""
    with pytest.raises(NotAcceptable) as caught:
        media_type(header)

    assert caught.value.status == 406
    assert str(caught.value) == f"The Accept header is {header!r}; ask for {ALL}."


@pytest.mark.parametrize(
    ("header", "element"),
    [
        ("csv", "csv"),
        ("text/csv, application", "application"),
        ("text/csv;output=predicted_label,probability", "probability"),
        ("text/csv;output=labels probability", "text/csv;output=labels probability"),
        ('text/csv;output = "labels"', 'text/csv;output = "labels"'),
        ("text/csv;q=2", "text/csv;q=2"),
        ("text/csv;q=-1", "text/csv;q=-1"),
        ("text/csv;q=high, */*", "text/csv;q=high"),
        ('text/csv, a/b;output="labels', 'text/csv, a/b;output="labels'),
        ("text/csv application/json", "text/csv application/json"),
    ],
)
def test_header_that_is_no_list_of_types_is_not_acceptable(header: str, element: str) -> None:
    """The message names the element that a lenient parser would drop, and the remedy."""
    with pytest.raises(NotAcceptable) as caught:
        media_type(header)

    assert str(caught.value) == (
        f"The Accept header is {header!r}, where {element!r} is not a valid media type; separate "
        "media types by commas, and several outputs by +."
    )


@pytest.mark.parametrize(
    "parameter",
    [
        'output="predicted_label,probability"',
        'OUTPUT=" predicted_label, probability,predicted_label "',
        'output="predicted\\_label|probability"',
        "output=predicted_label+probability",
        "output=predicted_label|probability",
        "q=0.5 ; ; output=predicted_label+probability; x=y",
    ],
)
def test_outputs_come_from_a_parameter_of_accept(parameter: str) -> None:
    """A list is quoted or joined; it goes before the attributes, and each name counts once."""
    header = f"image/png;output=labels, text/csv;{parameter}"

    assert outputs(header, "output=labels") == ("predicted_label", "probability")


def test_outputs_are_those_of_the_range_that_is_taken() -> None:
    """The parameter of a range that is not chosen has no effect."""
    assert outputs("*/*;output=labels") == ("labels",)
    assert outputs("text/csv;output=labels;q=0.5, application/json") == ("predicted_label",)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("output=probabilities,labels", ("probabilities", "labels")),
        ("trace=7; Output = probability ;x", ("probability",)),
        ("a&output=labels&b", ("labels",)),
        ("c000b4f9-df62-4c85-a0bf-7c525f9104a4", ("predicted_label",)),
        ("my_output=labels", ("predicted_label",)),
        ("output:labels", ("predicted_label",)),
        ("", ("predicted_label",)),
        (None, ("predicted_label",)),
    ],
)
def test_outputs_come_from_the_custom_attributes(
    attributes: str | None, expected: tuple[str, ...]
) -> None:
    """Only the field `output` is used."""
    assert outputs("text/csv", attributes) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, "predicted_score"),
        (("predicted_label",), "predicted_score"),
        (("predicted_score",), "predicted_score"),
    ],
)
def test_default_outputs_serve_regression_too(names: tuple[str, ...] | None, expected: str) -> None:
    """One setting does for every model: a regression's answer is its score."""
    assert choose(None, None, Defaults(JSON, names), "regression") == ResponseFormat(
        JSON, (expected,)
    )


@pytest.mark.parametrize(
    ("header", "attributes", "expected"),
    [
        ("*/*;output=label", None, "The Accept header asks for the output 'label'; "),
        ("*/*;output=predicted_score", None, "The Accept header asks for the output "),
        (None, "output=Labels", "X-Amzn-SageMaker-Custom-Attributes asks for the output 'Labels'"),
        (None, "output=,", "X-Amzn-SageMaker-Custom-Attributes asks for an output without a name"),
    ],
)
def test_unknown_outputs_are_not_acceptable(
    header: str | None, attributes: str | None, expected: str
) -> None:
    """The message names the source, the unknown output, and the known ones."""
    with pytest.raises(NotAcceptable) as caught:
        outputs(header, attributes)

    assert str(caught.value).startswith(expected)
    assert str(caught.value).endswith(f"; for classification {THERE_ARE}")


def test_outputs_of_classes_are_not_acceptable_in_regression() -> None:
    """An output asked for by name is never replaced by another."""
    with pytest.raises(NotAcceptable) as caught:
        choose(None, "output=predicted_label", Defaults(), "regression")

    assert str(caught.value) == (
        "X-Amzn-SageMaker-Custom-Attributes asks for the output 'predicted_label'; "
        "for regression there is predicted_score."
    )


def test_defaults_that_cannot_be_used_are_a_fault_of_the_settings() -> None:
    """No caller can do anything about them, whatever the caller sends."""
    with pytest.raises(SettingsError) as output:
        choose(JSON, "output=labels", Defaults(CSV, ("probability", "x")), "classification")
    with pytest.raises(SettingsError) as kind:
        choose(JSON, None, Defaults("text/plain"), "classification")

    assert str(output.value) == (
        f"SAGEMAKER_INFERENCE_OUTPUT asks for the output 'x'; for classification {THERE_ARE}"
    )
    assert str(kind.value) == (
        f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is 'text/plain'; it must be {ALL}."
    )


@pytest.mark.parametrize("part", ["; ", ";a ", " ", ';"', ";a=b c", ",", "a", ";a=", '"\\'])
def test_hostile_header_is_read_in_no_time(part: str) -> None:
    """A header of 8 KiB with a wrong end takes less than a second, refused or not."""
    started = time.process_time()

    with suppress(NotAcceptable):
        media_type("text/csv" + part * (8192 // len(part)) + "\0")

    assert time.process_time() - started < 1


HEADERS = st.text() | st.lists(
    st.sampled_from([*REPLIES, "*/*", "text/*", ";", "q=", "0.5", ",", " ", "\n"])
    | st.sampled_from(["output=", '"', "labels", "probability", "+", "&", "predicted_score"])
).map("".join)


@given(st.none() | HEADERS, st.none() | HEADERS, st.sampled_from(["classification", "regression"]))
def test_any_headers_get_a_reply_or_are_not_acceptable(
    header: str | None, attributes: str | None, task: Any
) -> None:
    """No header causes another error, or a response format that does not exist."""
    with suppress(NotAcceptable):
        reply = choose(header, attributes, Defaults(), task)

        known = OF_NUMBERS if task == "regression" else OF_CLASSES
        assert reply.media_type in REPLIES
        assert reply.outputs
        assert len(set(reply.outputs)) == len(reply.outputs)
        assert set(reply.outputs) <= set(known)


@pytest.mark.parametrize(
    ("reply", "labels", "expected"),
    [
        (
            ResponseFormat(NPY, ("predicted_label", "probability")),
            ["a", "b"],
            (
                "application/x-npy cannot hold text next to numbers, and the labels are text; "
                "ask for predicted_label alone, or for application/json."
            ),
        ),
        (
            ResponseFormat(NPY, ("probabilities", "labels")),
            [1, 2],
            (
                "application/x-npy cannot hold labels next to other outputs; ask for labels alone, "
                "or for application/json."
            ),
        ),
        (
            ResponseFormat(NPY, ("predicted_label",)),
            ["a", "b\0"],
            (
                "The label 'b\\x00' cannot be written exactly in application/x-npy; "
                "ask for application/json."
            ),
        ),
        (
            ResponseFormat(RECORDIO, ("labels",)),
            [1, 2**53 + 1],
            (
                "The label 9007199254740993 cannot be written exactly in "
                "application/x-recordio-protobuf; ask for application/json."
            ),
        ),
    ],
)
def test_reply_that_its_type_cannot_hold_is_not_acceptable(
    reply: ResponseFormat, labels: list[Any], expected: str
) -> None:
    """It is refused before the prediction, and the message has the remedy."""
    with pytest.raises(NotAcceptable) as caught:
        negotiation.check(reply, labels)

    assert str(caught.value) == expected
    negotiation.check(ResponseFormat(JSON, reply.outputs), labels)
