"""Monitor of nginx and gunicorn: waits until there is a reason to stop them."""

import logging
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from container import signals
from container.errors import EXIT_NO_MODEL
from container.serving import commands
from container.serving.scoreboard import Scoreboard
from container.settings import Settings

NO_MODEL_SECONDS = 10.0
"""Time that /ping reports why the model cannot be used, before the container exits."""

_LOOK_SECONDS = 0.5

logger = logging.getLogger(__name__)

Children = dict[str, subprocess.Popen[bytes]]


class Monitor:
    """Checks both servers and the scoreboard until there is a reason to stop."""

    def __init__(
        self,
        children: Children,
        inbox: signals.Inbox,
        scoreboard: Scoreboard,
        settings: Settings,
        runtime: Path,
    ) -> None:
        self._children = children
        self._inbox = inbox
        self._scoreboard = scoreboard
        self._settings = settings
        self._runtime = runtime
        self._no_model_since: float | None = None
        self._loading_since = time.monotonic()
        self._given_up = ""
        self._was_ready = False
        self.exit_code = 0
        """Exit code of the container if it has no model; otherwise 0."""

    def wait(self) -> str | None:
        """Return the name of the server that exited, or None after a stop or without a model."""
        own = {child.pid: name for name, child in self._children.items()}
        while True:
            for name, child in self._children.items():
                if child.poll() is not None:
                    self._explain(name)
                    return name
            if self._has_no_model():
                return None
            self._log_readiness()
            signals.reap_orphans(own)
            if self._inbox.wait(_LOOK_SECONDS):
                logger.info("stop signal received; accepted requests are answered first")
                return None

    def _log_readiness(self) -> None:
        ready = self._scoreboard.health().ready
        if ready != self._was_ready:
            logger.info("ready: every worker answers" if ready else "not ready: see /ping")
        self._was_ready = ready

    def _explain(self, name: str) -> None:
        """Report that the master of gunicorn was killed while it loaded the model."""
        was_killed = self._children[name].returncode == -signal.SIGKILL
        if name == "gunicorn" and was_killed and not self._scoreboard.was_ready():
            logger.error(
                "exiting without a model: gunicorn was killed while it loaded the model, most "
                "likely because the memory ran out: use an instance type with more memory. Now "
                "there is %s",
                self._settings.workers_reason,
            )
            self.exit_code = EXIT_NO_MODEL

    def _has_no_model(self) -> bool:
        """Return whether there has been no hope of a model for NO_MODEL_SECONDS."""
        now = time.monotonic()
        if not self._scoreboard.is_loading():
            self._loading_since = now
        if now - self._loading_since > self._settings.startup_seconds and not self._given_up:
            self._give_up()
        board = self._scoreboard
        if not (self._given_up or board.all_failed() or board.why_given_up()):
            self._no_model_since = None
        elif self._no_model_since is None:
            self._no_model_since = now
        elif now - self._no_model_since > NO_MODEL_SECONDS:
            self._end()
            return True
        return False

    def _give_up(self) -> None:
        """Make nginx answer with the reason: a worker that loads a model may answer nothing."""
        self._given_up = (
            f"The model was not loaded within {self._settings.startup_seconds} s and is given up. "
            "If it is large, raise SAGEMAKER_STARTUP_TIMEOUT; otherwise find what never ends."
        )
        logger.error("%s", self._given_up)
        commands.write_nginx_conf(self._settings, self._runtime, self._given_up)
        self._children["nginx"].send_signal(signal.SIGHUP)

    def _end(self) -> None:
        self.exit_code = self._scoreboard.exit_code() or EXIT_NO_MODEL
        reason = self._given_up or self._scoreboard.health().reason
        logger.error("exiting without a model: %s", reason)
        if self._given_up:  # what never ends does not react to SIGTERM
            with suppress(PermissionError):
                os.killpg(self._children["gunicorn"].pid, signal.SIGKILL)
