"""Damaged artifacts: changes of bytes with the checksums made right again, and what follows."""

import hashlib
import json
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import model
from artifact.metadata import ArtifactError
from artifact.model import Model
from support.processes import python

HANG_SECONDS = 60
N_REGIONS = 40
"""Number of regions into which each file is divided; each is changed in several ways."""


def replace(directory: Path, name: str, content: bytes) -> None:
    """Replace a file of an artifact, and its checksum in model.json."""
    (directory / name).write_bytes(content)
    field = {"model.onnx": "sha256", "tree.npy": "tree_sha256"}.get(name)
    if field is not None:
        change_record(directory, **{field: hashlib.sha256(content).hexdigest()})


def change_record(directory: Path, **values: Any) -> None:
    """Give fields of model.json other values."""
    file = directory / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def changes(content: bytes, chance: random.Random) -> Iterator[bytes]:
    """Yield a content with each of its regions changed in several ways."""
    size = max(1, len(content) // N_REGIONS)
    for start in range(0, len(content), size):
        at = chance.randrange(start, min(start + size, len(content)))
        end = chance.choice([at + 1, at + 4, at + 8, start + size])
        found = content[at:end]
        flipped = bytes([content[at] ^ (1 << chance.randrange(8))])
        yield content[:at] + flipped + content[at + 1 :]
        yield content[:at] + chance.choice([b"\0", b"\xff", b"9"]) * len(found) + content[end:]
        yield content[:at] + chance.randbytes(len(found)) + content[end:]
        yield content[:at] + content[end:]
        yield content[:at] + found + content[at:]
        yield content[:at]


def outcome(directory: Path, rows: NDArray[np.float32], expected: Model) -> str:
    """Return "refused" or "ready"; fail if a damaged artifact has answers that cannot be right."""
    try:
        loaded = model.load(directory)
    except ArtifactError:
        return "refused"
    answers = loaded.answers(rows)
    if loaded.tree is not None:
        assert loaded.predict_row is not None
        one_by_one = [loaded.predict_row(row) for row in rows.tolist()]
        assert one_by_one == answers.tolist() == expected.answers(rows).tolist()
    if loaded.record.labels:
        assert set(answers.tolist()) <= set(range(len(loaded.record.labels)))
    return "ready"


def outcomes_of(original: Path, seed: int, seconds: float) -> Counter[str]:
    """Change each region of each file, at least once and until the time is over.

    A crash or a hang ends the process.
    """
    expected = model.load(original)
    n_features = expected.record.n_features
    rows = np.random.default_rng(seed).normal(3, 3, (200, n_features)).astype(np.float32)
    outcomes, begun = Counter[str](), time.monotonic()
    chance = random.Random(seed)  # noqa: S311 - reproducible
    with tempfile.TemporaryDirectory() as name:
        damaged = Path(name) / "model"
        while not outcomes or time.monotonic() - begun < seconds:
            for file in sorted(original.iterdir()):
                for content in changes(file.read_bytes(), chance):
                    shutil.rmtree(damaged, ignore_errors=True)
                    shutil.copytree(original, damaged)
                    replace(damaged, file.name, content)
                    signal.alarm(HANG_SECONDS)
                    outcomes[f"{file.name} {outcome(damaged, rows, expected)}"] += 1
                    signal.alarm(0)
    return outcomes


def outcomes_apart(original: Path, seed: int, seconds: float) -> str:
    """Return the outcomes, as text, of a process of its own; fail if it crashes or hangs."""
    ended = python(
        f"import sys; sys.path.append({str(Path(__file__).parents[1])!r})\n"
        "from pathlib import Path\n"
        "from support.damage import outcomes_of\n"
        f"print(outcomes_of(Path({str(original)!r}), {seed}, {seconds}))\n"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout
