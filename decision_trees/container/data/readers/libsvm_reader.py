"""libsvm reader: rows of a label and the cells that are not 0, each with its index.

A row is `label index:value index:value ...`, with an optional comment after `#`. Indices count from
0 if any file has an index 0, otherwise from 1. That is known only after all files are read, so
batches keep the indices as written.

Source: https://github.com/cjlin1/libsvm/blob/master/README
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np

from container.data.readers.batches import BATCH_VALUES, Batch, BatchReader, SparseFeatures
from container.formats.libsvm_rows import SparseRows, careful_rows, plain_rows
from container.hyperparameters.input_options import InputOptions

_CHUNK_BYTES = 64 * 1024


def read(stream: BinaryIO, options: InputOptions) -> BatchReader:
    """Return a reader of a libsvm file, which is read once, from start to end.

    Cells that are not written are 0; `nan` is missing. Batches are sparse, with indices as written.

    Raises:
        HyperparameterError: a hyperparameter names the column of the label or the weight.
    """
    options.refuse_columns("libsvm")
    return BatchReader("libsvm", None, _batches(stream, options.labels_are_numbers))


def _batches(stream: BinaryIO, labels_are_numbers: bool) -> Iterator[Batch]:
    parts: list[SparseRows] = []
    size, first_row = 0, 1
    while lines := stream.readlines(_CHUNK_BYTES):
        if first_row == 1:
            lines[0] = lines[0].removeprefix(BOM_UTF8)
        rows = plain_rows(lines, labels_are_numbers)
        parts.append(rows or careful_rows(lines, first_row, labels_are_numbers))
        first_row += len(lines)
        size += len(parts[-1].values) + len(parts[-1].labels)
        if size >= BATCH_VALUES:
            yield _batch(parts, labels_are_numbers)
            parts, size = [], 0
    if size:
        yield _batch(parts, labels_are_numbers)


def _batch(parts: list[SparseRows], labels_are_numbers: bool) -> Batch:
    columns = np.concatenate([part.columns for part in parts])
    values = np.concatenate([part.values.astype(np.float32) for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    labels = [label for part in parts for label in part.labels]
    return Batch(
        SparseFeatures(values, columns, counts.cumsum(), int(columns.max(initial=-1)) + 1),
        np.array(labels, dtype=np.float64) if labels_are_numbers else cast("list[str]", labels),
    )
