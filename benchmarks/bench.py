"""State of a benchmark run: directory, number of rounds, stacks, request bodies and results."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import CLASSIC, OURS, Results
from benchmarks.request_bodies import Bodies
from benchmarks.stacks import ROOT, Stack, StackServer, make_stacks, running

IRIS = ROOT / "local_test/test_dir/input/data/training/leaf_train.csv"
WORKERS = 2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Effort:
    """Number of rounds and length of the measurements."""

    rounds: int
    goal_rounds: int
    """Number of rounds of short measurements that have a goal."""

    few_rounds: int
    """Number of rounds of measurements that take long."""

    seconds: int
    """Duration of a load of large bodies."""


FULL = Effort(rounds=5, goal_rounds=11, few_rounds=3, seconds=4)
QUICK = Effort(rounds=2, goal_rounds=5, few_rounds=1, seconds=3)


@dataclass
class Bench:
    """State of a run."""

    scratch: Path
    effort: Effort
    results: Results
    stacks: dict[str, Stack]
    bodies: Bodies
    images: str | None
    """Prefix of the names of the images; None without Docker."""

    @classmethod
    def make(cls, scratch: Path, effort: Effort, results: Results, images: str | None) -> "Bench":
        """Prepare a run in an empty directory."""
        (scratch / "bodies").mkdir()
        return cls(
            scratch, effort, results, make_stacks(scratch), Bodies(scratch / "bodies"), images
        )

    def base(self, name: str) -> Path:
        """Return an /opt/ml directory with a model of the Iris table, trained by this stack."""
        trainer = CLASSIC if name == CLASSIC else OURS
        base = self.scratch / f"iris-{trainer}"
        if not base.exists():
            make_base(base, {"random_state": 0})
            shutil.copy(IRIS, base / "input/data/training/iris.csv")
            self.stacks[trainer].train(base)
        return base

    @contextmanager
    def all_running(self, *names: str, workers: int = WORKERS) -> Iterator[dict[str, StackServer]]:
        """Run some stacks at the same time."""
        with ExitStack() as exits:
            yield {
                name: exits.enter_context(running(self.stacks[name], self.base(name), workers))
                for name in names
            }


def make_base(base: Path, hyperparameters: Mapping[str, object]) -> None:
    """Make an /opt/ml directory for a training job, without data."""
    (base / "input/config").mkdir(parents=True)
    (base / "input/data/training").mkdir(parents=True)
    texts = {name: str(value) for name, value in hyperparameters.items()}
    file = base / "input/config/hyperparameters.json"
    file.write_text(json.dumps(texts), encoding="ascii")


def interleaved(names: tuple[str, ...], n_rounds: int) -> Iterator[str]:
    """Yield each name once per round; each round begins with the next name, for fairness."""
    for number in range(n_rounds):
        first = number % len(names)
        yield from names[first:] + names[:first]


def announce(what: str) -> None:
    """Log what is measured next."""
    logger.info("%s", what)
