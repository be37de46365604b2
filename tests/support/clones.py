"""Copy of the repository for tests of its scripts, and fake programs that record their calls."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.material import ROOT
from support.processes import DEADLINE_SECONDS, end, launch

_TOOLS = (
    "basename bash cat chmod cmp cp curl cut dirname env grep id ln mkdir mktemp paste rm sed "
    "sleep tail tee touch wc"
)
_NOT_COPIED = ("__pycache__", "model", "output", "own_dir")


@dataclass(frozen=True)
class ScriptResult:
    """Exit code and output of a script."""

    code: int
    out: str
    err: str


class Fake:
    """Fake program that records its arguments and then runs `body` in bash."""

    def __init__(self, directory: Path, name: str, body: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.path = directory / name
        self._record = directory / f"{name}.calls"
        record = (
            f"{{ printf '%s\\037' \"$@\"; printf '\\036'; }} >>{shlex.quote(str(self._record))}"
        )
        self.path.write_text(f"#!/usr/bin/env bash\n{record}\n{body}\n", encoding="utf-8")
        self.path.chmod(0o755)

    def calls(self) -> list[list[str]]:
        """Return the arguments of all calls in order."""
        if not self._record.exists():
            return []
        records = self._record.read_text(encoding="utf-8").split("\036")[:-1]
        return [record.split("\037")[:-1] for record in records]

    def call(self, *first: str) -> list[str]:
        """Return the only call that begins with these words."""
        found = [call for call in self.calls() if call[: len(first)] == list(first)]
        assert len(found) == 1, self.calls()
        return found[0]


class Clone:
    """Copy of the scripts and the program, in a directory whose path contains a space."""

    def __init__(self, parent: Path) -> None:
        self.root = parent / "a clone"
        self.local_test = self.root / "local_test"
        self.test_dir = self.local_test / "test_dir"
        self._parent = parent
        for name in ("decision_trees", "examples", "local_test"):
            shutil.copytree(ROOT / name, self.root / name, ignore=_leave_out)
        for name in ("build_and_push.sh", "Dockerfile", ".dockerignore"):
            shutil.copy2(ROOT / name, self.root)
        self.tools = parent / "tools"
        self.tools.mkdir()
        self.provide(*_TOOLS.split())

    def provide(self, *programs: str) -> None:
        """Make programs of this machine available to the scripts, which find no others."""
        for program in programs:
            if (found := shutil.which(program)) is not None:
                (self.tools / program).symlink_to(found)

    def run(
        self,
        script: str,
        *arguments: str | Path,
        fakes: Sequence[Fake] = (),
        **variables: str,
    ) -> ScriptResult:
        """Run a script of this copy until it exits."""
        with self.running(script, *arguments, fakes=fakes, **variables) as process:
            out, err = process.communicate(timeout=DEADLINE_SECONDS)
        return ScriptResult(process.returncode, out, err)

    def run_commands(
        self, commands: str, *, fakes: Sequence[Fake] = (), **variables: str
    ) -> ScriptResult:
        """Run commands in the root of this copy, as a user types them, until one fails."""
        script = self.root / "typed.sh"
        header = '#!/usr/bin/env bash\nset -e\ncd -- "$(dirname -- "$0")"\n'
        script.write_text(header + commands, encoding="utf-8")
        script.chmod(0o755)
        return self.run(script.name, fakes=fakes, **variables)

    @contextmanager
    def running(
        self,
        script: str,
        *arguments: str | Path,
        fakes: Sequence[Fake] = (),
        **variables: str,
    ) -> Iterator[subprocess.Popen[str]]:
        """Run a script of this copy in its own process group, and stop it at the end.

        It is called by a relative path from another directory.
        """
        path = [*(str(fake.directory) for fake in fakes), str(self.tools)]
        process = launch(
            [(self.root / script).relative_to(self._parent), *arguments],
            cwd=self._parent,
            env={"PATH": ":".join(path), "HOME": str(self._parent)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            end(process)


def with_environment(parent: Path) -> Clone:
    """Return a clone with the virtual environment of these tests; prepare.sh keeps it."""
    clone = Clone(parent)
    venv = clone.root / ".venv"
    venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    shutil.copy(clone.root / "decision_trees/requirements/train.txt", venv / "train.installed")
    clone.provide("nginx")
    return clone


def _leave_out(directory: str, names: list[str]) -> list[str]:
    """Return the files that programs generate."""
    made_here = Path(directory).name in {"local_test", "test_dir", "decision_trees"}
    return [name for name in names if name in _NOT_COPIED and (made_here or name == "__pycache__")]
