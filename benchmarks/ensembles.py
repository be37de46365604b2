"""Compare forests as ONNX with scikit-learn: seconds for a batch, and for writing large models.

usage: python -m benchmarks.ensembles [--rows N] [--threads N]

Each figure is the median of several runs, which alternate. Below 1, the ratio says that ONNX takes
less time than scikit-learn on the same cores.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

N_FEATURES = 28
N_TREES = 100
N_RUNS = 7
MANY_NODES = 1_000_000


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def write(line: str) -> None:
    """Write a line of the report at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def forest(n_rows: int, threads: int, **options: Any) -> Any:
    """Return a forest that has learnt noisy labels."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    labels = rows[:, 0] + random.normal(size=n_rows) > 0
    return RandomForestClassifier(N_TREES, n_jobs=threads, random_state=0, **options).fit(
        rows, labels
    )


def main(arguments: list[str]) -> None:
    """Entry point; print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    sys.path.insert(0, str(Path(__file__).parents[1] / "decision_trees"))
    from artifact import export, onnx_file
    from artifact.session import of_graph

    batch = np.random.default_rng(1).normal(size=(chosen.rows, N_FEATURES)).astype(np.float32)
    for depth in (6, 12, None):
        oracle = forest(20_000, chosen.threads, max_depth=depth)
        session = of_graph(export.to_onnx(oracle, N_FEATURES), chosen.threads)
        works = (
            lambda session=session: session.run(None, {"features": batch}),
            lambda oracle=oracle: oracle.predict_proba(batch),
        )
        runs = [[seconds(work) for work in works] for _ in range(N_RUNS)]
        ours, theirs = (statistics.median(column) for column in zip(*runs, strict=True))
        write(
            f"{N_TREES} trees of depth {depth}, {chosen.rows} rows, {chosen.threads} threads: "
            f"{ours:.3f} s, scikit-learn {theirs:.3f} s, ratio {ours / theirs:.2f}"
        )
    large = forest(MANY_NODES // N_TREES * 4, 1)
    n_nodes = sum(tree.tree_.node_count for tree in large.estimators_)
    write(f"writing {n_nodes} nodes: {seconds(lambda: export.to_onnx(large, N_FEATURES)):.1f} s")
    graph = export.to_onnx(large, N_FEATURES)
    write(f"checking them at load: {seconds(lambda: onnx_file.check(graph, None)):.1f} s")
    write(f"loading them: {seconds(lambda: of_graph(graph, 1)):.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
