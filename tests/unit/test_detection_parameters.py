"""Parameters of a channel's content type."""

import pytest

from container.data.readers import detection
from container.errors import TrainingDataError
from container.hyperparameters.input_options import InputOptions


@pytest.mark.parametrize(
    ("content_type", "header", "found"),
    [
        (None, "auto", "auto"),
        ("", "present", "present"),
        ("text/csv", "auto", "auto"),
        ("text/csv; header=present", "auto", "present"),
        ("text/csv;HEADER=ABSENT", "auto", "absent"),
        ('text/csv; header="present"', "present", "present"),
        ("text/csv; header=maybe", "auto", "auto"),
        ("text/csv; label_size=1; charset=UTF-8", "absent", "absent"),
        ("text/csv; charset=us-ascii", "auto", "auto"),
    ],
)
def test_parameter_header_applies_if_the_hyperparameter_is_auto(
    content_type: str | None, header: str, found: str
) -> None:
    """The parameter `header` of RFC 4180 applies unless the hyperparameter decides."""
    options = InputOptions.model_validate({"header": header, "label": "y"})

    assert detection.with_parameters(options, content_type) == options.model_copy(
        update={"header": found}
    )


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("text/csv; charset=latin-99", "whose charset is unknown; correct it."),
        (
            "text/csv; label_size=2",
            "each row must have exactly one label, so label_size must be 1.",
        ),
    ],
)
def test_unsupported_parameter_is_refused(content_type: str, reason: str) -> None:
    """Another charset or another number of labels is refused, not ignored."""
    with pytest.raises(TrainingDataError) as caught:
        detection.with_parameters(InputOptions(), content_type)

    found = str(caught.value).replace(";", ",")
    assert found == f"The content type of the channel is {content_type!r}, {reason}".replace(
        ";", ","
    )


def test_charset_is_the_encoding() -> None:
    """The charset of the content type is the encoding of the files, unless it is UTF-8."""
    assert (
        detection.with_parameters(InputOptions(), "text/csv; charset=latin-1").encoding == "latin-1"
    )
    assert detection.with_parameters(InputOptions(), "text/csv; charset=UTF-8").encoding == "auto"
