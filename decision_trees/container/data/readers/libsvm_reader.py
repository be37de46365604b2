"""libsvm: text rows of a label and the cells that are not 0, each with its index.

A row is `label index:value index:value ...`, and a comment after `#`. Whether indices count from 0
or from 1 shows only when all files are read: one index 0 anywhere means from 0. So blocks have the
indices as they are written; if none of them is 0, column 0 is to be left out of the table.

Source: https://github.com/cjlin1/libsvm/blob/master/README
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np

from container.data.readers.batches import BATCH_VALUES, Batch, Part, Sparse
from container.formats.libsvm_rows import SparseRows, careful_rows, plain_rows
from container.hyperparameters.input_options import InputOptions

_CHUNK_BYTES = 64 * 1024


def read(stream: BinaryIO, options: InputOptions) -> Part:
    """Open a libsvm file; it is read once, from its beginning.

    Cells that are not written are 0, `nan` is missing. Blocks are sparse, with raw indices: what is
    column 0 exists only if an index 0 is written, in this file or another.

    Args:
        stream: the file; a pipe will do.
        options: whether labels are numbers.

    Raises:
        HyperparameterError: a hyperparameter names the column of the label or the weight.
    """
    options.refuse_columns("libsvm")
    return Part("libsvm", None, _blocks(stream, options.labels_are_numbers))


def _blocks(stream: BinaryIO, labels_are_numbers: bool) -> Iterator[Batch]:
    """Yield the rows, about BLOCK_VALUES cells and labels at a time."""
    waiting: list[SparseRows] = []
    size, first_row = 0, 1
    while lines := stream.readlines(_CHUNK_BYTES):
        if first_row == 1:
            lines[0] = lines[0].removeprefix(BOM_UTF8)
        rows = plain_rows(lines, labels_are_numbers)
        waiting.append(rows or careful_rows(lines, first_row, labels_are_numbers))
        first_row += len(lines)
        size += len(waiting[-1].values) + len(waiting[-1].labels)
        if size >= BATCH_VALUES:
            yield _block(waiting, labels_are_numbers)
            waiting, size = [], 0
    if size:
        yield _block(waiting, labels_are_numbers)


def _block(parts: list[SparseRows], labels_are_numbers: bool) -> Batch:
    columns = np.concatenate([part.columns for part in parts])
    values = np.concatenate([part.values.astype(np.float32) for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    labels = [label for part in parts for label in part.labels]
    return Batch(
        Sparse(values, columns, counts.cumsum(), int(columns.max(initial=-1)) + 1),
        np.array(labels, dtype=np.float64) if labels_are_numbers else cast("list[str]", labels),
    )
