"""Format detection: by the channel's content type, or the file's suffix, or its first bytes."""

import re

from werkzeug.http import parse_options_header

from container.data.streams import COMPRESSION_SUFFIXES, Content
from container.errors import HyperparameterError, TrainingDataError
from container.formats.cells import CellError, shown
from container.formats.media_types import RECORDIO_MAGIC, UTF8
from container.hyperparameters.input_options import InputOptions, is_encoding

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
"""Content types of a channel, and their formats.

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
"""Suffixes of file names, and their formats."""

_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]|^\xff\xfe|^\xfe\xff")
_MAGIC = {b"PAR1": PARQUET, RECORDIO_MAGIC: RECORDIO}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "compressed twice",
    b"BZh91AY&SY": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
}
_LIBSVM_ROW = re.compile(rb"[+-]?[0-9.]+(e[+-]?[0-9]+)? +(0|[1-9][0-9]*):[^\s:,;]+(\s|$)")
_KNOWN = "CSV, TSV, Parquet, libsvm or RecordIO-protobuf, plain or with gzip or zstd"


def detect(content: Content, name: str, content_type: str | None) -> str:
    """Return the format of a file.

    Args:
        content: the open file.
        name: its name.
        content_type: content type of its channel; None if the channel has none.

    Raises:
        CellError: the format is not supported, or not the declared one.
        TrainingDataError: the content type is not in MEDIA_TYPES.
    """
    looks = _binary_format(content.head)
    declared = _declared(content_type) if content_type else _by_suffix(name)
    if declared and looks != declared and (looks or declared in _MAGIC.values()):
        says = "the content type of its channel" if content_type else "its name"
        found = f"the data is {looks}" if looks else "the first bytes are different"
        raise CellError(f"{found}, but {says} says {declared}", "correct one of them")
    detected = declared or looks or _by_first_row(content.head)
    if detected == PARQUET:
        _refuse_unseekable(content)
    return detected


def with_parameters(options: InputOptions, content_type: str | None) -> InputOptions:
    """Return the options with the parameters of a content type applied.

    Known parameters are `header` (present or absent, RFC 4180), `label_size` and `charset`.

    Raises:
        TrainingDataError: the content type asks for no label or several, or for an unknown charset.
        HyperparameterError: it contradicts a hyperparameter.
    """
    _, parameters = parse_options_header(content_type or "")
    said = shown(content_type or "", 80)
    options = _with_charset(options, parameters.get("charset", "utf-8").lower(), content_type)
    if parameters.get("label_size", "1") != "1":
        raise TrainingDataError(
            f"The content type of the channel is {said}; each row must have "
            "exactly one label, so label_size must be 1."
        )
    header = parameters.get("header", "").lower()
    if header not in ("present", "absent") or header == options.header:
        return options
    if options.header != "auto":
        raise HyperparameterError(
            f"The hyperparameter header is {options.header!r}, but the content type of the channel "
            f"is {said}; correct one of them."
        )
    return options.model_copy(update={"header": header})


def _with_charset(options: InputOptions, charset: str, content_type: str | None) -> InputOptions:
    if charset in UTF8 or charset == options.encoding.lower():
        return options
    if not is_encoding(charset):
        raise TrainingDataError(
            f"The content type of the channel is {content_type!r}, whose charset is unknown; "
            "correct it."
        )
    if options.encoding != "auto":
        raise HyperparameterError(
            f"The hyperparameter encoding is {options.encoding!r}, but the content type of the "
            f"channel is {content_type!r}; correct one of them."
        )
    return options.model_copy(update={"encoding": charset})


def _declared(content_type: str) -> str:
    media_type, _ = parse_options_header(content_type)
    try:
        return MEDIA_TYPES[media_type.lower()]
    except KeyError as error:
        raise TrainingDataError(
            f"The content type of the channel is {shown(content_type, 80)}; use one of "
            f"{', '.join(MEDIA_TYPES)}."
        ) from error


def _by_suffix(name: str) -> str | None:
    stem, dot, suffix = name.lower().rpartition(".")
    if dot + suffix in COMPRESSION_SUFFIXES:
        return _by_suffix(stem)
    return SUFFIXES.get(dot + suffix)


def _binary_format(head: bytes) -> str | None:
    """Return the binary format of a file by its first bytes; None if it may be text."""
    if not _BINARY.search(head):
        return None  # text may begin with the letters of a magic number
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise CellError(f"the data is {what}", f"convert it to {_KNOWN}")
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def _by_first_row(head: bytes) -> str:
    """Return libsvm or CSV, by the first row that is neither blank nor a comment."""
    if head.lstrip().startswith((b"[", b"{")):
        raise CellError("the data is JSON", f"convert it to {_KNOWN}")
    for line in head.splitlines():
        if line.strip() and not line.startswith(b"#"):
            return LIBSVM if _LIBSVM_ROW.match(line) else CSV
    return CSV


def _refuse_unseekable(content: Content) -> None:
    """Refuse Parquet that cannot be sought: its metadata is at the end of the file."""
    if content.is_compressed:
        problem = "the data is Parquet inside gzip or zstd, which cannot be read in parts"
        raise CellError(problem, "decompress it; Parquet is compressed already")
    if not content.stream.seekable():
        problem = "the data is Parquet, which cannot be read from a pipe"
        raise CellError(problem, "use the input mode FastFile instead of Pipe")
