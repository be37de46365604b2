"""Decoding by content type: formats, aliases, charsets, and refusals."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import MalformedPayload, PayloadTooLarge, UnsupportedMediaType
from container.payloads import decoding
from container.payloads.limits import FREE_CELLS
from container.payloads.types import Expected
from support.processes import python

TWO = Expected(2)
READ = (
    "text/csv, application/json, application/jsonlines, application/x-npy, text/libsvm, "
    "application/x-recordio-protobuf or application/vnd.apache.parquet"
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b"1,2\n"),
        (" text/csv ", b"1,2\n"),
        ("text/csv; Charset=utf8", b"1,2\n"),
        ("text/csv;", b"1,2\n"),
        ("Application/JSON", b"[[1,2]]"),
    ],
)
def test_media_type_says_how_a_body_is_read(content_type: str | None, body: bytes) -> None:
    """Letter case and known parameters do not matter; without a type the body is CSV."""
    rows = decoding.decode(body, content_type, TWO)

    assert rows.features.tolist() == [[1.0, 2.0]]
    assert rows.features.dtype == np.float32
    assert not rows.bad


@pytest.mark.parametrize(
    "content_type", ["text/csv2", "text", "*/*", "text/*", " ", "application/x-npz"]
)
def test_other_media_types_are_refused(content_type: str) -> None:
    """The message names what was sent and all that can be sent."""
    with pytest.raises(UnsupportedMediaType) as caught:
        decoding.decode(b"1,2\n", content_type, TWO)

    assert str(caught.value) == f"The content type is {content_type!r}; send {READ}."


@pytest.mark.parametrize("charset", ["utf-8-sig", "x"])
def test_other_charsets_are_refused(charset: str) -> None:
    """A charset other than UTF-8 is refused before the body is read."""
    with pytest.raises(UnsupportedMediaType) as caught:
        decoding.decode(b"\xff", f"text/csv; charset={charset}", TWO)

    assert str(caught.value) == f"The charset is {charset!r}; send text/csv in UTF-8."


@given(st.text(max_size=40) | st.text(max_size=20).map("text/csv;charset={}".format))
def test_any_content_type_is_read_or_refused(content_type: str) -> None:
    """No content type makes the decoder fail in another way than 415, or 400 for another body."""
    with suppress(UnsupportedMediaType, MalformedPayload):
        rows = decoding.decode(b"1\n", content_type, Expected(1))

        assert rows.features.shape == (1, 1)


@pytest.mark.parametrize(
    ("package", "content_type"),
    [
        ("pyarrow", "application/vnd.apache.parquet"),
        ("google", "application/x-recordio-protobuf"),
    ],
)
def test_format_whose_package_is_absent_is_refused(package: str, content_type: str) -> None:
    """An image without the package answers 415, and reads all other formats."""
    ended = python(
        f"import sys\nsys.modules[{package!r}] = None\n"
        "from container.payloads import decoding\nfrom container.payloads.types import Expected\n"
        "print(decoding.decode(b'[[1]]', 'application/json', Expected(1)).features.tolist())\n"
        f"try:\n    decoding.decode(b'', {content_type!r}, Expected(1))\n"
        "except decoding.UnsupportedMediaType as error:\n    print(error)\n"
    )

    assert ended.stderr == ""
    first, refusal = ended.stdout.splitlines()
    assert first == "[[1.0]]"
    assert refusal.startswith(
        f"The content type is {content_type!r}, which this image does not read because it "
        f"lacks the package {package}"
    )
    assert refusal.endswith("; send text/csv.")


def test_text_is_read_without_the_packages_of_other_formats() -> None:
    """Libraries that CSV and JSON do not need are not imported."""
    ended = python(
        "import sys\nfrom container.payloads import decoding\n"
        "from container.payloads.types import Expected\n"
        "decoding.decode(b'1', None, Expected(1))\n"
        "decoding.decode(b'[1]', 'application/json', Expected(1))\n"
        "print(*sys.modules)"
    )

    assert ended.returncode == 0, ended.stderr
    assert {"pyarrow", "google.protobuf", "container.data.readers.batches"}.isdisjoint(
        ended.stdout.split()
    )


@pytest.mark.parametrize(("content_type", "line"), [("text/csv", b"x\n"), ("text/libsvm", b"0\n")])
def test_few_bytes_do_not_become_many_cells(content_type: str, line: bytes) -> None:
    """Rows that would not fit into memory are refused before they are made."""
    n_features = FREE_CELLS // 8

    with pytest.raises(PayloadTooLarge) as caught:
        decoding.decode(line * 10, content_type, Expected(n_features), mark_bad=True)

    assert caught.value.status == 413
    assert str(caught.value) == (
        f"The body of 20 bytes has 9 or more rows of {n_features} columns; its size and the "
        "memory of this container allow 8; send fewer rows per request."
    )
