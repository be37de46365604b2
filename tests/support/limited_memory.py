"""Answer amplifying bodies with little memory; a child process of the tests runs this program.

usage: python -m support.limited_memory CONTENT_TYPE SEED N_EXAMPLES

It prints a line for each body that needs too much memory.
"""

import re
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from container.errors import UserError
from container.payloads import Expected, Invocation, Predictions, Settings, TabularService
from container.resources import give_memory_back
from support.amplifying import binaries, repeated

N_BYTES = 3_000_000
FREE_BYTES = 64 * 2**20
FACTOR = 12
REQUEST_BYTES = 64 * 2**20

_BINARY = ("application/x-npy", "application/x-recordio-protobuf")
_ACCEPTED = ("text/csv", "application/json", "application/jsonlines", *_BINARY)
_OUTPUTS = ("predicted_label", "probabilities", "labels", "probability+probabilities")
_BAD_RECORDS = ("fail", "mark")
_MODELS: tuple[tuple[int, list[Any]], ...] = (
    (4, ["a", "b", "c"]),
    (1, [f"label {i}" for i in range(1000)]),
    (1000, [0, 1]),
)


class Uniform(TabularService[int]):
    """A model whose labels are equally likely."""

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Return the first model."""
        return cls(0, settings, Expected(4), _MODELS[0][1])

    def predict(self, features: NDArray[np.float32], _outputs: Sequence[str]) -> Predictions:
        """Return the first label for each row."""
        shape = (len(features), len(self.labels))
        probabilities = np.full(shape, 1 / len(self.labels), dtype=np.float32)
        return Predictions(np.zeros(len(features), dtype=np.intp), probabilities)


def main(content_type: str, seed: str, n_examples: str) -> None:
    """Answer bodies under a limit of the address space; print a line for each that needs more."""
    chance = Random(seed)  # noqa: S311 - nothing here is a secret
    services = [_service(width, labels, bad) for width, labels in _MODELS for bad in _BAD_RECORDS]
    for service, width in zip(services, (4, 4, 1, 1, 1000, 1000), strict=True):
        for accept in _ACCEPTED:  # libraries are loaded, and caches are filled
            service.answer(Invocation(b",".join([b"1"] * width), "text/csv", accept))
    for body in _bodies(content_type, chance, int(n_examples)):
        for service in chance.sample(services, 2):
            accept = f"{chance.choice(_ACCEPTED)};output={chance.choice(_OUTPUTS)}"
            _answer(service, Invocation(body, content_type, accept))


def _service(n_features: int, labels: list[Any], bad_records: str) -> Uniform:
    settings = Settings.from_environ({"BAD_RECORDS": bad_records})
    settings = replace(settings, request_bytes=REQUEST_BYTES)
    return Uniform(n_features, settings, Expected(n_features), labels)


def _bodies(content_type: str, chance: Random, n_examples: int) -> Iterator[bytes]:
    if content_type.startswith("text") or "json" in content_type:
        for _ in range(n_examples):
            yield repeated(content_type, chance, N_BYTES)
    else:
        yield from binaries(content_type, N_BYTES)


def _answer(service: Uniform, invocation: Invocation) -> None:
    """Print a line if the memory for an answer is more than a multiple of its table."""
    give_memory_back()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = _status("VmRSS")
    most = _status("VmSize") + FREE_BYTES + FACTOR * REQUEST_BYTES // 4
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    problem, n_rows = "", 0
    try:
        n_rows = service.answer(invocation).n_rows
    except UserError as error:
        answered = re.match(r"The response to (\d+) rows", str(error))
        n_rows = int(answered[1]) if answered else 0
    except MemoryError:
        problem = "out of memory"
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    used = _status("VmHWM") - before
    if problem or used > FREE_BYTES + FACTOR * 4 * n_rows * service.model:
        place = f"{n_rows} rows of {service.model}, {used} bytes {problem}"
        sys.stdout.write(f"{place}: {invocation.accept}: {invocation.body[:80]!r}\n")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
