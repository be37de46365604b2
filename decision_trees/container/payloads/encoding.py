"""Encoding: answers become the bytes of a reply, one answer for each row."""

import csv
import io
import json
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from container.errors import ContainerError
from container.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    LABELS,
    NPY,
    PREDICTED_LABEL,
    PREDICTED_SCORE,
    PROBABILITIES,
    PROBABILITY,
    RECORDIO,
    RECORDIO_MAGIC,
)
from container.payloads.negotiation import ResponseFormat
from container.payloads.types import Predictions

_LISTS = frozenset({LABELS, PROBABILITIES})
_MANY_ROWS = 32  # from here on it pays to look for rows that are alike
_SHORT = 64  # of longer lines it would take too much memory to have all of one length


class Encoder:
    """Writes replies; made once for the labels of a model, since most replies hold only these."""

    def __init__(self, labels: Sequence[Any]) -> None:
        self._labels = labels
        self._forms: dict[str, _Format] = {}
        self._lines: dict[str, _Lines] = {}
        self._of_one_label: dict[tuple[str, int], bytes] = {}
        self._label_lines(CSV)

    def encode(
        self, answers: Predictions, reply: ResponseFormat, bad: Collection[int] = ()
    ) -> bytes:
        """Return the body of a reply: for each row its answer, in the order of the rows.

        A number is written as the shortest decimal that reads back to the same float32.

        Args:
            answers: what the outputs of the reply need; its labels are those of the model.
            reply: what accept.choose has returned, and accept.check has let pass.
            bad: indices of rows without an answer. Such a row is an empty line of CSV, null in
                JSON and in JSON Lines, NaN or empty text in npy, an empty record in RecordIO.

        Raises:
            ContainerError: a score or a probability is NaN or infinite.
        """
        if reply.media_type == NPY:
            return _array(self._labels, answers, reply.outputs, bad)
        if reply.outputs == (PREDICTED_LABEL,) and answers.indices is not None:
            lines = self._lines.get(reply.media_type) or self._label_lines(reply.media_type)
            return self._forms[reply.media_type].whole(lines.joined(answers.indices, bad))
        rows = self._rows(_table(answers, reply.outputs, bad), reply)
        form = self._forms[reply.media_type]
        for row in bad:
            rows[row] = form.bad
        return form.whole(form.between.join(rows))

    def encode_label(self, index: int, reply: ResponseFormat) -> bytes:
        """Return the body of a reply to one row that tells its label; it is kept for the next.

        Args:
            index: that of the label.
            reply: one whose only output is the label.
        """
        body = self._of_one_label.get((reply.media_type, index))
        if body is None:
            body = self.encode(Predictions(np.array([index])), reply)
            self._of_one_label[reply.media_type, index] = body
        return body

    def _label_lines(self, media_type: str) -> "_Lines":
        """Return the row of each label where nothing else is answered, and keep it."""
        form = self._form(media_type)
        lines = [form.row([form.labels(PREDICTED_LABEL, [label])]) for label in self._labels]
        return self._lines.setdefault(media_type, _Lines([*lines, form.bad], form.between))

    def _form(self, media_type: str) -> "_Format":
        form = self._forms.get(media_type)
        return form or self._forms.setdefault(media_type, _format(media_type, self._labels))

    def _rows(self, table: "_Table", reply: ResponseFormat) -> list[bytes]:
        """Return the rows of a reply; rows that are alike, as a tree's are, are written once."""
        form = self._form(reply.media_type)
        if len(table.indices) < _MANY_ROWS:
            return self._written(form, table, reply.outputs)
        keys = table.keys()
        row_of = dict(zip(keys, range(len(keys)), strict=True))
        written = self._written(form, table.take(list(row_of.values())), reply.outputs)
        row_by_key = dict(zip(row_of, written, strict=True))
        return [row_by_key[key] for key in keys]

    def _written(self, form: "_Format", table: "_Table", outputs: Sequence[str]) -> list[bytes]:
        columns = [self._column(form, table, name) for name in outputs]
        return [form.row(row) for row in zip(*columns, strict=True)]

    def _column(self, form: "_Format", table: "_Table", name: str) -> list[bytes]:
        """Return one output of each row."""
        if name in table.numbers:
            return form.numbers(name, table.numbers[name])
        if name == LABELS:
            return [form.labels(name, self._labels)] * len(table.indices)
        named = {i: form.labels(name, [self._labels[i]]) for i in set(table.indices.tolist())}
        return [named[index] for index in table.indices.tolist()]


class _Lines:
    """Rows that are one of a few, the last of which stands for a row without an answer."""

    def __init__(self, lines: Sequence[bytes], between: bytes) -> None:
        self._lines = lines
        self._between = between
        ended = [line + between for line in lines]
        is_short = max(map(len, ended)) <= _SHORT
        self._padded = np.array(ended) if is_short and b"\0" not in b"".join(ended) else None

    def joined(self, indices: NDArray[np.intp], bad: Collection[int]) -> bytes:
        """Return the lines at `indices`, with what is between them."""
        if bad:
            indices = indices.copy()
            indices[list(bad)] = len(self._lines) - 1
        if self._padded is None or len(indices) < _MANY_ROWS:
            return self._between.join([self._lines[index] for index in indices.tolist()])
        # Lines of one length are copied without an object for each; what fills them up goes then.
        joined = self._padded.take(indices).tobytes().translate(None, b"\0")
        return joined[: len(joined) - len(self._between)]


@dataclass(frozen=True)
class _Table:
    """What the outputs of a reply need of the answers."""

    indices: NDArray[np.intp]
    """For each row the index of its label, 0 for regression."""

    numbers: dict[str, NDArray[np.float32]]
    """The numbers of each output that has some, shape (n_rows, n_values), finite."""

    def keys(self) -> list[int] | list[bytes]:
        """Return for each row its bits, which tell -0.0 from 0.0."""
        bits = [values.view(np.uint32) for values in self.numbers.values()]
        if PREDICTED_SCORE not in self.numbers:
            bits.append(self.indices.astype(np.uint32)[:, np.newaxis])
        rows = np.hstack(bits)
        size = rows.itemsize * rows.shape[1]
        kind = f"u{size}" if size <= 8 else f"V{size}"  # numbers are quicker to look up than bytes
        keys: list[int] | list[bytes] = rows.view(kind).ravel().tolist()
        return keys

    def take(self, rows: list[int]) -> "_Table":
        """Return some of the rows."""
        return _Table(
            self.indices[rows], {name: values[rows] for name, values in self.numbers.items()}
        )


class _Format(Protocol):
    """How a media type is written: outputs make a row, rows make the whole."""

    bad: bytes
    """A row without an answer."""

    between: bytes
    """What stands between two rows."""

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        """Return an output of labels."""

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return an output of numbers for each row of shape (n_rows, n_values)."""

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return a row of its outputs."""

    def whole(self, rows: bytes) -> bytes:
        """Return the body of a reply with these rows."""


class _Csv:
    """One line a row; a list takes as many columns as it has values."""

    bad = b"\n"
    between = b""

    def labels(self, _name: str, labels: Sequence[Any]) -> bytes:
        return b",".join(map(_cell, labels))

    def numbers(self, _name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        return _decimals(numbers)

    def row(self, outputs: Iterable[bytes]) -> bytes:
        return b",".join(outputs) + b"\n"

    def whole(self, rows: bytes) -> bytes:
        return rows


class _Json:
    """An object a row, in ASCII, all in one list.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
    """

    bad = b"null"
    between = b","

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        values = ",".join(json.dumps(label, allow_nan=False) for label in labels)
        return _member(name) % values.encode()

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        member = _member(name)
        return [member % values for values in _decimals(numbers)]

    def row(self, outputs: Iterable[bytes]) -> bytes:
        return b"{%s}" % b",".join(outputs)

    def whole(self, rows: bytes) -> bytes:
        return b'{"predictions":[%s]}\n' % rows


class _JsonLines(_Json):
    """The objects of JSON, each in a line."""

    bad = b"null\n"
    between = b""

    def row(self, outputs: Iterable[bytes]) -> bytes:
        return b"{%s}\n" % b",".join(outputs)

    def whole(self, rows: bytes) -> bytes:
        return rows


class _RecordIO:
    """A record a row, whose label maps the name of each output to a tensor.

    A payload that holds the magic number is not split: only those who seek in a file need that.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html
    """

    bad = RECORDIO_MAGIC + bytes(4)
    between = b""

    def __init__(self, labels: Sequence[Any]) -> None:
        from container.formats.recordio_messages import (
            Record,  # protobuf is slow to load, and rarely needed
        )

        self._record = Record
        self._kind = _tensor(labels)

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        if self._kind == "bytes":
            return self._write(name, "bytes", "value", [label.encode() for label in labels])
        return self._write(name, self._kind, "values", labels)

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        return [self._write(name, "float32_tensor", "values", row) for row in numbers.tolist()]

    def row(self, outputs: Iterable[bytes]) -> bytes:
        payload = b"".join(outputs)  # messages one after the other are one message
        return RECORDIO_MAGIC + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)

    def whole(self, rows: bytes) -> bytes:
        return rows

    def _write(self, name: str, kind: str, field: str, values: Sequence[Any]) -> bytes:
        record = self._record()
        getattr(getattr(record.label[name], kind), field).extend(values)
        written: bytes = record.SerializeToString()
        return written


def _format(media_type: str, labels: Sequence[Any]) -> _Format:
    if media_type == RECORDIO:
        return _RecordIO(labels)
    formats: dict[str, type[_Csv | _Json]] = {CSV: _Csv, JSON: _Json, JSON_LINES: _JsonLines}
    return formats[media_type]()


def _table(answers: Predictions, outputs: Sequence[str], bad: Collection[int]) -> _Table:
    """Return what the outputs need; the numbers of bad rows are 0."""
    numbers = {}
    for name in outputs:
        values = _values(answers, name)
        if values is not None:
            numbers[name] = _finite(values, name, bad)
    if answers.indices is not None:
        return _Table(answers.indices, numbers)
    return _Table(np.zeros(len(numbers[PREDICTED_SCORE]), dtype=np.intp), numbers)


def _values(answers: Predictions, name: str) -> NDArray[np.float32] | None:
    """Return the numbers of an output, shape (n_rows, n_values); None if it has labels."""
    if name == PREDICTED_SCORE and answers.scores is not None:
        return answers.scores[:, np.newaxis]
    if answers.probabilities is None or answers.indices is None:
        return None
    if name == PROBABILITIES:
        return answers.probabilities
    if name == PROBABILITY:
        rows = np.arange(len(answers.indices))
        return answers.probabilities[rows, answers.indices][:, np.newaxis]
    return None


def _finite(values: NDArray[np.float32], name: str, bad: Collection[int]) -> NDArray[np.float32]:
    """Return the numbers, 0 in bad rows; raises ContainerError for what is no finite number."""
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
    if bad:
        values = values.copy()
        values[list(bad)] = 0
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = divmod(int(wrong.argmax()), values.shape[1])
        what = "score" if name == PREDICTED_SCORE else "probability"
        raise ContainerError(
            f"The model gives row {row + 1} the {what} {values[row, column]}, which is no finite "
            "number; look for values in the row that are far from those of the training data."
        )
    return np.ascontiguousarray(values)


def _decimals(numbers: NDArray[np.float32]) -> list[bytes]:
    """Return for each row its numbers with commas between."""
    # Few numbers of a tree are distinct, and numpy is slow at writing one; -0.0 is not 0.0.
    bits = numbers.view(np.uint32).ravel().tolist()
    distinct = dict.fromkeys(bits)
    floats = np.array(list(distinct), dtype=np.uint32).view(np.float32)
    texts = dict(zip(distinct, [str(number).encode() for number in floats], strict=True))
    cells = [texts[number] for number in bits]
    width = numbers.shape[1]
    if width == 1:
        return cells
    return [b",".join(cells[start : start + width]) for start in range(0, len(cells), width)]


def _cell(label: object) -> bytes:
    """Return a label as a cell of CSV, quoted where it must be."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([label])  # both are quoted inside a cell
    return line.getvalue().removesuffix("\r\n").encode()


def _member(name: str) -> bytes:
    """Return a member of a JSON object, with a place for its values."""
    return b'"%s":%s' % (name.encode(), b"[%s]" if name in _LISTS else b"%s")


def _tensor(labels: Sequence[Any]) -> str:
    """Return the kind of tensor that holds any of the labels; it is the same in each record."""
    if all(isinstance(label, str) for label in labels):
        return "bytes"
    if all(isinstance(label, int) and -(2**31) <= label < 2**31 for label in labels):
        return "int32_tensor"
    return "float64_tensor"


def _array(
    labels: Sequence[Any], answers: Predictions, outputs: Sequence[str], bad: Collection[int]
) -> bytes:
    """Return the outputs as an npy file.

    One output that has one value a row makes an array of shape (n_rows,): float32, or for labels
    int64, float64 or text. All else has shape (n_rows, n_values), the outputs side by side, as
    float64 where labels are among them. With bad rows int64 becomes float64, which has a NaN.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    table = _table(answers, outputs, bad)
    known = np.array(labels)
    columns = {LABELS: np.tile(known, (len(table.indices), 1))} if LABELS in outputs else {}
    if PREDICTED_LABEL in outputs:
        columns[PREDICTED_LABEL] = known[table.indices][:, np.newaxis]
    columns |= table.numbers
    array = np.hstack([columns[name] for name in outputs])
    if bad:
        is_text = array.dtype.kind == "U"
        array = array.astype(np.float64) if array.dtype.kind == "i" else array
        array[list(bad)] = "" if is_text else np.nan
    is_flat = len(outputs) == 1 and outputs[0] not in _LISTS
    file = io.BytesIO()
    np.save(file, array[:, 0] if is_flat else array, allow_pickle=False)
    return file.getvalue()
