"""Format detection: by content type, file name and first bytes."""

import bz2
import io
import pickle
import struct

import pytest

from container.data import reading
from container.data.readers import detection
from container.data.streams import Content
from container.errors import TrainingDataError
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions
from support.processes import python

PARQUET = b"PAR1\x15\x04"
RECORDIO = struct.pack("<II", 0xCED7230A, 8)


class Unseekable(io.BytesIO):
    """Bytes that cannot be sought, as from a pipe."""

    def seekable(self) -> bool:
        """Return False."""
        return False


def detected(head: bytes, name: str = "part-0", content_type: str | None = None) -> str:
    """Return the format of a file with these first bytes."""
    return detection.detect(Content(head, io.BytesIO(head), False), name, content_type)


def refusal_of(head: bytes, name: str = "part-0", content_type: str | None = None) -> str:
    """Return the error and the remedy for a file that is refused."""
    with pytest.raises(CellError) as caught:
        detected(head, name, content_type)
    return f"{caught.value}; {caught.value.remedy}"


@pytest.mark.parametrize(
    ("content_type", "head", "kind"),
    [
        ("text/csv", b"1,2\n", "CSV"),
        ("Text/CSV; Header=Present", b"1,2\n", "CSV"),
        ("text/csv;label_size=1", b"1 1:2\n", "CSV"),
        ("text/tab-separated-values", b"1\t2\n", "TSV"),
        ("application/x-parquet", PARQUET, "Parquet"),
        ("application/vnd.apache.parquet", PARQUET, "Parquet"),
        ("text/libsvm", b"1 1:2\n", "libsvm"),
        ("text/x-libsvm; charset=UTF-8", b"1\n", "libsvm"),
        ("application/x-recordio-protobuf", RECORDIO, "RecordIO-protobuf"),
    ],
)
def test_content_type_decides_first(content_type: str, head: bytes, kind: str) -> None:
    """The content type decides, whatever the name; its case and parameters do not matter."""
    assert detected(head, "data.libsvm", content_type) == kind


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.csv", b"1 1:2\n", "CSV"),
        ("a.CSV", b"1 1:2\n", "CSV"),
        ("a.csv.gz", b"1 1:2\n", "CSV"),
        ("a.csv.GZIP", b"1 1:2\n", "CSV"),
        ("a.tsv.zst", b"1\t2\n", "TSV"),
        ("a.tab.zstd", b"1\t2\n", "TSV"),
        ("a.b.svm", b"1\n", "libsvm"),
        ("a.svmlight", b"1\n", "libsvm"),
        ("a.libsvm.gz", b"1\n", "libsvm"),
        ("a.parquet", PARQUET, "Parquet"),
        ("a.pq", PARQUET, "Parquet"),
        ("a.rec", RECORDIO, "RecordIO-protobuf"),
        ("a.recordio.gz", RECORDIO, "RecordIO-protobuf"),
        ("a.pbr", RECORDIO, "RecordIO-protobuf"),
    ],
)
def test_name_decides_without_a_content_type(name: str, head: bytes, kind: str) -> None:
    """The suffix decides, with or without the suffix of a compression."""
    assert detected(head, name) == kind
    assert detected(head, name, "") == kind


@pytest.mark.parametrize("name", ["part-0", "a.txt", "a.data.gz", "csv", "a.2024", ".gz"])
@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PARQUET, "Parquet"),
        (RECORDIO, "RecordIO-protobuf"),
        (b"1 1:2 3:4\n", "libsvm"),
        (b"+1 0:2", "libsvm"),
        (b"# comment\n\n-1.5 7:1e3 8:2\n", "libsvm"),
        (b"1e+3  1:nan", "libsvm"),
        (b"1\t7:1e3 8:2\n", "CSV"),
        (b"setosa 1:2 3:4\n", "CSV"),
        (b"1 01:30\n", "CSV"),
        (b"1,2\n", "CSV"),
        (b"1 2\n", "CSV"),
        (b"a 1:2,3\n", "CSV"),
        (b"12:30,1 1:2\n", "CSV"),
        (b"12:30 1,2\n", "CSV"),
        (b"x 12:30:00\n", "CSV"),
        (b"PKW,1.5\n", "CSV"),
        (b"", "CSV"),
        (b"\n\n", "CSV"),
    ],
)
def test_content_decides_without_content_type_and_suffix(name: str, head: bytes, kind: str) -> None:
    """Binary formats have magic numbers, libsvm rows have a form; all other text is CSV."""
    assert detected(head, name) == kind


@pytest.mark.parametrize(
    "head",
    [
        *(b"ORCL,1.5,2.5\n", b"ORCHID\t1.5\n", b"ORC,1\n", b"BZh,1.5\n", b"BZh91AY&SY,1\n"),
        *(b"Object,2\n", b"PAR1,1.5\n", b"ARROW1,2\n"),
    ],
)
def test_text_that_begins_like_a_binary_format_is_text(head: bytes) -> None:
    """A label that begins with the letters of a magic number is text."""
    assert detected(head) == "CSV"
    assert detected(head, "a.csv") == "CSV"


@pytest.mark.parametrize(
    ("head", "name", "content_type", "message"),
    [
        (RECORDIO, "a.libsvm.gz", None, "the data is RecordIO-protobuf, but its name says libsvm"),
        (
            b"PAR1,1.5\n",
            "a.parquet",
            None,
            "the first bytes are different, but its name says Parquet",
        ),
        (
            PARQUET,
            "a.parquet",
            "text/csv; header=present",
            "the data is Parquet, but the content type of its channel says CSV",
        ),
        (
            RECORDIO,
            "a",
            "application/x-parquet",
            "the data is RecordIO-protobuf, but the content type of its channel says Parquet",
        ),
    ],
)
def test_contradiction_is_refused(
    head: bytes, name: str, content_type: str | None, message: str
) -> None:
    """Data in another binary format than declared is refused."""
    assert refusal_of(head, name, content_type) == f"{message}; correct one of them"


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"PK\x03\x04\x14", "a zip archive or an Excel workbook"),
        (b"\x1f\x8b\x08", "compressed twice"),
        (bz2.compress(b"1,2\n"), "compressed with bzip2"),
        (pickle.dumps([1, 2], 4), "a Python pickle"),
        (pickle.dumps([1, 2], 5), "a Python pickle"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"ARROW1\0\0", "an Arrow file"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"Obj\x01\4", "an Avro file"),
        (b"ORC\n\x0b\n\3\0\0\0", "an ORC file"),
    ],
)
def test_foreign_format_is_named(head: bytes, what: str) -> None:
    """An unsupported format is named by its first bytes, whatever the file name."""
    assert refusal_of(head, "a.csv") == (
        f"the data is {what}; convert it to CSV, TSV, Parquet, libsvm or RecordIO-protobuf, plain "
        "or with gzip or zstd"
    )


@pytest.mark.parametrize("head", [b'[{"a": 1}]', b' \n{"a": 1}\n{"a": 2}\n', b"[1,2]\n"])
def test_json_is_named(head: bytes) -> None:
    """JSON is refused instead of being read as CSV, although it has commas."""
    assert refusal_of(head, "a.json") == (
        "the data is JSON; convert it to CSV, TSV, Parquet, libsvm or RecordIO-protobuf, plain or "
        "with gzip or zstd"
    )
    assert detected(head, "a.csv") == "CSV"


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "csv"])
def test_unknown_content_type_is_refused(content_type: str) -> None:
    """The message lists the known content types."""
    with pytest.raises(TrainingDataError) as caught:
        detected(b"1,2\n", "a.csv", content_type)

    assert str(caught.value) == (
        f"The content type of the channel is {content_type!r}; use one of text/csv, "
        "text/tab-separated-values, application/x-parquet, application/vnd.apache.parquet, "
        "text/libsvm, text/x-libsvm, application/x-recordio-protobuf."
    )


def test_parquet_in_a_pipe_is_refused() -> None:
    """Parquet has its metadata at the end, and a pipe cannot be sought."""
    with pytest.raises(CellError) as caught:
        detection.detect(
            Content(PARQUET, Unseekable(PARQUET), is_compressed=False),
            "train_0",
            "application/x-parquet",
        )

    assert f"{caught.value}; {caught.value.remedy}" == (
        "the data is Parquet, which cannot be read from a pipe; "
        "use the input mode FastFile instead of Pipe"
    )


@pytest.mark.parametrize(
    ("kind", "text", "options", "what"),
    [
        ("CSV", b"a,1\n", InputOptions(), "comma-separated text"),
        ("CSV", b"a;1\n", InputOptions(), "semicolon-separated text"),
        ("TSV", b"a, b\t1\nc, d\t2\n", InputOptions(), "tab-separated text"),
        ("TSV", b"a\t1|1\n", InputOptions(delimiter="|", header="absent"), "bar-separated text"),
        ("libsvm", b"a 1:1\n", InputOptions(), "libsvm"),
    ],
)
def test_format_has_its_reader(kind: str, text: bytes, options: InputOptions, what: str) -> None:
    """TSV is split at tabs unless a hyperparameter sets another delimiter."""
    assert reading.open_reader(kind, io.BytesIO(text), options).format_name == what


@pytest.mark.parametrize(("kind", "text"), [("CSV", b"a,1\n"), ("libsvm", b"a 1:1\n")])
def test_text_needs_no_library_of_another_format(kind: str, text: bytes) -> None:
    """The libraries for Parquet and RecordIO-protobuf are not imported for text."""
    code = (
        "import io, sys\n"
        "from container.data import reading\n"
        "from container.hyperparameters.input_options import InputOptions\n"
        f"list(reading.open_reader({kind!r}, io.BytesIO({text!r}), InputOptions()).batches)\n"
        "assert not {'pyarrow', 'google.protobuf'} & set(sys.modules)\n"
    )
    ended = python(code)

    assert ended.returncode == 0, ended.stderr
