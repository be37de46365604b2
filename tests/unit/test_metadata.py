"""Metadata in model.json: written, and parsed or refused."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from artifact.metadata import (
    FORMAT_VERSION,
    ArtifactError,
    LabelProbe,
    Metadata,
    ScoreProbe,
    from_json,
)

RECORD = Metadata(
    task="classification",
    n_features=2,
    feature_names=["width", "é, cm"],
    libsvm_base=1,
    accepts_missing=True,
    labels=["a", "é"],
    sha256="0" * 64,
    probe=LabelProbe(features=[[1.0, None]], labels=[1], probabilities=[[0.25, 0.75]]),
    versions={"python": "3.11.7"},
    training={"metrics": {"train": {"accuracy": 1.0}}},
)
SCORES = replace(
    RECORD,
    task="regression",
    feature_names=None,
    libsvm_base=0,
    labels=[],
    probe=ScoreProbe(features=[[1.0, None]], scores=[0.1]),
)


def changed(**values: Any) -> str:
    """Return the text of the record with other values; ... removes one."""
    merged = json.loads(RECORD.to_json()) | values
    return json.dumps({name: value for name, value in merged.items() if value is not ...})


@pytest.mark.parametrize("labels", [["a", "é"], [0, 1], [0.1, 1e300]])
def test_record_is_read_as_it_was_written(labels: list[object]) -> None:
    """Nothing is lost between writing and reading, types of labels included."""
    record = from_json(changed(labels=labels))

    assert vars(record) == vars(RECORD) | {"labels": labels}
    assert [type(label) for label in record.labels] == [type(label) for label in labels]


def test_record_of_a_regressor_is_read_as_it_was_written() -> None:
    """Scores take the place of labels and probabilities, and features need no names."""
    assert from_json(SCORES.to_json()) == SCORES


def test_record_is_plain_json_for_reading() -> None:
    """model.json is one flat object, indented, with a newline at the end."""
    text = RECORD.to_json()

    values = json.loads(text)
    assert text.endswith("}\n")
    assert values["format_version"] == FORMAT_VERSION
    assert values["task"] == "classification"
    assert values["probe"]["features"] == [[1.0, None]]


def test_record_holds_no_nan() -> None:
    """NaN is not valid JSON, so a record with one is not written."""
    record = replace(RECORD, training={"metrics": math.nan})

    with pytest.raises(ValueError, match="not JSON compliant"):
        record.to_json()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1]", "1", "null", '"a"', "{}", "\ufffd", "[" * 100_000]
)
def test_text_that_is_no_record_is_refused(text: str) -> None:
    """Any other content of model.json is refused with a remedy."""
    with pytest.raises(ArtifactError, match=r"^model\.json is not the record .*; train again$"):
        from_json(text)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_record_of_another_version_is_refused(version: object) -> None:
    """The message names both versions."""
    with pytest.raises(ArtifactError) as caught:
        from_json(changed(format_version=version))

    assert str(caught.value) == (
        f"model.json has format version {version!r}, this program reads 1; "
        "serve it with the image that trained it, or train again"
    )


OPTIONAL = {"format_version", "tree_sha256"}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        *(({name: ...}, name) for name in json.loads(RECORD.to_json()) if name not in OPTIONAL),
        ({"surplus": 1}, "surplus"),
        ({"probe": {"features": []}}, "labels"),
        ({"probe": []}, ""),
        ({"probe": None}, ""),
        ({"task": "regression"}, "labels"),
    ],
)
def test_incomplete_record_is_refused(values: dict[str, object], name: str) -> None:
    """A field too few or too many is named."""
    with pytest.raises(ArtifactError) as caught:
        from_json(changed(**values))

    assert str(caught.value).startswith("model.json is incomplete (")
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_features", True),
        ("n_features", 0),
        ("n_features", 2.0),
        ("n_features", "2"),
        ("n_features", 2**31),
        ("feature_names", 2),
        ("feature_names", "ab"),
        ("feature_names", [1, 2]),
        ("feature_names", ["a", None]),
        ("feature_names", ["a", "\ud800"]),
        ("libsvm_base", 2),
        ("libsvm_base", None),
        ("accepts_missing", 1),
        ("labels", "ab"),
        ("labels", {"a": 1}),
        ("labels", ["a", 1]),
        ("labels", [1, 1.0]),
        ("labels", [1, True]),
        ("labels", ["a", "a"]),
        ("labels", ["a", "\udcff"]),
        ("labels", [None, None]),
        ("labels", [["a"], ["b"]]),
        ("labels", [1, 2**63]),
        ("labels", [1.0, 1e999]),
        ("sha256", 0),
        ("sha256", ["0" * 64]),
        ("sha256", "0" * 63),
        ("tree_sha256", "\ud800" * 64),
        ("tree_sha256", False),
        ("versions", []),
        ("training", "x"),
    ],
)
def test_record_with_a_value_of_another_type_is_refused(name: str, value: object) -> None:
    """The message names the field, what it is and what it should be, and any log can write it."""
    with pytest.raises(ArtifactError) as caught:
        from_json(changed(**{name: value}).replace("Infinity", "1e999"))

    assert str(caught.value).startswith(f"{name} in model.json is ")
    assert ", expected " in str(caught.value)
    assert str(caught.value).encode()


@pytest.mark.parametrize(("task", "labels"), [("classification", []), ("regression", ["a"])])
def test_record_whose_labels_do_not_fit_its_task_is_refused(task: str, labels: list[str]) -> None:
    """A classifier has labels and a regressor has none."""
    record = RECORD if task == "classification" else SCORES

    with pytest.raises(ArtifactError, match=f"{len(labels)} labels for the task {task}"):
        replace(record, labels=labels)


@pytest.mark.parametrize(
    "text",
    [
        RECORD.to_json().replace("0.25", "NaN"),
        json.dumps({"\xe9": 1}, ensure_ascii=False).encode("latin-1"),
    ],
)
def test_record_that_is_no_strict_json_is_refused(text: str | bytes) -> None:
    """Neither NaN nor bytes that are not UTF-8 are replaced silently."""
    with pytest.raises(ArtifactError, match=r"^model\.json is not the record .*; train again$"):
        from_json(text)


def test_surplus_field_of_half_a_surrogate_is_named_as_ascii() -> None:
    """Any log can write the message."""
    with pytest.raises(ArtifactError) as caught:
        from_json(changed(**{"\ud800": 1}))

    assert str(caught.value).encode()


@pytest.mark.parametrize("task", ["clustering", "", None, ["regression"], {}])
def test_record_of_another_task_is_refused(task: object) -> None:
    """The message names the task that was found, and those that can be served."""
    with pytest.raises(ArtifactError) as caught:
        from_json(changed(task=task))

    assert str(caught.value) == (
        f"model.json has the task {task!r}, this program knows classification and regression; "
        "serve it with the image that trained it, or train again"
    )


@pytest.mark.parametrize("names", [[], ["width"], ["a", "b", "c"]])
def test_record_with_names_for_other_features_is_refused(names: list[str]) -> None:
    """Each feature has a name, or none has: when written, and when read."""
    message = f"there are {len(names)} feature names for 2 features; name each feature, or none"

    with pytest.raises(ArtifactError) as written:
        replace(RECORD, feature_names=names)
    with pytest.raises(ArtifactError) as read:
        from_json(changed(feature_names=names))

    assert str(written.value) == str(read.value) == message
