"""Docker engine for tests: builds images with the repository's script, and removes containers."""

import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.material import ROOT, OptMl
from support.processes import Ended, Endpoint

BUILD_UNAVAILABLE = 69


def run(*command: str | Path, check: bool = True) -> str:
    """Run a command and return its output; with `check`, fail if it fails."""
    ended = _ended(*command)
    assert not check or ended.code == 0, f"{command}: {ended.log}"
    return ended.log


def _ended(*command: str | Path) -> Ended:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Ended(done.returncode, done.stdout)


def engine_answers() -> bool:
    """Return whether a Docker engine is available."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def build(image: str, target: str) -> Ended:
    """Build an image with build_and_push.sh."""
    return _ended(ROOT / "build_and_push.sh", "--build-only", image, "--target", target)


@dataclass
class Container(Endpoint):
    """Running container."""

    name: str

    def execute(self, *command: str) -> str:
        """Run a command in the container."""
        return run("docker", "exec", self.name, *command)

    def kill(self, pid: int, signal_name: str) -> None:
        """Send a signal to a process in the container."""
        self.execute("python3", "-c", f"import os, signal; os.kill({pid}, signal.{signal_name})")

    def processes(self) -> list[tuple[int, int, str]]:
        """Return (pid, uid, command line) of every process in the container, except this query."""
        lines = self.execute("python3", "-c", _PROCESSES).splitlines()
        return [(int(pid), int(uid), line) for pid, uid, line in (x.split("|", 2) for x in lines)]

    def ended(self) -> Ended:
        """Wait until it exits."""
        code = int(run("docker", "wait", self.name))
        return Ended(code, run("docker", "logs", self.name))

    def stop(self, grace_seconds: int) -> Ended:
        """Stop it as the platform does: SIGTERM, and SIGKILL (exit code 137) after the timeout."""
        run("docker", "stop", "--time", str(grace_seconds), self.name)
        return self.ended()


_PROCESSES = """
import os, pathlib
for entry in pathlib.Path("/proc").iterdir():
    if entry.name.isdigit() and int(entry.name) != os.getpid():
        command = (entry / "cmdline").read_bytes().replace(bytes(1), b" ").decode()
        print(entry.name, entry.stat().st_uid, command, sep="|")
"""


@dataclass(frozen=True)
class Engine:
    """Docker engine that keeps a list of its containers."""

    started: list[str] = field(default_factory=list)

    def start(
        self,
        image: str,
        command: Sequence[str],
        mounts: Mapping[Path, str] | None = None,
        options: Sequence[str] = (),
    ) -> Container:
        """Start a container in the background; `mounts` maps paths on the machine to its own."""
        name = f"test-{uuid.uuid4().hex}"
        binds = [
            f"--mount=type=bind,source={source},target={target}"
            for source, target in (mounts or {}).items()
        ]
        self.started.append(name)
        run("docker", "run", "--detach", "--name", name, *binds, *options, image, *command)
        return Container(0, name)

    def train(self, image: str, opt_ml: OptMl, options: Sequence[str] = ()) -> Ended:
        """Run `train` until it exits, as the user who runs the tests."""
        opt_ml.base.mkdir(parents=True, exist_ok=True)
        user = f"--user={os.getuid()}:{os.getgid()}"
        return self.start(image, ["train"], {opt_ml.base: "/opt/ml"}, [user, *options]).ended()

    def serve(self, image: str, model: Path, options: Sequence[str] = ()) -> Container:
        """Start `serve` with its port published on loopback."""
        container = self.start(
            image,
            ["serve"],
            {model: "/opt/ml/model,readonly"},
            ["--publish=127.0.0.1::8080", *options],
        )
        published = run("docker", "port", container.name, "8080/tcp").split(":")[-1]
        return Container(int(published), container.name)

    def remove_all(self) -> None:
        """Remove all containers that were started."""
        for name in self.started:
            run("docker", "rm", "--force", name, check=False)
