"""What `selftest` does: a tiny job from training to a stop, by the programs that the image runs.

Each check is one line. The first that fails is the last: it says why, the end of the log follows,
and the exit code is 1. Everything is written to a temporary directory, which goes in the end.
"""

import http.client
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from types import FrameType

from container import signals
from container.errors import EXIT_STOPPED, ContainerError, PlatformError
from container.paths import PROGRAM_DIR, environment
from container.selftest.sandbox import N_ROWS, STOP_SECONDS, Failure, Process, Sandbox, make, stop
from container.serving import commands
from container.settings import Settings

EXIT_FAILED = 1
USAGE = "usage: selftest\n"

_NO_TRAIN = "there is no train in this image"


class Skipped(PlatformError):
    """A check cannot be made in this image; the message says why."""


def main(arguments: list[str]) -> int:
    """Be the program `selftest`; return 0 when nothing has failed, else EXIT_FAILED."""
    if arguments:
        sys.stderr.write(USAGE)
        return os.EX_USAGE
    for number in signals.STOP:
        signal.signal(number, _interrupt)  # without a handler, process 1 would hear neither
    try:
        with tempfile.TemporaryDirectory(prefix="selftest-") as name:
            Path(name).chmod(0o755)  # for workers that are another user
            with closing(Sandbox(Path(name), environment())) as trial:
                return _run(trial)
    except KeyboardInterrupt:
        return EXIT_STOPPED
    except OSError as error:
        _say("FAILED", "directory", f"{error}; mount a directory to write to at /tmp.")
        return EXIT_FAILED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Interrupt the checks, and nothing else: what they have started is then stopped in peace."""
    for number in signals.STOP:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(trial: Sandbox) -> int:
    """Make the checks in their order; return the exit code."""
    checks = Checks(trial)
    for name in Checks.NAMES:
        if not _passes(name, checks):
            return EXIT_FAILED
    return 0


def _passes(name: str, checks: "Checks") -> bool:
    try:
        _say("ok", name, getattr(checks, name)())
    except Skipped as reason:
        _say("skipped", name, str(reason))
    except (ContainerError, OSError, http.client.HTTPException) as error:
        checks.trial.end()  # so that the log is whole
        _say("FAILED", name, str(error) or repr(error))
        sys.stdout.write(checks.trial.excerpt())
        return False
    return True


def _say(result: str, name: str, words: str) -> None:
    sys.stdout.write(f"{result:<9}{name:<13}{words}\n")
    sys.stdout.flush()


class Checks:
    """What is checked; each method returns what there is to say, or raises why it fails."""

    NAMES = ("programs", "nginx", "algorithm", "training", "serving", "invocations", "stop")

    def __init__(self, trial: Sandbox) -> None:
        self.trial = trial
        self._train: str | None = None
        self._serve = "serve"
        self._sample = make("classification")
        self._server: Process | None = None

    def programs(self) -> str:
        """Find both programs as `docker run IMAGE train` does; an image may lack train."""
        self._train = self.trial.find("train")
        serve = self.trial.find("serve")
        if serve is None:
            raise Failure(f"There is no serve in {PROGRAM_DIR}; copy it there.")
        self._serve = serve
        return f"{serve}, {self._train or 'and no train: this image only serves'}"

    def nginx(self) -> str:
        """Let nginx read its configuration, filled in as `serve` does."""
        settings = Settings.from_environ(self.trial.environ)
        found = shutil.which("nginx", path=self.trial.environ.get("PATH"))
        if found is None:
            raise Failure("nginx is not on PATH; install it in the image.")
        # Where `serve` has it: deeper, the path of its socket could be longer than a socket takes.
        with tempfile.TemporaryDirectory(prefix="serve-") as name:
            runtime = Path(name)
            commands.write_nginx_conf(settings, runtime)
            code = self.trial.run([*commands.nginx_command(runtime), "-t"])
        if code:
            raise Failure(f"nginx refuses nginx.conf, exit code {code}; see the lines below.")
        return f"{found} accepts nginx.conf"

    def algorithm(self) -> str:
        """Ask train for its hyperparameters, and make rows for the task that is its default."""
        if self._train is None:
            raise Skipped(_NO_TRAIN)
        file = self.trial.base.with_name("schema.json")
        code = self.trial.run([self._train, "--schema"], file)
        if code:
            raise Failure(f"train --schema ended with exit code {code}; correct algorithm.py.")
        try:
            defaults = {d["Name"]: d.get("DefaultValue") for d in json.loads(file.read_bytes())}
        except ValueError as error:
            raise Failure(
                f"train --schema prints no JSON ({error}); keep train as it is."
            ) from error
        self._sample = make(defaults.get("task") or "classification")
        return f"{len(defaults)} hyperparameters, by default {self._sample.task}"

    def training(self) -> str:
        """Train on the rows with the default of every hyperparameter."""
        if self._train is None:
            raise Skipped(f"{_NO_TRAIN}, so there is no model")
        data, model = self.trial.base / "input/data/training", self.trial.base / "model"
        data.mkdir(parents=True)
        (data / "rows.csv").write_text(self._sample.training_csv(), encoding="utf-8")
        start = time.monotonic()
        code = self.trial.run([self._train])
        if code:
            raise Failure(f"train ended with exit code {code}: {self._reason()}")
        if not model.is_dir() or not any(model.iterdir()):
            raise Failure("train left no file in the model directory; let save write the model.")
        return f"{N_ROWS} rows, {_since(start)}"

    def serving(self) -> str:
        """Start the server; /ping is 200, or 503 with the reason where there is no model."""
        start = time.monotonic()
        self.trial.base.mkdir(exist_ok=True)
        self._server = self.trial.start([self._serve])
        if self._train is None:
            self.trial.await_ping(
                self._server, HTTPStatus.SERVICE_UNAVAILABLE, '"error": "ModelNotReady"'
            )
            return f"/ping is 503 and says that there is no model, {_since(start)}"
        self.trial.await_ping(self._server, HTTPStatus.OK, "")
        return f"/ping is 200, {_since(start)}"

    def invocations(self) -> str:
        """Send each training row by itself, and all of them at once: the answers are the same."""
        if self._train is None:
            raise Skipped(f"{_NO_TRAIN}, so there is no model to ask")
        lines = self._sample.lines()
        start = time.monotonic()
        single = [self._answers([line])[0] for line in lines]
        together = self._answers(lines)
        for number, (alone, among) in enumerate(zip(single, together, strict=True), 1):
            if alone != among:
                raise Failure(f"Row {number} gets {alone!r} by itself and {among!r} among others.")
        return f"{len(lines)} of one row and 1 of {len(lines)}, {_since(start)}"

    def stop(self) -> str:
        """Stop the server as the platform does."""
        start = time.monotonic()
        if self._server is None or self._server.poll() is not None:
            raise Failure("serve has ended before it was told to; see the log below.")
        code = stop(self._server)
        if code is None:
            raise Failure(f"serve did not end within {STOP_SECONDS:g} s after SIGTERM.")
        if code:
            raise Failure(f"serve ended with exit code {code} after SIGTERM; it must be 0.")
        return f"exit code 0 after SIGTERM, {_since(start)}"

    def _answers(self, lines: list[str]) -> list[str]:
        """Return the answer to each row; raises Failure when one is no answer."""
        output = "predicted_score" if self._sample.task == "regression" else "predicted_label"
        body = "".join(f"{line}\n" for line in lines)
        status, text = self.trial.request("/invocations", body, f"text/csv;output={output}")
        if status != HTTPStatus.OK:
            raise Failure(f"/invocations gives {status} for training rows: {text}")
        answers = text.splitlines()
        if len(answers) != len(lines):
            raise Failure(f"/invocations gives {len(answers)} answers to {len(lines)} rows.")
        for answer in answers:
            if not self._sample.is_answer(answer):
                raise Failure(f"/invocations gives {answer!r}, which is no {output}.")
        return answers

    def _reason(self) -> str:
        file = self.trial.base / "output/failure"
        return file.read_text(encoding="utf-8") if file.exists() else "it gave no reason."


def _since(start: float) -> str:
    return f"{time.monotonic() - start:.1f} s"
