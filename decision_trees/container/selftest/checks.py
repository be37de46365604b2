"""Checks of `selftest`: train, serve and stop a small model with the programs of the image.

Each check prints one line. After the first failure the reason and the end of the log are printed,
and the exit code is 1. All files are in a temporary directory, which is removed at the end.
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
from container.log import escaped
from container.paths import PROGRAM_DIR, environment
from container.selftest.sandbox import (
    N_ROWS,
    STOP_SECONDS,
    CheckFailed,
    Process,
    Sandbox,
    make_sample,
    stop,
)
from container.serving import commands
from container.settings import Settings

EXIT_FAILED = 1
USAGE = "usage: selftest\n"

_NO_TRAIN = "there is no train in this image"


class CheckSkipped(PlatformError):
    """A check does not apply to this image; the message has the reason."""


def main(arguments: list[str]) -> int:
    """Entry point of the program `selftest`; return 0, or EXIT_FAILED if a check has failed."""
    if arguments:
        sys.stderr.write(USAGE)
        return os.EX_USAGE
    for number in signals.STOP:
        signal.signal(number, _interrupt)  # process 1 ignores signals without a handler
    try:
        with tempfile.TemporaryDirectory(prefix="selftest-") as name:
            Path(name).chmod(0o755)  # for workers that run as another user
            with closing(Sandbox(Path(name), environment())) as sandbox:
                checks = Checks(sandbox)
                passed = all(_passes(name, checks) for name in Checks.NAMES)
                return 0 if passed else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_STOPPED
    except OSError as error:
        _report("FAILED", "directory", f"{error}; mount a writable directory at /tmp.")
        return EXIT_FAILED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Interrupt the checks; further signals do not interrupt the clean-up."""
    for number in signals.STOP:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _passes(name: str, checks: "Checks") -> bool:
    try:
        _report("ok", name, getattr(checks, name)())
    except CheckSkipped as reason:
        _report("skipped", name, str(reason))
    except (ContainerError, OSError, http.client.HTTPException) as error:
        checks.sandbox.end()  # so that the log is complete
        _report("FAILED", name, str(error) or repr(error))
        sys.stdout.write(checks.sandbox.excerpt())
        return False
    return True


def _report(result: str, name: str, text: str) -> None:
    sys.stdout.write(f"{result:<9}{name:<13}{escaped(text)}\n")
    sys.stdout.flush()


class Checks:
    """The checks: each method returns the text of its line, or raises the reason of a failure."""

    NAMES = ("programs", "nginx", "algorithm", "training", "serving", "invocations", "stop")

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._train: str | None = None
        self._serve = "serve"
        self._sample = make_sample("classification")
        self._server: Process | None = None

    def programs(self) -> str:
        """Find both programs as `docker run IMAGE train` does; the inference image has no train."""
        self._train = self.sandbox.find("train")
        serve = self.sandbox.find("serve")
        if serve is None:
            raise CheckFailed(f"There is no serve in {PROGRAM_DIR}; copy it there.")
        self._serve = serve
        return f"{serve}, {self._train or 'and no train: this image only serves'}"

    def nginx(self) -> str:
        """Check nginx's configuration, as `serve` writes it."""
        settings = Settings.from_environ(self.sandbox.environ)
        found = shutil.which("nginx", path=self.sandbox.environ.get("PATH"))
        if found is None:
            raise CheckFailed("nginx is not on PATH; install it in the image.")
        # In the directory that `serve` uses: the path of its socket must not become too long.
        with tempfile.TemporaryDirectory(prefix="serve-") as name:
            runtime = Path(name)
            commands.write_nginx_conf(settings, runtime)
            code = self.sandbox.run([*commands.nginx_command(runtime), "-t"])
        if code:
            raise CheckFailed(
                f"nginx rejects nginx.conf with exit code {code}; see the lines below."
            )
        return f"{found} accepts nginx.conf"

    def algorithm(self) -> str:
        """Read the hyperparameters from train, and make rows for the default of its task."""
        if self._train is None:
            raise CheckSkipped(_NO_TRAIN)
        file = self.sandbox.base.with_name("schema.json")
        code = self.sandbox.run([self._train, "--schema"], file)
        if code:
            raise CheckFailed(f"train --schema ended with exit code {code}; correct algorithm.py.")
        try:
            defaults = {d["Name"]: d.get("DefaultValue") for d in json.loads(file.read_bytes())}
        except ValueError as error:
            raise CheckFailed(
                f"The output of train --schema is not JSON ({error}); restore train."
            ) from error
        self._sample = make_sample(defaults.get("task") or "classification")
        return f"{len(defaults)} hyperparameters, by default {self._sample.task}"

    def training(self) -> str:
        """Train on the rows with the default hyperparameters."""
        if self._train is None:
            raise CheckSkipped(f"{_NO_TRAIN}, so there is no model")
        data, model = self.sandbox.base / "input/data/training", self.sandbox.base / "model"
        data.mkdir(parents=True)
        (data / "rows.csv").write_text(self._sample.training_csv(), encoding="utf-8")
        start = time.monotonic()
        code = self.sandbox.run([self._train])
        if code:
            raise CheckFailed(f"train ended with exit code {code}: {self._reason()}")
        if not model.is_dir() or not any(model.iterdir()):
            raise CheckFailed(
                "train wrote no file to the model directory; write the model in save."
            )
        return f"{N_ROWS} rows, {_since(start)}"

    def serving(self) -> str:
        """Start the server; /ping returns 200, or 503 with the reason if there is no model."""
        start = time.monotonic()
        self.sandbox.base.mkdir(exist_ok=True)
        self._server = self.sandbox.start([self._serve])
        if self._train is None:
            self.sandbox.await_ping(
                self._server, HTTPStatus.SERVICE_UNAVAILABLE, '"error": "ModelNotReady"'
            )
            return f"/ping is 503 because there is no model, {_since(start)}"
        self.sandbox.await_ping(self._server, HTTPStatus.OK, "")
        return f"/ping is 200, {_since(start)}"

    def invocations(self) -> str:
        """Send each training row separately and all together; the predictions must be equal."""
        if self._train is None:
            raise CheckSkipped(f"{_NO_TRAIN}, so there is no model for requests")
        lines = self._sample.lines()
        start = time.monotonic()
        single = [self._answers([line])[0] for line in lines]
        together = self._answers(lines)
        for number, (alone, among) in enumerate(zip(single, together, strict=True), 1):
            if alone != among:
                raise CheckFailed(
                    f"The prediction for row {number} is {alone!r} alone and {among!r} with others."
                )
        return f"{len(lines)} of one row and 1 of {len(lines)}, {_since(start)}"

    def stop(self) -> str:
        """Stop the server as the platform does."""
        start = time.monotonic()
        if self._server is None or self._server.poll() is not None:
            raise CheckFailed("serve exited before SIGTERM; see the log below.")
        code = stop(self._server)
        if code is None:
            raise CheckFailed(f"serve did not exit within {STOP_SECONDS:g} s after SIGTERM.")
        if code:
            raise CheckFailed(f"serve ended with exit code {code} after SIGTERM; it must be 0.")
        return f"exit code 0 after SIGTERM, {_since(start)}"

    def _answers(self, lines: list[str]) -> list[str]:
        """Return the prediction for each row; raises CheckFailed if one is not valid."""
        output = "predicted_score" if self._sample.task == "regression" else "predicted_label"
        body = "".join(f"{line}\n" for line in lines)
        status, text = self.sandbox.request("/invocations", body, f"text/csv;output={output}")
        if status != HTTPStatus.OK:
            raise CheckFailed(f"/invocations returned {status} for training rows: {text}")
        answers = text.splitlines()
        if len(answers) != len(lines):
            raise CheckFailed(
                f"/invocations returned {len(answers)} predictions for {len(lines)} rows."
            )
        for answer in answers:
            if not self._sample.is_answer(answer):
                raise CheckFailed(f"/invocations returned {answer!r}, which is not a {output}.")
        return answers

    def _reason(self) -> str:
        file = self.sandbox.base / "output/failure"
        return file.read_text(encoding="utf-8") if file.exists() else "it gave no reason."


def _since(start: float) -> str:
    return f"{time.monotonic() - start:.1f} s"
