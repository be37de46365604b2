"""Tables of payloads: every entry is read, and none replaces another."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from payloads import corpus
from payloads.corpus import AcceptedInput, AcceptedRequest, RejectedInput, RejectedRequest

KINDS: list[Any] = [AcceptedRequest, RejectedRequest, AcceptedInput, RejectedInput]


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_is_unique(kind: Any) -> None:
    """The names are the ids of the tests, so no two tables have the same one."""
    names = [entry.name for entry in corpus.read(kind)]

    assert len(names) >= 80
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", [AcceptedInput, RejectedInput])
def test_every_training_input_has_files(kind: Any) -> None:
    """Every training input has at least one file."""
    assert all(entry.files for entry in corpus.read(kind))


def test_every_generated_file_is_used() -> None:
    """Each file of the generators is used in a table."""
    tables = [file.read_text(encoding="utf-8") for file in corpus.DIRECTORY.glob("*.yaml")]
    used = {name for table in tables for name in re.findall(r"!generated (\S+)", table)}

    assert used == corpus.generated().keys()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("rejected: {plain: {files: {}, message: no, mesage: no}}", "mesage"),
        ("rejected: {plain: {files: {}}}", "message"),
        ("rejected: {plain: {files: {}, message: no, message: yes}}", "a repeated key"),
        ("rejected: {plain: 1, plain: 2}", "a repeated key"),
        ("rejectd: {plain: 1}", "training_plain.yaml"),
    ],
)
def test_mistake_in_a_table_is_an_error(tmp_path: Path, table: str, problem: str) -> None:
    """Unknown, missing and repeated keys, and unknown sections, are errors."""
    (tmp_path / "training_plain.yaml").write_text(table)

    with pytest.raises((TypeError, yaml.YAMLError, AssertionError), match=problem):
        corpus.read(RejectedInput, tmp_path)


def test_tags_are_bytes() -> None:
    """Bytes that an editor would damage are written with a tag."""
    tags = r'[!bytes "1\xff\0", !utf-16-le "\ufeff1", !utf-16-be "1"]'

    assert corpus.CorpusLoader(tags).get_single_data() == [b"1\xff\0", b"\xff\xfe1\0", b"\0001"]
