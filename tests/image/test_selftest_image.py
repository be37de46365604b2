"""`docker run IMAGE selftest` with different users, networks and file systems."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from container.selftest.checks import EXIT_FAILED, Checks
from support.containers import Engine
from support.material import PROGRAM_DIR, soak_only

Images = Mapping[str, str]

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(
    "options",
    [
        [],
        soak_only(["--network=none"]),
        soak_only(["--user=12345:12345", "--cap-drop=ALL"]),
        soak_only(["--user=0:0", "--cap-drop=ALL"]),
        soak_only(["--read-only", "--tmpfs=/tmp", "--network=none"]),
        ["--user=12345:12345", "--read-only", "--tmpfs=/tmp"],
    ],
)
def test_selftest_passes_in_the_image(engine: Engine, images: Images, options: list[str]) -> None:
    """The selftest needs no network, no known user, and no writable directory except /tmp."""
    ended = engine.start(images["full"], ["selftest"], options=options).ended()

    assert ended.code == 0, ended.log
    words = [line.split()[:2] for line in ended.log.splitlines()]
    assert words == [["ok", name] for name in Checks.NAMES]
    assert "/opt/program/serve, /opt/program/train" in ended.log


def test_selftest_of_the_inference_image_skips_checks(engine: Engine, images: Images) -> None:
    """Without the program train, checks that need a model are skipped, and the others pass."""
    ended = engine.start(images["inference"], ["selftest"]).ended()

    assert ended.code == 0, ended.log
    results = dict(line.split()[1::-1] for line in ended.log.splitlines())
    skipped = {"algorithm", "training", "invocations"}
    assert results == {name: "skipped" if name in skipped else "ok" for name in Checks.NAMES}


def test_selftest_fails_in_a_broken_image(engine: Engine, images: Images, tmp_path: Path) -> None:
    """`docker run` fails, and the report names the missing package."""
    broken = tmp_path / "algorithm.py"
    source = (PROGRAM_DIR / "algorithm.py").read_text(encoding="utf-8")
    broken.write_text("import no_such_package\n" + source, encoding="utf-8")

    ended = engine.start(
        images["full"], ["selftest"], {broken: "/opt/program/algorithm.py,readonly"}
    ).ended()

    assert ended.code == EXIT_FAILED
    assert "FAILED   algorithm" in ended.log
    assert "No module named 'no_such_package'" in ended.log


def test_selftest_needs_a_writable_directory(engine: Engine, images: Images) -> None:
    """Without a writable directory the report says what to mount."""
    ended = engine.start(
        images["full"], ["selftest"], options=["--read-only", "--shm-size=64k"]
    ).ended()

    assert ended.code == EXIT_FAILED, ended.log
    assert "mount a writable directory at /tmp." in ended.log
