"""Which format a file is in: as its channel says, else as its name says, else as it looks."""

import re
from dataclasses import replace
from typing import BinaryIO

from werkzeug.http import parse_options_header

from container.data.readers.batches import Part
from container.data.streams import Content
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import CellError
from container.formats.media_types import RECORDIO_MAGIC, UTF8
from container.hyperparameters.input_options import InputOptions

CSV, TSV, PARQUET, LIBSVM, RECORDIO = "CSV", "TSV", "Parquet", "libsvm", "RecordIO-protobuf"

MEDIA_TYPES = {
    "text/csv": CSV,
    "text/tab-separated-values": TSV,
    "application/x-parquet": PARQUET,
    "application/vnd.apache.parquet": PARQUET,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "application/x-recordio-protobuf": RECORDIO,
}
"""The content types of a channel.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

SUFFIXES = {
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".libsvm": LIBSVM,
    ".svmlight": LIBSVM,
    ".svm": LIBSVM,
    ".recordio": RECORDIO,
    ".rec": RECORDIO,
    ".pbr": RECORDIO,
}
COMPRESSIONS = frozenset({".gz", ".gzip", ".zst", ".zstd"})

_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]|^\xff\xfe|^\xfe\xff")
_MAGIC = {b"PAR1": PARQUET, RECORDIO_MAGIC: RECORDIO}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "data that is compressed twice",
    b"BZh91AY&SY": "data compressed with bzip2",
    b"\xfd7zXZ": "data compressed with xz",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"ARROW1": "an Arrow file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
}
_LIBSVM_ROW = re.compile(rb"[+-]?[0-9.]+(e[+-]?[0-9]+)? +(0|[1-9][0-9]*):[^\s:,;]+(\s|$)")
_KNOWN = "CSV, TSV, Parquet, libsvm or RecordIO-protobuf, plain or with gzip or zstd"
_FAST_FILE = "use the input mode FastFile in place of Pipe"


def choose(content: Content, name: str, content_type: str | None) -> str:
    """Return the format of a file.

    Args:
        content: the open file.
        name: its name, whose suffix may tell the format.
        content_type: that of its channel, None when the channel has none.

    Raises:
        CellError: the file is in a format that is not read here, or not in the one it should be.
        TrainingDataError: the channel's content type is none of MEDIA_TYPES.
    """
    looks = _looks_like(content.head)
    declared = _declared(content_type) if content_type else _by_suffix(name)
    if declared and looks != declared and (looks or declared in _MAGIC.values()):
        says = "the content type of its channel" if content_type else "its name"
        found = f"there is {looks}" if looks else f"the file does not begin as {declared} does"
        raise CellError(f"{found}, though {says} says {declared}", "correct one of them")
    chosen = declared or looks or _by_first_row(content.head)
    if chosen == PARQUET:
        _refuse_unseekable(content)
    return chosen


def read(chosen: str, stream: BinaryIO, options: InputOptions) -> Part:
    """Open `stream` with the reader of a format; only that reader and its libraries are loaded."""
    match chosen:
        case "Parquet":
            from container.data.readers import parquet_reader

            return parquet_reader.read(stream, options)
        case "RecordIO-protobuf":
            from container.data.readers import recordio_reader

            return recordio_reader.read(stream, options)
        case "libsvm":
            from container.data.readers import libsvm_reader

            return libsvm_reader.read(stream, options)
        case "TSV" if options.delimiter == "auto":
            options = replace(options, delimiter="tab")
    from container.data.readers import csv_reader

    return csv_reader.read(stream, options)


def with_parameters(options: InputOptions, content_type: str | None) -> InputOptions:
    """Return the options together with what the parameters of a content type say.

    Known are `header` (present or absent, RFC 4180), `label_size` and `charset`.

    Raises:
        TrainingDataError: the parameters say that there is no label, or that it is no UTF-8.
        HyperparameterError: a hyperparameter says something else.
    """
    _, parameters = parse_options_header(content_type or "")
    if parameters.get("charset", "utf-8").lower() not in UTF8:
        raise TrainingDataError(
            f"The content type of the channel is {content_type!r}; text is read in UTF-8 alone, "
            "so convert the files."
        )
    if parameters.get("label_size", "1") != "1":
        raise TrainingDataError(
            f"The content type of the channel is {content_type!r}; a tree learns from exactly one "
            "label a row, so label_size must be 1."
        )
    header = parameters.get("header", "").lower()
    if header not in ("present", "absent") or header == options.header:
        return options
    if options.header != "auto":
        raise HyperparameterError(
            f"The hyperparameter header is {options.header!r}, but the content type of the channel "
            f"is {content_type!r}; correct one of them."
        )
    return replace(options, header=header)


def _declared(content_type: str) -> str:
    media_type, _ = parse_options_header(content_type)
    try:
        return MEDIA_TYPES[media_type.lower()]
    except KeyError as error:
        raise TrainingDataError(
            f"The content type of the channel is {content_type!r}; known are "
            f"{', '.join(MEDIA_TYPES)}."
        ) from error


def _by_suffix(name: str) -> str | None:
    stem, dot, suffix = name.lower().rpartition(".")
    if dot + suffix in COMPRESSIONS:
        return _by_suffix(stem)
    return SUFFIXES.get(dot + suffix)


def _looks_like(head: bytes) -> str | None:
    """Return the binary format of a file by its first bytes; None when it may be text."""
    if not _BINARY.search(head):
        return None  # a text may begin with any letters
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise CellError(f"there is {what}", f"convert it to {_KNOWN}")
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _by_first_row(head: bytes) -> str:
    """Return libsvm or CSV, by the first row that is neither blank nor a comment."""
    if head.lstrip().startswith((b"[", b"{")):
        raise CellError("there is JSON", f"convert it to {_KNOWN}")
    for line in head.splitlines():
        if line.strip() and not line.startswith(b"#"):
            return LIBSVM if _LIBSVM_ROW.match(line) else CSV
    return CSV


def _refuse_unseekable(content: Content) -> None:
    """Parquet keeps its table of contents at the end, so it cannot be read from a stream."""
    if content.is_compressed:
        problem = "there is Parquet inside gzip or zstd, which cannot be read in parts"
        raise CellError(problem, "decompress it: Parquet compresses by itself")
    if not content.stream.seekable():
        raise CellError("there is Parquet, which cannot be read from a pipe", _FAST_FILE)
