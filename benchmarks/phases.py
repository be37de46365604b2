"""Time phases of this container at several sizes; complexity.py starts this program.

usage: python phases.py --list
       python phases.py PHASE SIZE ...

A phase is a part of a training job or of a request, and a size is the number of files, columns,
rows, classes or leaves. The last line that it prints is JSON: the names of all phases, or the CPU
seconds at each size.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

import algorithm
from artifact import model, save
from benchmarks.phase_inputs import (
    as_csv,
    as_json,
    as_libsvm,
    as_parquet,
    as_recordio,
    matrix,
    names_of,
    write_channel,
)
from container.data import channels
from container.data.dataset import Dataset
from container.data.loading import Loader
from container.data.table import Table
from container.distributed.communicator import ALONE
from container.hyperparameters import loader
from container.hyperparameters.input_options import InputOptions
from container.paths import Paths
from container.payloads import decoding
from container.payloads.encoding import Encoder
from container.payloads.negotiation import ResponseFormat
from container.payloads.types import Expected, Predictions
from container.script_mode import source_code
from trees import quantiles

Run = Callable[[], object]
Phase = Callable[[int, Path], Run]
"""Prepares a phase of a size in an empty directory, and returns the function to time."""

FEW = 4
"""Number of rows with many columns, and of columns of many rows."""

ENOUGH_SECONDS = 1.0
ROUNDS = 3


def _read(base: Path) -> Run:
    return lambda: Loader(InputOptions(), ALONE).read(Paths(base))


def _read_twice(base: Path) -> Run:
    """Read a dataset: once for its labels, and once for its rows."""
    read = Loader(InputOptions(), ALONE, lambda _: True, max_table_bytes=1).read
    return lambda: [len(batch) for batch in _dataset(read(Paths(base))[0]).batches()]


def _dataset(rows: Table | Dataset) -> Dataset:
    return Dataset.of_table(rows, are_numbers=False) if isinstance(rows, Table) else rows


def _copied(code: Path, directory: Path) -> Run:
    numbers = count()
    return lambda: source_code.fetch(str(code), directory / f"copy-{next(numbers)}")


def _grown(n_leaves: int) -> tuple[Any, Table]:
    """Return a tree with about this number of leaves, and its rows."""
    labels = np.random.default_rng(0).integers(0, 2, n_leaves * 2)
    table = Table(matrix(n_leaves * 2, FEW), labels)
    return algorithm.fit(table, algorithm.Hyperparameters(engine="exact")), table


def _with_classes(n_classes: int) -> tuple[Any, Table]:
    """Return a tree with as many classes as rows, and its rows."""
    table = Table(matrix(n_classes, 1), np.arange(n_classes))
    tree = DecisionTreeClassifier(splitter="random", max_depth=1, random_state=0)
    return tree.fit(table.features, table.labels), table


def _with_columns(n_columns: int) -> tuple[Any, Table]:
    table = Table(matrix(FEW, n_columns), np.arange(FEW) % 2)
    return algorithm.fit(table, algorithm.Hyperparameters()), table


def _evaluated(tree: Any, rows: Table) -> Run:
    return partial(algorithm.evaluate, tree, rows)


def _evaluated_in_batches(tree: Any, rows: Table) -> Run:
    return partial(algorithm.evaluate_dataset, tree, _dataset(rows))


def _saved(directory: Path, tree: Any, rows: Table, n_rows: int | None = None) -> Run:
    return lambda: save(tree, directory, rows.features[:n_rows], {})


def _loaded(directory: Path, tree: Any, rows: Table) -> Run:
    save(tree, directory, rows.features, {})
    return lambda: model.load(directory)


def _wide_dataset(n_columns: int) -> Dataset:
    return _dataset(Table(matrix(64, n_columns), np.arange(64) % 2))


def _decoded(body: bytes | str, subtype: str, n_features: int, *, names: bool = False) -> Run:
    content = body.encode() if isinstance(body, str) else body
    expected = Expected(n_features, names_of(n_features) if names else None)
    return lambda: decoding.decode(content, subtype, expected, mark_bad=True)


def _encoded(n_classes: int, subtype: str, output: str) -> Run:
    shares = np.full((FEW, n_classes), 1 / n_classes, np.float32)
    predictions = Predictions(np.arange(FEW), shares)
    form = ResponseFormat(subtype, (output,))
    return lambda: Encoder([f"class {n}" for n in range(n_classes)]).encode(predictions, form)


def _parsed(**given: object) -> Run:
    texts = {name: json.dumps(value) for name, value in given.items()}
    return lambda: loader.parse(texts, algorithm.Hyperparameters)


_PARQUET = "application/vnd.apache.parquet"
_RECORDIO = "application/x-recordio-protobuf"

PHASES: Mapping[str, Phase] = {
    "files, half of them empty, found": lambda n, d: partial(
        channels.find, Paths(write_channel(d, ("1,2\n" * (i % 2) for i in range(n))))
    ),
    "files of one row and one class each, read": lambda n, d: _read(
        write_channel(d, (f"c{i}x,1,2\n" for i in range(n)))
    ),
    "files of code, copied": lambda n, d: _copied(write_channel(d / "code", [""] * n), d),
    "columns of CSV with names, read": lambda n, d: _read(
        write_channel(d, [as_csv(matrix(FEW, n), names=True, labels="c{}")])
    ),
    "columns of CSV in quotes, read": lambda n, d: _read(
        write_channel(d, [as_csv(matrix(FEW, n), labels="c{}", quote='"')])
    ),
    "columns of Parquet, read": lambda n, d: _read(
        write_channel(d, [as_parquet(matrix(FEW, n), labels=True)], ".parquet")
    ),
    "columns of libsvm, read": lambda n, d: _read(
        write_channel(d, [as_libsvm(matrix(FEW, n))], ".libsvm")
    ),
    "columns of RecordIO, read": lambda n, d: _read(
        write_channel(d, [as_recordio(matrix(FEW, n))], ".rec")
    ),
    "rows of CSV, read": lambda n, d: _read(
        write_channel(d, [as_csv(matrix(n, FEW), labels="0.5")])
    ),
    "rows of CSV in quotes, read": lambda n, d: _read(
        write_channel(d, [as_csv(matrix(n, FEW), labels="0.5", quote='"')])
    ),
    "rows of libsvm, read": lambda n, d: _read(
        write_channel(d, [as_libsvm(matrix(n, FEW))], ".libsvm")
    ),
    "rows of RecordIO, read": lambda n, d: _read(
        write_channel(d, [as_recordio(matrix(n, FEW))], ".rec")
    ),
    "row groups of Parquet, read": lambda n, d: _read(
        write_channel(d, [as_parquet(matrix(n, FEW), labels=True, groups=1)], ".parquet")
    ),
    "classes, read": lambda n, d: _read(write_channel(d, [as_csv(matrix(n, 9), labels="c{}x")])),
    "classes, read as a dataset": lambda n, d: _read_twice(
        write_channel(d, [as_csv(matrix(n, 9), labels="c{}x")])
    ),
    "classes, evaluated": lambda n, _: _evaluated(*_with_classes(n)),
    "classes, evaluated in batches": lambda n, _: _evaluated_in_batches(*_with_classes(n)),
    # Saving compares the probability of each class for each row.
    "classes, saved with 64 rows": lambda n, d: _saved(d, *_with_classes(n), n_rows=64),
    "classes in a response of labels": lambda n, _: _encoded(n, "application/json", "labels"),
    "classes in JSON": lambda n, _: _encoded(n, "application/json", "probabilities"),
    "classes in CSV": lambda n, _: _encoded(n, "text/csv", "probabilities"),
    "leaves, fitted": lambda n, _: partial(_grown, n),
    "leaves, evaluated": lambda n, _: _evaluated(*_grown(n)),
    "leaves, evaluated in batches": lambda n, _: _evaluated_in_batches(*_grown(n)),
    "leaves, saved": lambda n, d: _saved(d, *_grown(n)),
    "leaves, loaded": lambda n, d: _loaded(d, *_grown(n)),
    "columns, saved": lambda n, d: _saved(d, *_with_columns(n)),
    "columns, sampled": lambda n, _: partial(_wide_dataset(n).sample, 64),
    "columns, binned": lambda n, _: partial(quantiles.reference, _wide_dataset(n), 256),
    "items of a hyperparameter": lambda n, _: _parsed(monotonic_cst=[0] * n),
    "classes with weights": lambda n, _: _parsed(class_weight={str(i): 1 for i in range(n)}),
    "columns of CSV": lambda n, _: _decoded(as_csv(matrix(FEW, n)), "text/csv", n),
    "columns of CSV in quotes": lambda n, _: _decoded(
        as_csv(matrix(FEW, n), quote='"'), "text/csv", n
    ),
    "columns of CSV by name": lambda n, _: _decoded(
        as_csv(matrix(FEW, n), names=True), "text/csv", n, names=True
    ),
    "columns of JSON": lambda n, _: _decoded(
        json.dumps(matrix(FEW, n).tolist()), "application/json", n
    ),
    "columns of JSON by name": lambda n, _: _decoded(
        as_json(matrix(FEW, n), by="name"), "application/json", n, names=True
    ),
    "columns of JSON with split names": lambda n, _: _decoded(
        as_json(matrix(FEW, n), by="split"), "application/json", n, names=True
    ),
    "columns of libsvm": lambda n, _: _decoded(as_libsvm(matrix(FEW, n)), "text/libsvm", n),
    "columns of RecordIO": lambda n, _: _decoded(as_recordio(matrix(FEW, n)), _RECORDIO, n),
    "columns of Parquet": lambda n, _: _decoded(as_parquet(matrix(FEW, n)), _PARQUET, n),
    "columns of Parquet by name": lambda n, _: _decoded(
        as_parquet(matrix(FEW, n)[:, ::-1]), _PARQUET, n, names=True
    ),
    "row groups of Parquet": lambda n, _: _decoded(
        as_parquet(matrix(n, FEW), groups=1), _PARQUET, FEW
    ),
    "rows of CSV, half of them bad": lambda n, _: _decoded("1,2\nx\n" * (n // 2), "text/csv", 2),
    "rows of JSON Lines, half of them bad": lambda n, _: _decoded(
        "[1,2]\n[]\n" * (n // 2), "application/jsonlines", 2
    ),
    "rows of libsvm, half of them bad": lambda n, _: _decoded(
        "1:1 2:2\nx\n" * (n // 2), "text/libsvm", 2
    ),
    "rows of RecordIO": lambda n, _: _decoded(as_recordio(matrix(n, FEW)), _RECORDIO, FEW),
}


def seconds(phase: Phase, size: int) -> float:
    """Return the CPU seconds of a phase: the least of a few rounds."""
    with tempfile.TemporaryDirectory() as directory:
        run = phase(size, Path(directory))
        found: list[float] = []
        while len(found) < ROUNDS and sum(found) < ENOUGH_SECONDS:
            start = time.process_time()
            run()
            found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    """Time the phase that the arguments name, and print the seconds."""
    result: list[str] | list[float] = list(PHASES)
    if sys.argv[1] != "--list":
        phase, sizes = PHASES[sys.argv[1]], [int(size) for size in sys.argv[2:]]
        seconds(phase, min(sizes) // 10)  # imports what the phase needs
        result = [seconds(phase, size) for size in sizes]
    sys.stdout.write("\n" + json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
